import { createHash } from "node:crypto";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** URL of the backend that is files in a state directory. */
export function localBackend(stateDirectory: string): string {
  return pathToFileURL(join(stateDirectory, "backend")).href;
}

/** One directory for each stack of each backend: the encryption salt that lies in it belongs to both. */
export function workspaceDirectory(stateDirectory: string, backend: string, stack: string): string {
  const key = createHash("sha256").update(backend).digest("hex").slice(0, 8);
  return join(stateDirectory, "workspaces", `${stack}-${key}`);
}
