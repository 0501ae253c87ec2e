import { readdirSync, readFileSync } from "node:fs";

/** A process in a container of an embedded cluster, which is a process of this machine. */
export interface ContainerProcess {
  /** The machine's id of it. */
  readonly id: number;
  /** Whether it is the first of its container: all others go with it. */
  readonly first: boolean;
  readonly command: readonly string[];
}

/** The processes of a pod. @param uid the pod's */
export function processesOf(uid: string): ContainerProcess[] {
  return readdirSync("/proc").flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      if (!readFileSync(`/proc/${entry}/cgroup`, "utf8").includes(`/pod${uid}/`)) return [];
      const first = /^NSpid:.*\t1$/m.test(readFileSync(`/proc/${entry}/status`, "utf8"));
      const command = readFileSync(`/proc/${entry}/cmdline`, "utf8").split("\0");
      return [{ id: Number(entry), first, command }];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
}

/** Kills them at one blow: a container's first process takes all others of it along. Returns whether any of them was there still. */
export function endOutright(processes: readonly ContainerProcess[]): boolean {
  let ended = false;
  for (const { id } of [...processes].sort((a, b) => Number(b.first) - Number(a.first))) {
    try {
      process.kill(id, "SIGKILL");
      ended = true;
    } catch (error) {
      // It has ended meanwhile.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
  return ended;
}
