import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, open, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ToolName } from "../toolchain/toolchain";
import { makeCgroup, removeCgroup, supervisorCgroup } from "./cgroups";
import type { NodeFile } from "./components";
import { stateRoot, type NodePlan } from "./plan";

const supervisor = join(__dirname, "node.sh");

/**
 * The host's process id of a node's first process, or undefined where the node does not run. Found by what it is (process 1 of a
 * namespace, running node.sh for this directory), not by a recorded number that could be another process's by now.
 */
export async function findInit(node: NodePlan): Promise<number | undefined> {
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const words = (await readFile(`/proc/${entry}/cmdline`, "utf8")).split("\0");
      if (!words[1]?.endsWith("/node.sh") || words[2] !== node.directory) continue;
      const status = await readFile(`/proc/${entry}/status`, "utf8");
      if (/^NSpid:\s+\d+\s+1$/m.test(status) && !/^State:\s+Z/m.test(status)) return Number(entry);
    } catch {
      // It ended while we looked.
    }
  }
  return undefined;
}

async function writeNode(
  node: NodePlan,
  files: readonly NodeFile[],
  tools: Readonly<Partial<Record<ToolName, string>>>,
): Promise<void> {
  for (const place of ["bin", "units", "configuration"])
    await rm(join(node.directory, place), { recursive: true, force: true });
  for (const { path, content, executable } of files) {
    const file = join(node.directory, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
    if (executable) await chmod(file, 0o755);
  }
  await mkdir(join(node.directory, "bin"), { recursive: true });
  for (const [name, path] of Object.entries(tools)) await symlink(path, join(node.directory, "bin", name));
}

/** Starts a node's first process in namespaces of its own; nothing if it runs. It waits there for its network. */
export async function startNode(
  node: NodePlan,
  files: readonly NodeFile[],
  tools: Readonly<Partial<Record<ToolName, string>>>,
): Promise<number> {
  const running = await findInit(node);
  if (running !== undefined) return running;
  // A node that was killed leaves its pods' cgroups behind, empty.
  await removeCgroup(node.cgroup);
  await writeNode(node, files, tools);
  await makeCgroup(node.cgroup);
  const entries = await makeCgroup(supervisorCgroup(node.cgroup));
  const logFile = join(node.directory, "node.log");
  const log = await open(logFile, "w");
  const enterCgroups = 'for entry; do [ "$entry" = -- ] && break; echo $$ >"$entry"; shift; done; shift; exec "$@"';
  const namespaces = ["unshare", "--mount", "--pid", "--net", "--fork", "--mount-proc", "--kill-child=KILL"];
  const command = [...namespaces, "bash", supervisor, node.directory, stateRoot, node.address];
  const child = spawn("sh", ["-c", enterCgroups, "sh", ...entries, "--", ...command], {
    cwd: "/",
    detached: true,
    stdio: ["ignore", log.fd, log.fd],
  });
  const state = { ended: false };
  for (const event of ["exit", "error"]) child.once(event, () => (state.ended = true));
  child.unref();
  await log.close();
  for (let attempt = 0; attempt < 200 && !state.ended; attempt++) {
    const init = await findInit(node);
    if (init !== undefined) return init;
    await sleep(25);
  }
  throw new Error(
    `The node ${node.name} did not start. Its state in ${node.directory} is untouched; repeat, or take the cluster down.\n` +
      (await readFile(logFile, "utf8")),
  );
}

/** Kills a node's first process and with it everything in the node; returns when all is gone. Nothing where it does not run. */
export async function killNode(node: NodePlan): Promise<void> {
  const init = await findInit(node);
  if (init === undefined) return;
  process.kill(init, "SIGKILL");
  // The kernel keeps it, without a command line, until every process of its namespace is gone.
  for (let attempt = 0; existsSync(`/proc/${init}`); attempt++) {
    if (attempt === 600)
      throw new Error(`The node ${node.name} (process ${init}) does not end. Its state was left untouched.`);
    await sleep(50);
  }
}

/** Replaces a file as a whole, whoever else does the same at the time. */
export async function writeWhole(path: string, content: string): Promise<void> {
  const unfinished = `${path}.${randomUUID()}.unfinished`;
  await writeFile(unfinished, content);
  await rename(unfinished, path);
}
