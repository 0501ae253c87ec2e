/** A `pulumi` that was killed leaves its lock on the stack behind; where it is certain that it is gone, the lock goes too. */
import type { Stack } from "@pulumi/pulumi/automation";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { step } from "../progress";

/** What Pulumi writes into a lock of its file backend (pkg/backend/diy/lock.go). */
interface Lock {
  readonly pid: number;
  readonly hostname: string;
}

/** Releases a stack of a file backend whose lock was left by a process of this machine that runs no more. */
export async function releaseStaleLock(stack: Stack, project: string, backend: string): Promise<void> {
  if (!backend.startsWith("file://")) return;
  const locks = join(fileURLToPath(backend), ".pulumi", "locks", "organization", project, stack.name);
  if (!existsSync(locks)) return;
  const held = readdirSync(locks)
    .filter((file) => file.endsWith(".json")) // Beside each lies a file of its attributes.
    .map((file) => JSON.parse(readFileSync(join(locks, file), "utf8")) as Lock);
  if (held.length === 0 || !held.every(isAbandoned)) return;
  step(
    `stack ${stack.name}: an earlier pulumi (process ${held.map(({ pid }) => pid).join(", ")}) was killed; its lock is released`,
  );
  await stack.cancel();
}

function isAbandoned(lock: Lock): boolean {
  return lock.hostname === hostname() && !runs(lock.pid);
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, as somebody else.
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
  // A process that was killed keeps its number until its parent has asked for its end; proc(5) shows it as a zombie.
  const status = `/proc/${pid}/status`;
  return !existsSync(status) || !/^State:\s+[ZX]/m.test(readFileSync(status, "utf8"));
}
