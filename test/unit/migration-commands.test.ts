import * as fs from "node:fs";
import * as path from "node:path";
import { ConfigurationError } from "../../config";
import { notYet, thrownAwayByYou } from "../../migration/commands/finish";
import { standing } from "../../migration/commands/legacy";
import { stackSettings } from "../../migration/commands/stack";
import { describe as words, exitCodes, judge, type Traces } from "../../migration/commands/status";
import { contradiction, type MigrationRecord, type RecordedPhase, retention } from "../../migration/engine/record";
import { invocation, UsageError } from "../../migration/main";
import type { MigrationReport } from "../../migration/migration";

const choice = { stack: "production", name: "local", config: {} };

describe("the command line", () => {
  test("a newcomer's names no stack", () => {
    expect(invocation(["status"])).toEqual({
      verb: "status",
      stack: { stack: "local", name: "local", config: {} },
      options: { json: false, yes: false, now: false },
    });
  });

  test("everything can be said", () => {
    const args = [
      "report",
      "--stack",
      "staging",
      "--json",
      "--yes",
      "--now",
      "--kubeconfig",
      "k",
      "--context",
      "c",
      "--config",
      "a=b=c",
    ];
    expect(invocation(args)).toEqual({
      verb: "report",
      stack: { stack: "staging", name: "local", kubeconfig: "k", context: "c", config: { a: "b=c" } },
      options: { json: true, yes: true, now: true },
    });
  });

  test("help is no command", () => {
    expect(invocation(["--help"])).toBeUndefined();
  });

  test.each([
    [[], "Say one command"],
    [["status", "report"], "Say one command"],
    [["toString"], 'There is no command "toString"'],
    [["status", "--stak", "x"], "--stak"],
    [["status", "--config", "=x"], "KEY=VALUE"],
  ])("%j is not understood", (args, message) => {
    expect(() => invocation(args)).toThrow(UsageError);
    expect(() => invocation(args)).toThrow(message);
  });
});

describe("a stack's settings", () => {
  test("are the defaults, the stack's file, and what the command line says", async () => {
    const settings = await stackSettings({ ...choice, context: "oke", config: { migrationJobs: "7" } });
    expect(settings).toEqual({
      kubeconfig: "",
      context: "oke",
      namespace: "naytife-production",
      source: {
        host: "postgres",
        port: 5432,
        database: "naytifedb",
        user: "naytife",
        secretName: "postgres-secret",
        secretKey: "POSTGRES_PASSWORD",
      },
      target: {
        cluster: "naytife-postgres",
        database: "naytifedb",
        owner: "naytife",
        secretName: "cnpg-cluster-secret",
        searchPath: ["naytife_schema", "public"],
      },
      image: "",
      jobs: 7,
      dump: { size: "10Gi", storageClass: "cnpg-oci-storage" },
      retainDays: 7,
    });
  });

  test("keep the program's rules", async () => {
    await expect(stackSettings({ ...choice, config: { instances: "1" } })).rejects.toThrow(ConfigurationError);
  });

  test("are those of a stack that is there", async () => {
    await expect(stackSettings({ ...choice, stack: "prod" })).rejects.toThrow(/no stack "prod".*production/);
  });

  test("need an embedded cluster for the stack local, unless another is named", async () => {
    const nobody = { stack: "local", name: `none-${process.pid}`, config: {} };
    await expect(stackSettings(nobody)).rejects.toThrow("npm run local");
    expect(await stackSettings({ ...nobody, context: "kind" })).toMatchObject({
      context: "kind",
      namespace: "naytife",
    });
  });
});

const phase = (name: string, finished: boolean, failure: RecordedPhase["failure"] = null): RecordedPhase => ({
  run: "r",
  phase: name,
  started: "2026-11-21T10:00:00+00:00",
  finished: finished ? "2026-11-21T10:00:12.34+00:00" : null,
  detail: finished ? "12.0 MB" : null,
  failure,
});
const state = { source_freeze: null, source_sealed: null, dump: null };
const nothing: MigrationRecord = { marker: null, state: null, phases: [] };
const silent: Traces = { said: [] };
const job = { name: "naytife-postgres-migration", mode: "migrate", active: true } as const;
const report = {
  run: "r",
  rows: 12,
  tables: [{ table: "t", rows: 12, hash: "0" }],
  warnings: ["w"],
  phases: [{ phase: "dump", seconds: 3, detail: null }],
  dump: { directory: "naytifedb-r", bytes: 2_000_000, sha256: "0" },
} as unknown as MigrationReport;

describe("status", () => {
  const settingsOf = async () => stackSettings(choice);

  test("nothing anywhere: not begun", async () => {
    const answer = judge(nothing, silent);
    expect(answer).toEqual({ state: "not begun", source: "open", phases: [] });
    expect(exitCodes[answer.state]).toBe(3);
    expect(words(answer, await settingsOf())).toContain("`pulumi up` moves the data");
  });

  test("a comparison is no migration", async () => {
    const answer = judge(nothing, { said: [], job: { ...job, mode: "verify" } });
    expect(answer.state).toBe("not begun");
    expect(words(answer, await settingsOf())).toContain("a comparison (verify) is running");
  });

  test("a Job that runs: its phase, since when, and how far", async () => {
    const at = Date.parse("2026-11-21T10:00:00Z");
    const said: Traces["said"] = [
      { at, event: { phase: "restore", event: "started" } },
      { at: at + 10_000, event: { phase: "restore", event: "progress", done: 20e6, total: 60e6, unit: "bytes" } },
    ];
    const record = { ...nothing, state: { ...state, source_freeze: "unset" }, phases: [phase("dump", true)] };
    const answer = judge(record, { said, job });
    expect(answer).toMatchObject({
      state: "running",
      phase: "restore",
      since: "2026-11-21T10:00:00.000Z",
      source: "frozen",
    });
    expect(exitCodes[answer.state]).toBe(4);
    const text = words(answer, await settingsOf());
    expect(text).toContain("running: restore since 2026-11-21T10:00:00.000Z, Job naytife-postgres-migration");
    expect(text).toContain("20.0 MB of 60.0 MB");
    expect(text).toContain("12.3 s, 12.0 MB");
  });

  test("a run that failed says why, from what it recorded or from its Job", async () => {
    const failure = { text: "verify: differs", untouched: "all", next: "look" };
    const recorded = judge(
      { ...nothing, state, phases: [phase("dump", true), phase("verify", false, failure)] },
      silent,
    );
    expect(recorded).toMatchObject({ state: "stopped", phase: "verify", why: failure, source: "open" });
    expect(exitCodes[recorded.state]).toBe(5);
    expect(words(recorded, await settingsOf())).toMatch(/stopped in verify begun.*\n[^]*why {8}verify: differs/);
    const heard = judge(nothing, {
      said: [
        { at: 0, event: { phase: "preflight", event: "failed", text: "no room", untouched: "all", next: "grow" } },
      ],
      job: { ...job, active: false },
    });
    expect(heard).toMatchObject({ state: "stopped", phase: "preflight", why: { text: "no room", next: "grow" } });
  });

  test("a run that was killed left its source as the target remembers it", () => {
    const sealed = { ...state, source_freeze: "unset", source_sealed: "yes", dump: "naytifedb-r" };
    const volume = { name: "v", size: "10Gi", holdsBackup: false };
    const answer = judge({ ...nothing, state: sealed, phases: [phase("cut over", false)] }, { said: [], volume });
    expect(answer).toMatchObject({ state: "stopped", phase: "cut over", source: "sealed" });
    expect(answer.why?.text).toContain("killed");
    expect(answer.dump).toEqual({ directory: "naytifedb-r", volume: "v", size: "10Gi" });
  });

  test("a marker: done, whatever else is there", async () => {
    const marker = { run: "r", completed: "2026-11-21T10:00:00+00:00", report };
    const answer = judge(
      { marker, state, phases: [] },
      { said: [], volume: { name: "v", size: "10Gi", holdsBackup: true } },
    );
    expect(answer).toMatchObject({ state: "done", source: "sealed", rows: 12, tables: 1, warnings: 1 });
    expect(exitCodes[answer.state]).toBe(0);
    const text = words(answer, await settingsOf());
    expect(text).toContain("done at 2026-11-21T10:00:00+00:00");
    expect(text).toContain("naytifedb-r, 2.0 MB, volume v (10Gi)");
    expect(text).toMatch(/dump {7}3 s/);
  });
});

describe("after a rollback", () => {
  const done = { run: "r", completed: "2026-11-21T10:00:00+00:00", report };
  const back = { ...done, rolled_back: "2026-11-22T10:00:00+00:00" };
  const closed = { ...state, source_sealed: "yes", target_closed: "-1" };

  test("status says which database is in use, and that one that was cut short has to go on", async () => {
    const answer = judge({ marker: back, state, phases: [] }, silent);
    expect(answer).toMatchObject({ state: "rolled back", source: "open", since: back.rolled_back });
    expect(exitCodes[answer.state]).toBe(6);
    const settings = await stackSettings(choice);
    expect(words(answer, settings)).toContain("rolled back at 2026-11-22T10:00:00+00:00: the old database is in use");
    const record = { marker: done, state: closed, phases: [] };
    expect(words(judge(record, silent), settings)).toMatch(/cut short[^]*migration -- rollback/);
    expect(judge(record, { said: [], job: { ...job, mode: "rollback" } }).why).toBeUndefined();
  });

  test.each<[string, MigrationRecord, "source" | "target", RegExp | undefined]>([
    ["nothing moved yet", nothing, "target", undefined],
    ["nothing moved yet, and the stack says it was rolled back", nothing, "source", /activeDatabase target/],
    ["moved", { marker: done, state, phases: [] }, "target", undefined],
    ["moved, and the stack says it was rolled back", { marker: done, state, phases: [] }, "source", /-- rollback/],
    ["a rollback cut short", { marker: done, state: closed, phases: [] }, "target", /-- rollback/],
    ["rolled back", { marker: back, state, phases: [] }, "source", undefined],
    [
      "rolled back, unknown to the stack",
      { marker: back, state, phases: [] },
      "target",
      /activeDatabase source.*again/,
    ],
  ])("`up`, %s", (_, record, active, next) => {
    const refusal = contradiction(record, active);
    expect(refusal === undefined).toBe(next === undefined);
    if (next !== undefined) expect(refusal?.next).toMatch(next);
  });
});

describe("the end of the way back", () => {
  const marker = { run: "r", completed: "2026-11-21T10:00:00+00:00", report };
  const done: MigrationRecord = { marker, state, phases: [] };
  const ended: MigrationRecord = { ...done, marker: { ...marker, retain_ended: "2026-11-29T08:00:00+00:00" } };
  const back: MigrationRecord = { ...done, marker: { ...marker, rolled_back: "2026-11-22T10:00:00+00:00" } };
  const until = "2026-11-28T10:00:00.000Z";

  test("status says until when, and that it was ended", async () => {
    expect(retention(done, 7)).toEqual({ retainedUntil: until });
    expect(retention(back, 7)).toEqual({});
    expect(retention(nothing, 7)).toEqual({});
    const settings = await stackSettings(choice);
    const said = (record: MigrationRecord) => words({ ...judge(record, silent), ...retention(record, 7) }, settings);
    expect(said(done)).toMatch(new RegExp(`way back +npm run migration -- rollback; kept until ${until}`));
    expect(said(ended)).toMatch(/way back +none: it was ended at 2026-11-29T08:00:00\+00:00/);
    expect(said(ended)).toMatch(/source +left sealed/);
  });

  test.each<[string, MigrationRecord, string | undefined, RegExp | undefined]>([
    ["where nothing was moved", nothing, undefined, /no migration has finished/],
    [
      "a minute too early",
      done,
      "2026-11-28T09:59:00Z",
      /kept until 2026-11-28T10:00:00.000Z \(migrationRetainDays 7\)/,
    ],
    ["in time", done, until, undefined],
    ["at any time, where somebody insists", done, undefined, undefined],
    ["twice", ended, until, undefined],
    ["after a rollback", back, undefined, /rolled back at/],
    [
      "in the midst of one",
      { ...done, state: { ...state, target_closed: "-1" } },
      undefined,
      /has not come to its end/,
    ],
  ])("finish, %s", (_, record, now, refusal) => {
    const answer = notYet(record, 7, now === undefined ? undefined : new Date(now));
    expect(answer === undefined).toBe(refusal === undefined);
    if (refusal !== undefined) expect(answer?.message).toMatch(refusal);
  });

  test("after it `up` refuses the old database without naming a way to it", () => {
    expect(contradiction(ended, "target")).toBeUndefined();
    expect(contradiction(ended, "source")?.next).not.toContain("rollback");
  });

  const deployment = (name: string, labels: Record<string, string>, claim?: string) => ({
    metadata: { name },
    spec: {
      selector: {},
      template: {
        metadata: { labels },
        spec: {
          containers: [],
          volumes: [
            {
              name: "data",
              ...(claim === undefined ? { emptyDir: {} } : { persistentVolumeClaim: { claimName: claim } }),
            },
          ],
        },
      },
    },
  });
  const service = { metadata: { name: "postgres" }, spec: { selector: { app: "postgres" } } };

  test("what is left of the old database is what its Service selects, and nothing else", () => {
    const all = [
      deployment("postgres", { app: "postgres", tier: "db" }, "postgres-data"),
      deployment("shop", { app: "shop" }, "files"),
    ];
    expect(standing(service, all)).toEqual({
      service: "postgres",
      deployments: ["postgres"],
      volumeClaims: ["postgres-data"],
    });
    expect(standing(undefined, all)).toEqual({ service: undefined, deployments: [], volumeClaims: [] });
    // Such a Service has its endpoints by hand: it selects none, not all.
    expect(standing({ metadata: { name: "postgres" }, spec: {} }, all).deployments).toEqual([]);
  });

  test("and it is named in commands, for whoever it belongs to", async () => {
    const settings = await stackSettings(choice);
    const held = standing(service, [deployment("postgres", { app: "postgres" }, "postgres-data")]);
    const text = thrownAwayByYou(settings, { ...held, secret: "postgres-secret" });
    expect(text.match(/^ {2}kubectl .*$/gm)).toEqual([
      "  kubectl -n naytife-production delete deployment postgres",
      "  kubectl -n naytife-production delete service postgres",
      "  kubectl -n naytife-production delete persistentvolumeclaim postgres-data",
      "  kubectl -n naytife-production delete secret postgres-secret",
    ]);
    expect(text).not.toContain("on no volume");
    const fleeting = standing(service, [deployment("postgres", { app: "postgres" })]);
    expect(thrownAwayByYou(settings, { ...fleeting, secret: undefined })).toContain("goes with the pod");
    const gone = thrownAwayByYou(settings, { ...standing(service, []), secret: undefined });
    expect(gone).toMatch(/No Deployment[^]*delete service postgres/);
  });
});

test("npm knows the command, and installs what it needs first", () => {
  const { scripts } = JSON.parse(fs.readFileSync(path.join(__dirname, "../../package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  expect(scripts.migration).toBe("tsx migration/main.ts");
  expect(scripts.premigration).toBe("node local/install.js");
});
