import * as fs from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { ConfigurationError } from "../../config";
import { notYet, thrownAwayByYou } from "../../migration/commands/finish";
import { standing } from "../../migration/commands/legacy";
import { duration, exitCode, render } from "../../migration/commands/plan";
import { describe as words, exitCodes, judge, type Traces } from "../../migration/commands/status";
import type { MigrationEvent } from "../../migration/engine/events";
import { MigrationFailure } from "../../migration/engine/failure";
import { Kubernetes } from "../../migration/engine/kubernetes";
import { donePlan, planOf, type Severity } from "../../migration/engine/plan";
import { contradiction, type MigrationRecord, type RecordedPhase, retention } from "../../migration/engine/record";
import { invocation, stackSettings } from "../../migration/main";
import { UsageError } from "../../commands/command";
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
      mode: "offline",
      jobs: 7,
      dump: { size: "10Gi", storageClass: "cnpg-oci-storage" },
      retainDays: 7,
    });
  });

  test("say whether the application may write during the copy", async () => {
    expect(await stackSettings({ ...choice, context: "oke", config: { migrationMode: "online" } })).toMatchObject({
      mode: "online",
    });
  });

  test("a key that Pulumi.yaml does not declare is no setting", async () => {
    await expect(stackSettings({ ...choice, config: { migrationJob: "7" } })).rejects.toThrow("migrationJob");
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
    expect(words(answer, await settingsOf())).toContain("npm run migration -- plan");
  });

  test("a comparison is no migration", async () => {
    const answer = judge(nothing, { said: [], job: { ...job, mode: "verify" } });
    expect(answer.state).toBe("not begun");
    expect(words(answer, await settingsOf())).toContain("a comparison (verify) is running");
  });

  test("a Job that runs: its phase, since when, and how far", async () => {
    const at = Date.parse("2026-11-21T10:00:00Z");
    const said: Traces["said"] = [
      { at, event: { phase: "copy", event: "started" } },
      { at: at + 1000, event: { phase: "dump", event: "started" } },
      { at: at + 2000, event: { phase: "copy", event: "progress", done: 0, total: 60e6, unit: "bytes" } },
      { at: at + 12_000, event: { phase: "copy", event: "progress", done: 20e6, total: 60e6, unit: "bytes" } },
      { at: at + 13_000, event: { phase: "dump", event: "finished", text: "3.0 MB" } },
    ];
    const record = { ...nothing, state: { ...state, source_freeze: "unset" }, phases: [phase("dump", true)] };
    const answer = judge(record, { said, job });
    expect(answer).toMatchObject({
      state: "running",
      phase: "copy",
      since: "2026-11-21T10:00:00.000Z",
      source: "frozen",
    });
    expect(exitCodes[answer.state]).toBe(4);
    const text = words(answer, await settingsOf());
    expect(text).toContain("running: copy since 2026-11-21T10:00:00.000Z, Job naytife-postgres-migration");
    expect(text).toContain("dump: 3.0 MB");
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

  test("an online run that was killed left slots on the source, and what that means is said", async () => {
    const record = {
      ...nothing,
      state: { ...state, publisher: "naytife_migration" },
      phases: [phase("catch up", false)],
    };
    const answer = judge(record, silent);
    expect(answer).toMatchObject({ state: "stopped", slots: true, source: "open" });
    expect(words(answer, await settingsOf())).toMatch(
      /naytife_migration_proof keep the source's WAL, which fills its disk/,
    );
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

describe("a plan", () => {
  const finding = (severity: Severity, text: string, next?: string): MigrationEvent => ({
    phase: "plan",
    event: "finding",
    severity,
    text,
    ...(next === undefined ? {} : { next }),
  });
  const fact = (name: string, value: unknown): MigrationEvent => ({ phase: "plan", event: "fact", name, value });
  const sizes = {
    database: 300e6,
    tables: 200e6,
    indexes: 50e6,
    largeObjects: 0,
    count: 2,
    largest: [
      { table: "shop.orders", bytes: 150e6, indexes: 40e6, rows: 1000 },
      { table: "shop.new", bytes: 50e6, indexes: 10e6, rows: null },
    ],
  };
  const measured = { table: "shop.orders", sampleBytes: 50e6, readMilliseconds: 500, hashMilliseconds: 1000 };

  test.each([
    ["nothing found", [], 0, /^READY\n$/],
    ["good to know", [finding("info", "i")], 0, /^READY\n\nGOOD TO KNOW\n {2}- i\n$/],
    ["a warning", [finding("info", "i"), finding("warning", "w")], 1, /^READY, with 1 warning\n/],
    [
      "a blocker",
      [finding("warning", "w"), finding("blocker", "b", "mend it")],
      2,
      /^BLOCKED: 1 thing in the way, 1 warning\n\nIN THE WAY\n {2}- b\n {4}Next: mend it\n/,
    ],
  ])("%s: exit code and headline", (_what, events, code, text) => {
    const found = planOf(events);
    expect(exitCode(found)).toBe(code);
    expect(render(found)).toMatch(text);
  });

  test("puts the gravest first", () => {
    const found = planOf([finding("info", "i"), finding("blocker", "b"), finding("warning", "w")]);
    expect(found.findings.map(({ severity }) => severity)).toEqual(["blocker", "warning", "info"]);
  });

  test("estimates by what it measured, and says how", () => {
    const found = planOf([fact("sizes", sizes), fact("measured", measured)]);
    const fixed = found.estimate?.seconds?.fixed ?? NaN;
    // 200 MB at 100 MB/s, five times; 50 MB of indexes, five times; 200 MB hashed at 50 MB/s, 1.7 times.
    expect(found.estimate?.seconds).toEqual({ fixed, copy: 10, index: 2.5, verify: 6.8 });
    const text = render(found);
    expect(text).toContain(
      `about ${duration((fixed + 19.3) / 2)} to ${duration((fixed + 19.3) * 2)} from the freeze to the cut-over`,
    );
    expect(text).toContain("whatever the rows, copy 10 s, indexes 3 s, comparison 7 s\n");
    expect(text).toContain("By a sample of shop.orders: 50.0 MB came to the Job at 100.0 MB/s");
    expect(text).toContain("about 250.0 MB of WAL");
    expect(text).toMatch(/shop\.orders {3}150\.0 MB {2}40\.0 MB {2}about 1000\n/);
    expect(text).toMatch(/shop\.new {6}50\.0 MB {3}10\.0 MB {2}not counted yet\n/);
  });

  test("tells the fixed costs of a database that is too small to be timed", () => {
    const { estimate } = planOf([fact("sizes", { ...sizes, tables: 5e6 })]);
    expect(estimate?.seconds).toMatchObject({ copy: 0, index: 0, verify: 0 });
    expect(estimate?.seconds?.fixed).toBeGreaterThan(1);
    expect(estimate?.how).toContain("No table is large enough to be timed");
  });

  test("does not guess where nothing could be timed", () => {
    const found = planOf([fact("sizes", sizes)]);
    expect(found.estimate?.seconds).toBeUndefined();
    expect(render(found)).toMatch(/time {3}not estimated\n.*No table could be timed/);
  });

  test("names the clients that the freeze will end", () => {
    const clients = [{ application: "shop", user: "naytife", connections: 12, busy: 3 }];
    expect(render(planOf([fact("clients", clients)]))).toMatch(
      /application {2}user {5}connections {2}busy\n {2}shop {9}naytife {2}12 {11}3\n/,
    );
    expect(render(planOf([fact("clients", [])]))).toContain("CLIENTS NOW\n  none");
  });

  test.each([
    [0.2, "below 1 s"],
    [89, "89 s"],
    [600, "10 min"],
    [9000, "2.5 h"],
  ])("%d seconds are %s", (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });
});

describe("a cluster that cannot be asked", () => {
  test.each([
    ["absent", undefined, "ENOENT"],
    ["no kubeconfig", "clusters: [", "cannot be read"],
  ])("a kubeconfig that is %s", async (_what, text, message) => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "migration-commands-"));
    const kubeconfig = path.join(directory, "kubeconfig");
    if (text !== undefined) fs.writeFileSync(kubeconfig, text);
    try {
      const settings = await stackSettings({ ...choice, kubeconfig });
      expect(() => new Kubernetes(settings)).toThrow(MigrationFailure);
      expect(() => new Kubernetes(settings)).toThrow(message);
    } finally {
      fs.rmSync(directory, { recursive: true });
    }
  });

  const absent = (reason: string) =>
    JSON.stringify({ kind: "Status", apiVersion: "v1", status: "Failure", message: reason, code: 404 });
  const cases: [string, Record<string, [number, string]>, string][] = [
    [
      "without the operator",
      { pods: [200, '{"kind":"PodList","apiVersion":"v1","items":[]}'], clusters: [404, "404 page not found\n"] },
      "the operator is not installed",
    ],
    [
      "without the Cluster",
      { pods: [200, '{"kind":"PodList","apiVersion":"v1","items":[]}'], clusters: [404, absent("not found")] },
      "there is no Cluster naytife-postgres in namespace naytife-production",
    ],
    [
      "to strangers",
      { pods: [403, absent("pods is forbidden")] },
      "refuses to list the pods of namespace naytife-production: HTTP 403, pods is forbidden",
    ],
  ];

  test.each(cases)("%s: one clear error", async (_what, answers, message) => {
    const server = http.createServer((request, response) => {
      const kind =
        (request.url ?? "")
          .split("?")[0]
          ?.split("/")
          .find((part) => part in answers) ?? "";
      const [code, body] = answers[kind] ?? [500, ""];
      response.writeHead(code, { "content-type": body.startsWith("{") ? "application/json" : "text/plain" }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "migration-commands-"));
    try {
      const kubeconfig = path.join(directory, "kubeconfig");
      const { port } = server.address() as AddressInfo;
      fs.writeFileSync(
        kubeconfig,
        JSON.stringify({
          apiVersion: "v1",
          kind: "Config",
          "current-context": "c",
          clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${port}`, "insecure-skip-tls-verify": true } }],
          contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
          users: [{ name: "u", user: {} }],
        }),
      );
      const settings = await stackSettings({ ...choice, kubeconfig });
      await expect(new Kubernetes(settings).presentCluster()).rejects.toThrow(message);
    } finally {
      server.closeAllConnections();
      server.close();
      fs.rmSync(directory, { recursive: true });
    }
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

test("where a migration has finished there is nothing to plan; where it was rolled back, `again` comes first", () => {
  const done = donePlan("naytifedb", null);
  expect(exitCode(done)).toBe(0);
  expect(render(done)).toMatch(/^READY\n[^]*is finished, so nothing is left to plan/);
  const back = donePlan("naytifedb", "2026-11-21T22:05:18Z");
  expect(exitCode(back)).toBe(2);
  expect(render(back)).toMatch(
    /^BLOCKED: 1 thing in the way[^]*rolled back at 2026-11-21T22:05:18Z: the old database is in use[^]*Next: .*npm run migration -- again/,
  );
  expect(render(back)).not.toContain("finished");
});

test("npm knows the command, and installs what it needs first", () => {
  const { scripts } = JSON.parse(fs.readFileSync(path.join(__dirname, "../../package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  expect(scripts.migration).toBe("tsx migration/main.ts");
  expect(scripts.premigration).toBe("node local/install.js");
});
