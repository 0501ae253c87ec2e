import { standInVersion } from "../version";
import { serve } from "../provider";
import { CommandProvider } from "./command";

serve((log) => new CommandProvider(standInVersion, log));
