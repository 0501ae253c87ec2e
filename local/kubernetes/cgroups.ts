import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

interface Hierarchy {
  readonly root: string;
  readonly version: 1 | 2;
}

/** The cgroup hierarchies among mounted file systems (`/proc/self/mounts`): version 1's, one a controller, and version 2's. */
export function hierarchies(mounts: string): Hierarchy[] {
  return mounts.split("\n").flatMap((line) => {
    const [, root, type] = line.split(" ");
    if (root === undefined || (type !== "cgroup" && type !== "cgroup2")) return [];
    return [{ root, version: type === "cgroup" ? (1 as const) : (2 as const) }];
  });
}

async function mounted(): Promise<Hierarchy[]> {
  return hierarchies(await readFile("/proc/self/mounts", "utf8"));
}

/** Where a node's own processes are, beside its pods: out of the session that started them, which could be ended. */
export function supervisorCgroup(cgroup: string): string {
  return join(cgroup, "supervisor");
}

async function makeOne({ root, version }: Hierarchy, cgroup: string): Promise<void> {
  if (cgroup === "/") return;
  const path = join(root, cgroup);
  const parent = dirname(path);
  await makeOne({ root, version }, dirname(cgroup));
  if (version === 2) {
    const controllers = (await readFile(join(parent, "cgroup.controllers"), "utf8")).trim();
    const wanted = controllers.split(" ").filter((controller) => controller !== "");
    if (wanted.length > 0) {
      await writeFile(join(parent, "cgroup.subtree_control"), wanted.map((controller) => `+${controller}`).join(" "));
    }
  }
  await mkdir(path, { recursive: true });
  if (version === 1 && existsSync(join(path, "cpuset.cpus"))) {
    // Version 1 gives a new cpuset nothing, and refuses processes in an empty one.
    for (const file of ["cpuset.cpus", "cpuset.mems"]) {
      await writeFile(join(path, file), await readFile(join(parent, file), "utf8"));
    }
  }
}

/** Makes a cgroup in each hierarchy and returns the files that take a process into it. */
export async function makeCgroup(cgroup: string): Promise<string[]> {
  const all = await mounted();
  for (const hierarchy of all) await makeOne(hierarchy, cgroup);
  return all.map(({ root }) => join(root, cgroup, "cgroup.procs"));
}

async function removeTree(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeTree(join(path, entry.name));
  }
  // The kernel lets go of a dead process's cgroup a moment after the process.
  for (let attempt = 0; ; attempt++) {
    try {
      await rmdir(path);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      if (attempt === 100)
        throw new Error(`The cgroup ${path} still has processes and was not removed.`, { cause: error });
      await sleep(50);
    }
  }
}

/** Removes a cgroup with everything below it from each hierarchy, and its parents where nothing else is in them. Its processes must be gone. */
export async function removeCgroup(cgroup: string): Promise<void> {
  for (const { root } of await mounted()) {
    const path = join(root, cgroup);
    if (existsSync(path)) await removeTree(path);
    for (let parent = dirname(cgroup); parent !== "/"; parent = dirname(parent)) {
      // Another node's or cluster's part is in it: it stays.
      await rmdir(join(root, parent)).catch(() => undefined);
    }
  }
}
