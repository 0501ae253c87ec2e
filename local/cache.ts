import { homedir } from "node:os";
import { join } from "node:path";

/**
 * The directory, outside the checkout, for everything that can be made again: built programs, assembled images, rendered manifests.
 * `$NAYTIFE_CACHE` where it is set, else `~/.cache/naytife-postgres`. It may be removed at any time when nothing runs from it.
 */
export function cacheDirectory(): string {
  const chosen = process.env.NAYTIFE_CACHE;
  return chosen !== undefined && chosen !== "" ? chosen : join(homedir(), ".cache", "naytife-postgres");
}
