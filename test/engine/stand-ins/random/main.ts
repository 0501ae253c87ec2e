import { standInVersion } from "../version";
import { serve } from "../provider";
import { RandomProvider } from "./random";

serve(() => new RandomProvider(standInVersion));
