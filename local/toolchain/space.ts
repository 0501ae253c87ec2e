import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";

const gibibyte = 1024 ** 3;
/** Bytes: a single program takes up to 3 GiB with its sources and Go's cache, a cold build of the embedded cluster's fifteen about 9 GiB. */
const spaceForOne = 3 * gibibyte;
const spaceForEachFurther = gibibyte / 2;

/** The bytes that can still be written where a directory is, or will be. */
export async function freeSpace(directory: string): Promise<number> {
  let existing = directory;
  while (!existsSync(existing)) existing = dirname(existing);
  const { bavail, bsize } = await statfs(existing);
  return bavail * bsize;
}

/**
 * @param programs how many are to be built
 * @param places the directories that are written to, mostly on one disk, and the bytes free in each
 * @throws where one of them has too little for that many
 */
export function checkSpace(programs: number, places: ReadonlyMap<string, number>): void {
  const needed = spaceForOne + (programs - 1) * spaceForEachFurther;
  const inGibibytes = (bytes: number) => `${(bytes / gibibyte).toFixed(1)} GiB`;
  for (const [directory, free] of places) {
    if (free >= needed) continue;
    throw new Error(
      `Too little disk: ${directory} has ${inGibibytes(free)} free, building ${programs} of the toolchain's programs needs ${inGibibytes(needed)}. ` +
        "Nothing was built. Free some space, or name another place with NAYTIFE_CACHE (ours), GOCACHE and GOMODCACHE (Go's).",
    );
  }
}
