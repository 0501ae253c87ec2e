/** What the program relies on of @pulumi/command, on whichever provider is there (docs/decisions/provider-behaviours.md). */
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EngineRun } from "./engine-run";

jest.setTimeout(60_000);

const directory = mkdtempSync(join(tmpdir(), "naytife-command-"));
const trace = join(directory, "trace");
let engine: EngineRun;

beforeAll(async () => {
  engine = await EngineRun.open();
});

afterAll(() => {
  engine.close();
  rmSync(directory, { recursive: true, force: true });
});

const traced = () => (existsSync(trace) ? readFileSync(trace, "utf8").trim().split("\n") : []);

const program = (args: command.local.CommandArgs, options?: pulumi.CustomResourceOptions) => () => {
  const { stdout, stderr } = new command.local.Command("command", { dir: directory, ...args }, options);
  return Promise.resolve({ stdout, stderr });
};

const full: command.local.CommandArgs = {
  create: 'echo "create $VALUE" | tee -a trace; echo "on stderr" >&2',
  update: 'echo "update $VALUE after $PULUMI_COMMAND_STDOUT" >> trace',
  delete: 'echo "delete $VALUE" >> trace',
  environment: { VALUE: "one" },
};

test("create fails: nothing is kept, the error shows the command and its output, and the next up tries again", async () => {
  const failing = program({ create: 'test -e allowed || { echo "the reason" >&2; exit 3; }; echo done' });
  const failed = await engine.up(failing);
  expect(failed.error).toMatch(/exit status 3/);
  expect(failed.error).toMatch(/the reason/);
  expect(failed.error).toMatch(/test -e allowed/);
  writeFileSync(join(directory, "allowed"), "");
  const again = await engine.up(failing);
  expect(again.error).toBeUndefined();
  expect(again.operations).toEqual({ command: "create" });
  expect((await engine.outputs()).stdout).toBe("done");
  expect((await engine.destroy()).error).toBeUndefined();
});

test("preview runs nothing; create runs once, with its environment, and shows stderr; up again does nothing", async () => {
  const previewed = await engine.preview(program(full));
  expect(previewed.operations).toEqual({ command: "create" });
  expect(traced()).toEqual([]);

  const created = await engine.up(program(full));
  expect(created.error).toBeUndefined();
  expect(created.log).toContain("on stderr");
  expect(await engine.outputs()).toEqual({ stdout: "create one", stderr: "on stderr" });
  expect(traced()).toEqual(["create one"]);

  const again = await engine.up(program(full), { refresh: true });
  expect(again.operations).toEqual({ command: expect.stringMatching(/^(same|refresh)$/) as string });
  expect(traced()).toEqual(["create one"]);
});

test("a changed input runs update, which sees what was printed before", async () => {
  const updated = await engine.up(program({ ...full, environment: { VALUE: "two" } }));
  expect(updated.operations).toEqual({ command: "update" });
  expect(traced().slice(1)).toEqual(["update two after create one"]);
});

test("a changed trigger replaces: create first, then delete with the old environment", async () => {
  const replaced = await engine.up(program({ ...full, environment: { VALUE: "three" }, triggers: ["new"] }));
  expect(replaced.operations).toEqual({ command: "replace" });
  expect(traced().slice(2)).toEqual(["create three", "delete two"]);
});

test("destroy runs delete", async () => {
  expect((await engine.destroy()).error).toBeUndefined();
  expect(traced().slice(4)).toEqual(["delete three"]);
});

test("a secret in the environment makes the outputs secret and lies in no clear text in the state", async () => {
  const secret = "correct-horse-battery";
  const run = await engine.up(
    program({
      create: 'printf %s "$TOKEN" | wc -c; cat',
      environment: { TOKEN: pulumi.secret(secret) },
      stdin: "from stdin",
      interpreter: ["/bin/bash", "-euc"],
      logging: "none",
    }),
  );
  expect(run.error).toBeUndefined();
  expect((await engine.outputs()).stdout).toMatch(/^\s*21\nfrom stdin$/);
  const state = engine.state();
  expect(state).not.toContain(secret);
  expect(state).not.toContain("from stdin\\n");
  expect(run.log).not.toContain(secret);
});
