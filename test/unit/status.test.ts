import type { DrillReport } from "../../drill/report";
import type { Status as MigrationStatus } from "../../migration/commands/status";
import { validate } from "../../config";
import { project, stackConfiguration } from "../../local/stack-files";
import type { BackupFacts, Facts, ServerFacts } from "../../status/facts";
import { exitCodes, judge, type Line, type Status } from "../../status/judge";
import { invocation } from "../../status/main";
import { UsageError } from "../../commands/command";
import { alertFacts, backupFacts, clusterFacts } from "../../status/read";
import { screen } from "../../status/screen";
import { statusSettings, type StatusSettings } from "../../status/settings";

const now = Date.parse("2026-11-22T12:00:00Z");

function settingsOf(config: Readonly<Record<string, string>> = {}): StatusSettings {
  const texts = stackConfiguration("production", {
    monitoringEnabled: "true",
    monitoringPrometheus: "monitoring/prometheus-operated:9090",
    migrationEnabled: "false",
    ...config,
  });
  return statusSettings(
    validate(
      project.name,
      (key) => texts[`${project.name}:${key}`],
      () => true,
    ),
  );
}

const server: ServerFacts = {
  timeline: 4,
  connections: 12,
  connectionLimit: 200,
  replicas: [
    { name: "naytife-postgres-2", state: "streaming", sync: "quorum", bytes: 0, seconds: null },
    { name: "naytife-postgres-3", state: "streaming", sync: "quorum", bytes: 1234, seconds: 0.01 },
  ],
  archiver: { waiting: 0, waited: null, sinceArchived: 12, sinceFailed: null },
};
const passed: DrillReport = {
  drill: "naytife-postgres-restore-drill-1",
  cluster: "naytife-postgres",
  database: "naytifedb",
  finished: "2026-11-20T23:00:00Z",
  passed: true,
  reason: null,
  recoveryTime: { seconds: 41, promised: 900, held: true },
  recoveryPoint: { seconds: 9, promised: 60, held: true, archiveTimeout: 45 },
};
const notBegun: MigrationStatus = { state: "not begun", source: "open", phases: [] };
const cluster = {
  instances: 3,
  synchronousReplicas: 1,
  phase: "Cluster in healthy state",
  currentPrimary: "naytife-postgres-1",
  targetPrimary: "naytife-postgres-1",
  fenced: [],
  archivingFault: undefined,
};
const pods = [1, 2, 3].map((index) => ({
  name: `naytife-postgres-${index}`,
  node: `node-${index}`,
  ready: true,
  restarts: 0,
}));
const pooler = { instances: 2, ready: 2, paused: false };
const backups = {
  lastGood: "2026-11-22T02:01:00Z",
  lastFailed: undefined,
  failure: undefined,
  firstRecoverable: "2026-11-15T02:01:00Z",
  running: false,
};
const firing = {
  name: "PostgreSQLReplicationLag",
  severity: "ticket",
  summary: "naytife-postgres-3 is 12s behind the primary.",
  runbook: "docs/runbooks/PostgreSQLReplicationLag.md",
  since: "2026-11-22T11:50:00.000Z",
};

const well: Facts = {
  cluster: { value: cluster },
  instances: { value: pods },
  server: { value: server },
  pooler: { value: pooler },
  backups: { value: backups },
  drill: { value: { report: passed, fault: undefined, running: false } },
  alerts: { value: { rules: 45, broken: [], firing: [] } },
  migration: { value: notBegun },
};

const judged = (facts: Partial<Facts>, config: Readonly<Record<string, string>> = {}): Status =>
  judge({ ...well, ...facts }, settingsOf(config), now);
const line = (status: Status, what: string): Line | undefined => status.lines.find((one) => one.what === what);

test("all is well, on one screen", () => {
  const status = judged({});
  expect(status.health).toBe("healthy");
  expect(exitCodes[status.health]).toBe(0);
  expect(screen(status)).toBe(
    [
      "naytife-postgres in naytife-production: HEALTHY (2026-11-22T12:00:00Z)",
      "   instances    3 of 3 ready, timeline 4",
      "                  naytife-postgres-1    primary   node-1",
      "                  naytife-postgres-2    replica   node-2  quorum  0 B behind",
      "                  naytife-postgres-3    replica   node-3  quorum  1.2 kB behind (0.0 s)",
      "   synchronous  1 of 2 candidates must confirm a commit",
      "   pooler       2 of 2 ready",
      "   connections  12 of 200",
      "   archiving    nothing waits, the last was archived 12 s ago",
      "   backup       the last ended 9 h 59 min ago (2026-11-22T02:01:00Z)",
      "   recoverable  from 2026-11-15T02:01:00Z to the last WAL archived; exactly: npm run recover -- window",
      "   drill        passed 37 h 0 min ago: back after 41 s, 9 s would be lost",
      "   alerts       none of 45 fires",
      "   migration    none",
      "",
    ].join("\n"),
  );
});

const withServer = (changed: Partial<ServerFacts>): Partial<Facts> => ({
  server: { value: { ...server, ...changed } },
});
const withArchiver = (changed: Partial<ServerFacts["archiver"]>): Partial<Facts> =>
  withServer({ archiver: { ...server.archiver, ...changed } });
const withCluster = (changed: Partial<typeof cluster>): Partial<Facts> => ({
  cluster: { value: { ...cluster, ...changed } },
});
const withBackups = (changed: Readonly<Partial<Record<keyof BackupFacts, string | undefined>>>): Partial<Facts> => ({
  backups: { value: { ...backups, ...changed } as BackupFacts },
});
const withMigration = (changed: Partial<MigrationStatus>): Partial<Facts> => ({
  migration: { value: { ...notBegun, ...changed } },
});
const withDrill = (changed: Partial<DrillReport>): Partial<Facts> => ({
  drill: { value: { report: { ...passed, ...changed }, fault: undefined, running: false } },
});
const [first, second, third] = pods;

test.each<[string, Partial<Facts>, string, Line["health"], RegExp]>([
  ["no Cluster", { cluster: { value: undefined } }, "instances", "unhealthy", /npm run recover/],
  ["no primary", { server: { problem: "no answer" } }, "instances", "unhealthy", /PrimaryDown\.md/],
  [
    "an instance that is not ready",
    { instances: { value: [first!, second!, { ...third!, ready: false }] } },
    "instances",
    "attention",
    /InstanceDown\.md/,
  ],
  [
    "a fenced instance",
    withCluster({ fenced: ["naytife-postgres-2"] as never }),
    "instances",
    "attention",
    /Fenced\.md/,
  ],
  ["a switchover", withCluster({ targetPrimary: "naytife-postgres-2" }), "instances", "attention", /describe cluster/],
  [
    "a replica that does not stream",
    withServer({ replicas: server.replicas.slice(0, 1) }),
    "instances",
    "attention",
    /ReplicaNotStreaming\.md/,
  ],
  [
    "a replica that lags",
    withServer({ replicas: server.replicas.map((replica) => ({ ...replica, seconds: 11 })) }),
    "instances",
    "attention",
    /ReplicationLag\.md/,
  ],
  ["fewer instances than the stack asks for", withCluster({ instances: 2 }), "instances", "attention", /pulumi up/],
  [
    "nobody who confirms",
    withServer({ replicas: server.replicas.map((replica) => ({ ...replica, sync: "async" })) }),
    "synchronous",
    "unhealthy",
    /SynchronousReplicaMissing\.md/,
  ],
  ["a paused pooler", { pooler: { value: { ...pooler, paused: true } } }, "pooler", "unhealthy", /PoolerStuck\.md/],
  ["no pooler", { pooler: { value: { ...pooler, ready: 0 } } }, "pooler", "unhealthy", /PoolerDown\.md/],
  ["half a pooler", { pooler: { value: { ...pooler, ready: 1 } } }, "pooler", "attention", /PoolerDegraded\.md/],
  ["many connections", withServer({ connections: 161 }), "connections", "attention", /ConnectionsHigh\.md/],
  ["no connection left", withServer({ connections: 195 }), "connections", "unhealthy", /ConnectionsExhausted\.md/],
  [
    "archiving that fails",
    withArchiver({ waiting: 3, sinceArchived: 90, sinceFailed: 2 }),
    "archiving",
    "unhealthy",
    /ArchivingFailing\.md/,
  ],
  [
    "archiving that hangs",
    withArchiver({ waiting: 1, waited: 61, sinceArchived: 90 }),
    "archiving",
    "unhealthy",
    /ArchivingStalled\.md/,
  ],
  [
    "nothing archived ever",
    withArchiver({ waiting: 1, waited: 61, sinceArchived: null }),
    "archiving",
    "unhealthy",
    /Stalled\.md/,
  ],
  ["a backlog", withArchiver({ waiting: 11 }), "archiving", "attention", /WalBacklog\.md/],
  ["no backup", withBackups({ lastGood: undefined }), "backup", "attention", /NeverMade\.md/],
  ["an old backup", withBackups({ lastGood: "2026-11-21T09:00:00Z" }), "backup", "attention", /Stale\.md/],
  [
    "a backup that failed",
    withBackups({ lastFailed: "2026-11-22T03:00:00Z", failure: "no space" }),
    "backup",
    "attention",
    /BackupFailed\.md/,
  ],
  [
    "no drill",
    { drill: { value: { report: undefined, fault: undefined, running: false } } },
    "drill",
    "attention",
    /npm run drill/,
  ],
  ["a drill that failed", withDrill({ passed: false, reason: "one row" }), "drill", "attention", /DrillFailed\.md/],
  ["an old drill", withDrill({ finished: "2026-11-13T00:00:00Z" }), "drill", "attention", /DrillStale\.md/],
  [
    "a promise that was not held",
    withDrill({ recoveryTime: { seconds: 1000, promised: 900, held: false } }),
    "drill",
    "attention",
    /promise/,
  ],
  [
    "a report that somebody changed",
    { drill: { value: { report: passed, fault: "it was changed", running: false } } },
    "drill",
    "attention",
    /npm run drill/,
  ],
  [
    "a ticket",
    { alerts: { value: { rules: 45, broken: [], firing: [firing] } } },
    "alerts",
    "attention",
    /ReplicationLag\.md/,
  ],
  [
    "a page",
    { alerts: { value: { rules: 45, broken: [], firing: [firing, { ...firing, severity: "page" }] } } },
    "alerts",
    "unhealthy",
    /ReplicationLag\.md/,
  ],
  ["no rules", { alerts: { value: { rules: 0, broken: [], firing: [] } } }, "alerts", "attention", /monitoringLabels/],
  ["no Prometheus", { alerts: { problem: "HTTP 503" } }, "alerts", "attention", /monitoringPrometheus/],
  [
    "a migration that stopped while applications may write",
    withMigration({ state: "stopped", why: { text: "a", untouched: "b", next: "mend it" } }),
    "migration",
    "attention",
    /mend it/,
  ],
  [
    "a migration that stopped with the old database shut",
    withMigration({ state: "stopped", source: "frozen", why: { text: "a", untouched: "b", next: "mend it" } }),
    "migration",
    "unhealthy",
    /mend it/,
  ],
  [
    "clients that nobody lets go on",
    withMigration({ state: "stopped", alias: { leads: "target", held: true, source: "old" } }),
    "migration",
    "unhealthy",
    /pulumi up/,
  ],
  [
    "a way back that need not be kept",
    withMigration({ state: "done", since: "2026-11-01T00:00:00Z", retainedUntil: "2026-11-08T00:00:00Z" }),
    "migration",
    "attention",
    /finish/,
  ],
])("%s is said, with what to do", (_, facts, what, health, next) => {
  const status = judged(facts);
  expect(line(status, what)).toMatchObject({ health, next: expect.stringMatching(next) as unknown });
  expect(status.health).toBe(health);
  expect(screen(status)).toMatch(health === "unhealthy" ? /UNHEALTHY/ : /NEEDS ATTENTION/);
  expect(screen(status)).toMatch(new RegExp(`^To do:\\n[^]*${what}: `, "m"));
});

test("a segment on its way after a quiet hour is no hang", () => {
  expect(line(judged(withArchiver({ waiting: 1, waited: 1, sinceArchived: 3600 })), "archiving")?.health).toBe(
    "healthy",
  );
});

test("one question that fails leaves the answers to the others", () => {
  const status = judged({
    server: { problem: "no answer within 20 s" },
    migration: { problem: "Cluster has no primary" },
    drill: { problem: "forbidden" },
  });
  expect(status.health).toBe("unhealthy");
  expect(line(status, "instances")?.words).toContain("no answer within 20 s");
  expect(line(status, "instances")?.details).toHaveLength(3);
  expect(line(status, "pooler")?.health).toBe("healthy");
  expect(line(status, "backup")?.health).toBe("healthy");
  // What only the server knows is not made up.
  expect(["synchronous", "connections", "archiving"].map((what) => line(status, what))).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test("what the stack does not have is not missed, and what is not asked is said", () => {
  const bare = { ...well, backups: undefined, drill: undefined, alerts: undefined };
  const status = judge(bare, settingsOf({ monitoringPrometheus: "" }), now);
  expect(status.health).toBe("healthy");
  expect(line(status, "alerts")?.words).toMatch(/not asked/);
  expect(line(judge(bare, settingsOf({ monitoringEnabled: "false" }), now), "alerts")?.words).toMatch(/nobody is told/);
});

test("the stack says where Prometheus is, and wrong places are refused", () => {
  expect(settingsOf().prometheus).toEqual({ namespace: "monitoring", service: "prometheus-operated:9090" });
  expect(settingsOf({ monitoringPrometheus: "" }).prometheus).toBeUndefined();
  expect(() => settingsOf({ monitoringPrometheus: "http://prometheus:9090" })).toThrow(/monitoringPrometheus/);
});

describe("what is read", () => {
  test("of a Cluster", () => {
    expect(
      clusterFacts({
        metadata: { annotations: { "cnpg.io/fencedInstances": '["*"]' } },
        spec: { instances: 2, postgresql: { synchronous: { number: 1 } } },
        status: { conditions: [{ type: "ContinuousArchiving", status: "False", message: "connection refused" }] },
      }),
    ).toEqual({
      instances: 2,
      synchronousReplicas: 1,
      phase: "it has only just been made",
      currentPrimary: undefined,
      targetPrimary: undefined,
      fenced: ["*"],
      archivingFault: "connection refused",
    });
  });

  test("of backups: the store's window, and the objects for why one failed", () => {
    const object = (created: string, phase: string, error?: string) => ({
      metadata: { name: created, creationTimestamp: created },
      spec: { cluster: { name: "naytife-postgres" } },
      status: { phase, ...(error === undefined ? {} : { error }) },
    });
    const window = { firstRecoverabilityPoint: "a", lastSuccessfulBackupTime: "b" };
    const store = { status: { serverRecoveryWindow: { "naytife-postgres": window } } };
    const made = [object("2026-11-20T00:00:00Z", "completed"), object("2026-11-21T00:00:00Z", "failed", "no space")];
    expect(backupFacts(store, made, "naytife-postgres")).toEqual({
      lastGood: "b",
      lastFailed: "2026-11-21T00:00:00Z",
      failure: "no space",
      firstRecoverable: "a",
      running: false,
    });
    expect(backupFacts(store, [...made, object("2026-11-22T00:00:00Z", "running")], "another")).toMatchObject({
      lastGood: undefined,
      running: true,
    });
  });

  test("of Prometheus: this stack's alerts, and no other's", () => {
    const rule = (namespace: string, alerts: object[], health = "ok") => ({
      type: "alerting",
      name: "PostgreSQLReplicationLag",
      health,
      labels: { namespace, service: "naytife-postgres", severity: "ticket" },
      alerts: alerts as never,
    });
    const alert = (state: string) => ({
      state,
      activeAt: "2026-11-22T11:50:00.123456789Z",
      labels: { severity: "ticket" },
      annotations: { summary: firing.summary, runbook_url: firing.runbook },
    });
    const answer = {
      data: {
        groups: [
          {
            rules: [
              rule("naytife-production", [alert("firing"), alert("pending")]),
              rule("naytife-production", [], "err"),
              rule("naytife-staging", [alert("firing")]),
              { type: "recording", name: "x", health: "ok", labels: { namespace: "naytife-production" } },
            ],
          },
        ],
      },
    };
    expect(alertFacts(answer, { namespace: "naytife-production", service: "naytife-postgres" })).toEqual({
      rules: 2,
      broken: ["PostgreSQLReplicationLag"],
      firing: [{ ...firing, since: "2026-11-22T11:50:00.123Z" }],
    });
  });
});

describe("the command line", () => {
  test("names a stack, and how the answer is wanted", () => {
    expect(invocation(["--stack", "production", "--json", "--config", "namespace=x"])).toEqual({
      stack: { stack: "production", name: "local", config: { namespace: "x" } },
      json: true,
    });
    expect(invocation(["--help"])).toBeUndefined();
  });

  test.each([[["--colour"]], [["--config", "x"]], [["now"]]])("%j is refused", (args) => {
    expect(() => invocation(args)).toThrow(UsageError);
  });
});
