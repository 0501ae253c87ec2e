/** What the program relies on of @pulumi/random, on whichever provider is there (docs/decisions/provider-behaviours.md). */
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { EngineRun } from "./engine-run";

jest.setTimeout(60_000);

let engine: EngineRun;

beforeAll(async () => {
  engine = await EngineRun.open();
});

afterAll(() => {
  engine.close();
});

const program = (args: random.RandomPasswordArgs, options?: pulumi.CustomResourceOptions) => () => {
  const { result } = new random.RandomPassword("password", args, options);
  return Promise.resolve({ result });
};

const args: random.RandomPasswordArgs = { length: 32, special: false, minNumeric: 4, minUpper: 3 };
let first: unknown;

test("a preview does not know the password, and makes none", async () => {
  const run = await engine.preview(program(args));
  expect(run.error).toBeUndefined();
  expect(run.operations).toEqual({ password: "create" });
});

test("a password has the length and the characters that were asked for, and is encrypted in the state", async () => {
  await engine.up(program(args));
  first = (await engine.outputs()).result;
  expect(first).toMatch(/^[A-Za-z0-9]{32}$/);
  expect(String(first).replace(/\D/g, "").length).toBeGreaterThanOrEqual(4);
  expect(String(first).replace(/[^A-Z]/g, "").length).toBeGreaterThanOrEqual(3);
  expect(engine.state()).not.toContain(first);
});

test("it is kept by the next up and by a refresh", async () => {
  const run = await engine.up(program(args), { refresh: true });
  expect(run.error).toBeUndefined();
  expect((await engine.outputs()).result).toBe(first);
});

test("another length or keeper replaces it", async () => {
  const longer = await engine.up(program({ ...args, length: 40 }));
  expect(longer.operations).toEqual({ password: "replace" });
  const { result } = await engine.outputs();
  expect(result).toMatch(/^[A-Za-z0-9]{40}$/);
  const kept = await engine.up(program({ ...args, length: 40, keepers: { rotation: "2" } }));
  expect(kept.operations).toEqual({ password: "replace" });
  expect((await engine.outputs()).result).not.toBe(result);
});

test("a minimum that does not fit into the length is refused before anything is made", async () => {
  const run = await engine.preview(program({ length: 4, minNumeric: 5 }));
  expect(run.error).toBeDefined();
});

test("an existing password is imported", async () => {
  await engine.destroy();
  const run = await engine.up(program({ length: 12 }, { import: "Existing-One" }));
  expect(run.error).toBeUndefined();
  expect((await engine.outputs()).result).toBe("Existing-One");
});
