/** A killed `pulumi` leaves its lock: it is released when its process is gone for certain, and never otherwise. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
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
  writeFileSync(join(locks, "d3b07384-d113-4ec6-a5b0-0123456789ab.json"), JSON.stringify(held));
}

/** A process id that was one and is none any more. */
const gone = spawnSync("true").pid;

afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

test("the lock of a process that is gone is released at the next opening", async () => {
  const stack = await open();
  lock(gone, hostname());
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
