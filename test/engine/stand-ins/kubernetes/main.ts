import { standInVersion } from "../version";
import { serve } from "../provider";
import { KubernetesProvider } from "./kubernetes";

serve((log) => new KubernetesProvider(standInVersion, log));
