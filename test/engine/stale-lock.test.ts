/** A killed `pulumi` leaves its lock: it is released when its process is gone for certain, and never otherwise. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { openProgram } from "../../local/engine/stack";

jest.setTimeout(60_000);

const directory = mkdtempSync(join(tmpdir(), "naytife-lock-"));
const open = async () =>
  (
    await openProgram({
      stackName: "test",
      projectName: "locks",
      program: () => Promise.resolve({ done: true }),
      workDirectory: join(directory, "workspace"),
      backend: pathToFileURL(join(directory, "backend")).href,
    })
  ).stack;

function lock(pid: number, host: string): void {
  const locks = join(directory, "backend", ".pulumi", "locks", "organization", "locks", "test");
  rmSync(locks, { recursive: true, force: true });
  mkdirSync(locks, { recursive: true });
  const held = { pid, username: "somebody", hostname: host, timestamp: new Date().toISOString() };
  const file = join(locks, "d3b07384-d113-4ec6-a5b0-0123456789ab.json");
  writeFileSync(file, JSON.stringify(held));
  writeFileSync(`${file}.attrs`, JSON.stringify({ "user.content_type": "text/plain; charset=utf-8" }));
}

/** A process id that was one and is none any more. */
const gone = spawnSync("true").pid;

afterAll(() => {
  for (const parent of parents) parent.kill();
  rmSync(directory, { recursive: true, force: true });
});

/** A process that has ended and that its parent, which ends with these tests, never asks about. */
async function zombie(): Promise<number> {
  const parent = spawn("bash", ["-c", "sleep 0 & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "ignore"] });
  parents.push(parent);
  const [line] = (await once(parent.stdout, "data")) as [Buffer];
  const pid = Number(line.toString());
  while (!readFileSync(`/proc/${pid}/status`, "utf8").includes("(zombie)")) await setTimeout(20);
  return pid;
}
const parents: ChildProcess[] = [];

test.each([
  ["is gone", () => Promise.resolve(gone)],
  ["was killed and lingers", zombie],
])("the lock of a process that %s is released at the next opening", async (_, process) => {
  const stack = await open();
  lock(await process(), hostname());
  await expect(stack.up({ color: "never" })).rejects.toThrow(/currently locked/);
  await (await open()).up({ color: "never" });
});

test.each([
  ["runs", process.pid, hostname()],
  ["may run on another machine", gone, "elsewhere"],
])("the lock of a process that %s stays", async (_, pid, host) => {
  lock(pid, host);
  await expect((await open()).up({ color: "never" })).rejects.toThrow(/currently locked/);
});
