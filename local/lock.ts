import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Runs work while no other process does the same, for any two processes that name the same file.
 * The lock is the kernel's (`flock`), held by a child that lives as long as we keep its standard input open: a process that dies,
 * in whatever way, has let go of it. The file stays; its being there means nothing.
 * @param waiting is called once where another process has the lock now.
 */
export async function withLock<Result>(
  file: string,
  waiting: () => void,
  work: () => Promise<Result>,
): Promise<Result> {
  mkdirSync(dirname(file), { recursive: true });
  const holder = spawn("flock", [file, "sh", "-c", "echo locked; exec cat"], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve) =>
    holder.once("close", () => {
      resolve();
    }),
  );
  const patience = setTimeout(waiting, 500);
  try {
    await new Promise<void>((resolve, reject) => {
      holder.once("error", (error) => {
        reject(new Error(`The lock ${file} needs flock (util-linux): ${error.message}`));
      });
      holder.once("close", () => {
        reject(new Error(`The lock ${file} could not be taken.`));
      });
      holder.stdout.once("data", () => {
        resolve();
      });
    });
  } finally {
    clearTimeout(patience);
  }
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
