import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { step } from "../progress";

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

/** Of version 2's controllers, those that the kubelet and runc limit pods with. */
const limits = ["cpu", "cpuset", "io", "memory", "pids", "hugetlb"];

/**
 * Hands the controllers that a version 2 cgroup has down to the cgroups below it, each by a write of its own: the kernel takes all of one
 * write or nothing. The kubelet says whether it can do without one that is refused.
 * @throws where the cgroup has processes of its own: it then hands nothing down
 */
export async function enableControllers(
  parent: string,
  write: (file: string, text: string) => Promise<void> = writeFile,
): Promise<void> {
  const has = (await readFile(join(parent, "cgroup.controllers"), "utf8")).trim().split(" ");
  for (const controller of limits.filter((limit) => has.includes(limit))) {
    try {
      await write(join(parent, "cgroup.subtree_control"), `+${controller}`);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "EBUSY") {
        step(`cgroups: ${parent} does not hand down ${controller} (${code ?? String(error)}); going on without it`);
        continue;
      }
      throw new Error(
        `The cgroup ${parent} has processes of its own, as in a container, so the kernel limits nothing below it. No node was started. ` +
          `Move them into a cgroup beside the nodes' and repeat: mkdir -p ${parent}/init && ` +
          `xargs -rn1 <${parent}/cgroup.procs >${parent}/init/cgroup.procs. Or run it outside the container.`,
        { cause: error },
      );
    }
  }
}

async function makeOne({ root, version }: Hierarchy, cgroup: string): Promise<void> {
  if (cgroup === "/") return;
  const path = join(root, cgroup);
  const parent = dirname(path);
  await makeOne({ root, version }, dirname(cgroup));
  if (version === 2) await enableControllers(parent);
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
