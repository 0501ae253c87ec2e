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
  const held = readdirSync(locks).map((file) => JSON.parse(readFileSync(join(locks, file), "utf8")) as Lock);
  if (held.length === 0 || !held.every(isAbandoned)) return;
  step(
    `stack ${stack.name}: an earlier pulumi (process ${held.map(({ pid }) => pid).join(", ")}) was killed; its lock is released`,
  );
  await stack.cancel();
}

function isAbandoned(lock: Lock): boolean {
  if (lock.hostname !== hostname()) return false;
  try {
    process.kill(lock.pid, 0);
    return false;
  } catch (error) {
    // EPERM: it runs, as somebody else.
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
