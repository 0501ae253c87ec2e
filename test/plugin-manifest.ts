import * as path from "node:path";
import { moduleDirectory } from "../local/toolchain/toolchain";

/** The plugin's manifest where Go keeps it, for programs that run without a network. Its sum is checked as that of the configured one. */
export async function pluginManifest(): Promise<string> {
  return path.join(await moduleDirectory("plugin-barman-cloud"), "manifest.yaml");
}
