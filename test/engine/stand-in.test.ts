/** A stand-in is the engine's child and lives no longer than it, however the engine ends. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { findPlugins } from "../../local/engine/plugins";
import { standIn } from "../../local/engine/stand-ins";
import { tool } from "../../local/toolchain/toolchain";

jest.setTimeout(60_000);

let standInProcess: number | undefined;

afterAll(() => {
  if (standInProcess !== undefined) process.kill(standInProcess, "SIGKILL");
});

test("a stand-in serves while its engine runs, and ends by itself when that was killed outright", async () => {
  const { version } = (await findPlugins(await tool("pulumi"))).find(({ name }) => name === "random")!;
  const program = join(await standIn("random", version), "pulumi-resource-random");
  // In the engine's place: a parent that is killed. What the stand-in says comes over the same pipe, which stays open as long as it runs.
  const engine = spawn("bash", ["-c", '"$0" 127.0.0.1:1 & echo $!; wait', program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const said: number[] = [];
  for await (const line of createInterface(engine.stdout)) if (said.push(Number(line)) === 2) break;
  const [pid = 0, port] = said;
  standInProcess = pid;
  expect(port).toBeGreaterThan(0);
  await new Promise((resolve) => setTimeout(resolve, 2500));
  expect(process.kill(pid, 0)).toBe(true);

  const closed = once(engine, "close");
  engine.kill("SIGKILL");
  engine.stdout.resume();
  await closed;
  standInProcess = undefined;
});
