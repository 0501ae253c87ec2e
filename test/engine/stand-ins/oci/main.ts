import { serve } from "../provider";
import { standInVersion } from "../version";
import { OciProvider } from "./oci";

serve(() => new OciProvider(standInVersion));
