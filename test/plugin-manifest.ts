import * as path from "node:path";
import { moduleDirectory } from "../local/toolchain/toolchain";

let found: Promise<string> | undefined;

/** The plugin's manifest where Go keeps it, for programs that run without a network. Its sum is checked as that of the configured one. */
export function pluginManifest(): Promise<string> {
  found ??= moduleDirectory("plugin-barman-cloud").then((directory) => path.join(directory, "manifest.yaml"));
  return found;
}
