/**
 * Monitoring on real parts: a Prometheus and an Alertmanager of the Prometheus Operator look at the stack. What they know is what `npm run status` is compared with. Each
 * test goes on where the one before it ended.
 */
import * as kubernetes from "@pulumi/kubernetes";
import type { Stack } from "@pulumi/pulumi/automation";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { kubernetesProvider } from "../../components/kubernetes-provider";
import { MonitoringTargets } from "../../components/monitoring";
import { cacheDirectory } from "../../local/cache";
import { openStack } from "../../local/engine/stack";
import { down, up, type EmbeddedCluster } from "../../local/kubernetes/cluster";
import { bringUpLegacy } from "../../local/legacy/legacy";
import { localStackConfig } from "../../local/stack-config";
import { tool } from "../../local/toolchain/toolchain";
import { twoAtATime } from "../../local/two-at-a-time";
import { stackValues } from "../../commands/stack";
import { rows } from "../../monitoring/dashboards/rows";
import { metricsIn } from "../../monitoring/metrics";
import { oneLine } from "../../monitoring/rules/rule";
import { alerts, groups, ruleFile } from "../../monitoring/rules/rules";
import type { MonitoringSettings } from "../../monitoring/settings";
import type { Facts } from "../../status/facts";
import type { Status } from "../../status/judge";
import { statusSettings } from "../../status/settings";
import { EngineRun } from "../engine/engine-run";
import { clusterName } from "../e2e/cluster";
import { kubectl, psqlInPod, until } from "../e2e/kubectl";
import { runProgram } from "../e2e/migration-fixture";
import { diagnosisCommands } from "../runbook-commands";
import { drawn, type Line } from "./drawing";
import { Prometheus, prometheusAddress, selectedBy } from "./prometheus";

const name = clusterName("monitoring");
const namespace = "naytife";
const root = join(__dirname, "../..");
const minutes = 60_000;
const clusterResource = "cluster.postgresql.cnpg.io/naytife-postgres";

let cluster: EmbeddedCluster;
let scratch: string;
let stack: Stack;
let prometheus: Prometheus;
/** From when on there is something to draw. */
let watchedSince = 0;
let config: Record<string, string>;
let settings: MonitoringSettings;
/** How much of a volume has to be free, in percent. */
let volumeFreePercent = 0;
const log: string[] = [];

const inNamespace = (...args: string[]) => kubectl(cluster, ["-n", namespace, ...args]);
const field = async (path: string, ...args: string[]) =>
  (await inNamespace("get", ...args, "-o", `jsonpath=${path}`)).trim();
const primary = () => field("{.status.currentPrimary}", clusterResource);
const sql = async (text: string) =>
  psqlInPod(cluster, { namespace, name: await primary(), user: "postgres" }, "postgres", text);
/** SQL on the old database's server. The database itself takes nobody. */
const legacy = (text: string) =>
  psqlInPod(cluster, { namespace, name: "deploy/postgres", user: "naytife" }, "postgres", text);
/** Both instances answer, and the operator has nothing left to do. */
const healthy = (seconds: number, expected?: string) =>
  until("two ready instances", seconds, async () => {
    const path = "{.status.phase}|{.status.readyInstances}|{.status.currentPrimary}";
    const [phase, ready, current] = (await field(path, clusterResource)).split("|");
    const settled = phase === "Cluster in healthy state" && ready === "2";
    return settled && (expected === undefined || current === expected) ? true : undefined;
  });
const seconds = (since: number) => ((Date.now() - since) / 1000).toFixed(1);

/** `npm run status`. */
async function status(): Promise<{ readonly code: number | null; readonly answer: Status & { facts: Facts } }> {
  const args = ["--kubeconfig", cluster.kubeconfig, "--context", cluster.context, "--json"];
  const settled = Object.entries(config).flatMap(([key, value]) => ["--config", `${key}=${value}`]);
  const { code, output, errors } = await runProgram(["status/main.ts", ...args, ...settled], {});
  if (output === "") throw new Error(errors);
  return { code, answer: JSON.parse(output) as Status & { facts: Facts } };
}
const unwell = ({ lines }: Status) => lines.filter(({ health }) => health !== "healthy").map(({ what }) => what);

/** A client that writes twice a second through the pooler, and comes again when it is thrown out. Its Secret brings the address. */
const client = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "client", namespace },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [
      {
        name: "client",
        image: "",
        command: [
          "bash",
          "-c",
          `while :; do psql -XAtq "$DATABASE_URL" <<<'INSERT INTO naytife_schema.heartbeat DEFAULT VALUES \\watch 0.5'; sleep 1; done`,
        ],
        env: ["DATABASE_URL", "DATABASE_URL_DIRECT"].map((key) => ({
          name: key,
          valueFrom: { secretKeyRef: { name: "naytife-postgres-connection", key } },
        })),
      },
    ],
  },
};

/** Tickets whose faults are made here, too. */
const tickets = ["PostgreSQLFailover", "PostgreSQLMigrationFailed"];

/**
 * The rules of the faults that are made here, once more, which look every five seconds and wait for ten: what is measured is how long it takes to see a fault.
 * docs/decisions/monitoring.md adds the rest. A failover is told from ten minutes ago; here, where no cluster is that old, from one.
 */
function hasty() {
  const groupsOf = ruleFile(settings).groups.map(({ name: of, rules }) => ({
    name: `${of}-hasty`,
    interval: "5s",
    rules: rules.flatMap((rule) =>
      "alert" in rule && (rule.labels.severity === "page" || tickets.includes(rule.alert))
        ? [
            {
              ...rule,
              expr: rule.expr.replaceAll("offset 10m", "offset 1m"),
              for: rule.for === "0s" ? "0s" : "10s",
              labels: { ...rule.labels, pace: "hasty" },
            },
          ]
        : [],
    ),
  }));
  return {
    apiVersion: "monitoring.coreos.com/v1",
    kind: "PrometheusRule",
    metadata: { name: "hasty", namespace, labels: selectedBy },
    spec: { groups: groupsOf.filter(({ rules }) => rules.length > 0) },
  };
}

/** The dashboard, of what Prometheus has of the time since the stack was made. The page is for eyes; it is kept, and overwritten by the next run. */
async function draw(when: string): Promise<void> {
  const to = Math.floor(Date.now() / 1000);
  const span = { from: Math.floor(watchedSince / 1000), to, step: 5 };
  const answers = new Map<string, readonly Line[]>();
  for (const { queries } of rows(settings).flatMap(({ panels }) => panels)) {
    for (const { expr } of queries) answers.set(expr, await prometheus.range(oneLine(expr), span));
  }
  const file = join(cacheDirectory(), `dashboard-${when}.html`);
  writeFileSync(file, drawn(`PostgreSQL ${namespace}`, rows(settings), answers, span));
  process.stderr.write(`the dashboard: ${file}\n`);
}

jest.setTimeout(10 * minutes);

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "naytife-monitoring-"));
  await down({ name }); // What an interrupted run left.
  cluster = await up({ name });
  // Of the machine's disk, on which all volumes lie: so that what is written here besides leaves it above, and a few gigabytes more below.
  const { bavail, blocks } = await statfs("/var/lib/naytife-postgres");
  volumeFreePercent = Math.min(50, Math.max(1, Math.floor((100 * bavail) / blocks) - 2));
  config = {
    ...(await localStackConfig(cluster)),
    alertVolumeFreePercent: String(volumeFreePercent),
    instances: "2",
    synchronousReplicas: "1",
    // Few enough to be used up.
    maxConnections: "60",
    reservedConnections: "10",
    poolerDefaultPoolSize: "5",
    poolerMaxDatabaseConnections: "10",
    poolerMaxUserConnections: "10",
    monitoringEnabled: "true",
    monitoringScrapeSeconds: "5",
    monitoringLabels: JSON.stringify(selectedBy),
    // Nobody watches Secrets.
    monitoringExporters: JSON.stringify(["kubelet", "kube-state-metrics"]),
    monitoringPrometheus: prometheusAddress,
  };
  const { kubeconfig, context } = cluster;
  await bringUpLegacy({ ...cluster, namespace, size: "10MB", seed: 7, image: cluster.legacyImage });
  const values = await stackValues({ stack: "local", name: "local", kubeconfig, context, config });
  settings = statusSettings(values).monitoring;
}, 10 * minutes);

afterAll(async () => {
  (prometheus as Prometheus | undefined)?.end();
  rmSync(scratch, { recursive: true, force: true });
  await down({ name });
}, 2 * minutes);

test("a cluster without the Prometheus Operator: the update says so, and makes nothing of monitoring", async () => {
  const engine = await EngineRun.open();
  const { error, log: said } = await engine.up(() => {
    const provider = kubernetesProvider("kubernetes", cluster);
    const labels = { ...selectedBy };
    const targets = new MonitoringTargets(
      "targets",
      { namespace: "default", settings, scrapeSeconds: 5, labels },
      { provider },
    );
    // As the Cluster does.
    new kubernetes.core.v1.ConfigMap("after", { data: { queries: targets.queries.name } }, { provider });
    return Promise.resolve({});
  });
  engine.close();
  expect(error).toBeDefined();
  expect(said).toContain("the Prometheus Operator is not installed here");
  expect(said).toContain("Next: Install it");
  expect(await kubectl(cluster, ["-n", "default", "get", "configmap", "-o", "name"])).toBe(
    "configmap/kube-root-ca.crt\n",
  );
});

test(
  "with it, everything is a target, and answers",
  async () => {
    await Prometheus.images(name);
    prometheus = await Prometheus.begin(cluster);
    stack = await openStack({
      stack: "local",
      stateDirectory: scratch,
      backend: pathToFileURL(join(scratch, "backend")).href,
      config,
    });
    const began = Date.now();
    // The kubelet has statistics of volumes of type local, not of the hostPath ones that this class makes unless told: before there is a claim.
    const counted = until("the storage class", 240, async () => {
      const annotate = ["annotate", "storageclass", "cnpg-local-storage", "defaultVolumeType=local"];
      return kubectl(cluster, annotate).catch(() => undefined);
    });
    await stack.up({ onOutput: (text) => log.push(text), onError: (text) => log.push(text), color: "never" });
    process.stderr.write(`up with monitoring: ${seconds(began)} s\n`);
    await counted;
    const scraping = Date.now();
    watchedSince = scraping;
    await sql("SELECT pg_switch_wal()");
    await psqlInPod(
      cluster,
      { namespace, name: await primary(), user: "postgres" },
      "naytifedb",
      "CREATE TABLE naytife_schema.heartbeat (at timestamptz DEFAULT clock_timestamp()); GRANT ALL ON naytife_schema.heartbeat TO naytife",
    );
    const image = { image: cluster.postgresImage };
    const containers = client.spec.containers.map((container) => ({ ...container, ...image }));
    const body = { ...client, spec: { ...client.spec, containers } };
    await kubectl(
      cluster,
      ["apply", "-f", "-"],
      [body, hasty()].map((object) => JSON.stringify(object)).join("\n---\n"),
    );
    const expected = { instances: 2, operator: 1, plugin: 1, pooler: 2 };
    const count = (of: readonly { scrapePool: string; health: string }[]) =>
      Object.fromEntries(
        Object.keys(expected).map((target) => [
          target,
          of.filter(({ scrapePool, health }) => health === "up" && scrapePool.includes(`-postgres-${target}/`)).length,
        ]),
      );
    let targets = await prometheus.targets();
    await until("all targets up", 180, async () => {
      await prometheus.hurry();
      targets = await prometheus.targets();
      return JSON.stringify(count(targets)) === JSON.stringify(expected) ? true : undefined;
    }).catch(() => undefined);
    expect(targets.filter(({ health }) => health !== "up").map(({ labels, lastError }) => [labels, lastError])).toEqual(
      [],
    );
    expect(count(targets)).toEqual(expected);
    process.stderr.write(`all targets up ${seconds(scraping)} s after it\n`);
    const wanted = [...ruleFile(settings).groups, ...hasty().spec.groups].map((group) => group.name).sort();
    let loaded: readonly string[] = [];
    await until("all rules loaded", 180, async () => {
      await prometheus.hurry();
      loaded = await prometheus.groups();
      return loaded.length === wanted.length ? true : undefined;
    }).catch(() => undefined);
    expect([...loaded].sort()).toEqual(wanted);
  },
  10 * minutes,
);

test("nothing fires while all is well, and status says the same", async () => {
  await healthy(240);
  await until("the first base backup", 180, async () =>
    (await field("{.items[*].status.phase}", "backups.postgresql.cnpg.io")).includes("completed") ? true : undefined,
  );
  const { code, answer } = await status();
  const rules = [...ruleFile(settings).groups, ...hasty().spec.groups].flatMap((group) =>
    group.rules.filter((rule) => "alert" in rule),
  );
  expect(answer.facts.alerts).toEqual({ value: { rules: rules.length, broken: [], firing: [] } });
  // Nobody has drilled.
  expect([code, unwell(answer)]).toEqual([1, ["drill"]]);
  expect(answer.facts).toMatchObject({
    cluster: { value: { instances: 2, synchronousReplicas: 1, currentPrimary: "naytife-postgres-1" } },
    instances: { value: [{ ready: true }, { ready: true }] },
    server: { value: { connectionLimit: 57, replicas: [{ name: "naytife-postgres-2", state: "streaming" }] } },
    pooler: { value: { instances: 2, ready: 2, paused: false } },
    migration: { value: { state: "done" } },
  });
});

const sourceWatch = "naytife-postgres-source-watch";

/** Looks at the old database at once, as the CronJob does every four minutes: begins a Job of this number. */
const look = (number: number) =>
  inNamespace("create", "job", `--from=cronjob/${sourceWatch}`, `${sourceWatch}-${number}`);

/** How the look of this number ends. */
async function found(number: number): Promise<"sealed" | "open"> {
  const job = `job/${sourceWatch}-${number}`;
  return until(`the end of ${job}`, 120, async () => {
    const conditions = await field('{.status.conditions[?(@.status=="True")].type}', job);
    if (conditions.includes("Complete")) return "sealed";
    return conditions.split(" ").includes("Failed") ? "open" : undefined;
  });
}

/** Commands of runbooks that cannot answer here, while all is well. */
const unanswered: readonly (readonly [RegExp, string])[] = [
  [/^kubectl -n \$N top pod /, "nobody measures pods: the embedded Kubernetes has no metrics-server"],
  [/ logs job\/naytife-postgres-migration --tail=40$/, "the migration's Job goes when it is done"],
  [/ --previous$/, "the operator has not ended before"],
  [/ configmap naytife-postgres-restore-drill-report /, "nobody has drilled: drill.test.ts has the report"],
  [/ -l naytife.com\/drill=run /, "nobody has drilled"],
];

/** What runs them on this cluster. What grep looks for need not be there while all is well. */
const prelude = `
kubectl() { "$KUBECTL" --kubeconfig "$KUBECONFIG" --context "$CONTEXT" "$@"; }
grep() { command grep "$@" || [ $? -eq 1 ]; }
`;

test("whatever a runbook or an alert says to look with answers", async () => {
  // Else there is no log of it before the next fourth minute.
  await look(1);
  expect(await found(1)).toBe("sealed");
  const runbooks = join(root, "docs/runbooks");
  const written = readdirSync(runbooks).flatMap((file) =>
    diagnosisCommands(readFileSync(join(runbooks, file), "utf8")).map((command) => [command, basename(file)] as const),
  );
  const known = new Map(written);
  const excuse = (command: string) => unanswered.find(([of]) => of.test(command))?.[1];
  expect(unanswered.filter(([of]) => ![...known.keys()].some((command) => of.test(command)))).toEqual([]);
  for (const { name: alert, firstCommand } of alerts(settings)) {
    const pod = alert.startsWith("PostgreSQLPooler")
      ? await field("{.items[0].metadata.name}", "pods", "-l", "cnpg.io/poolerName=naytife-postgres-pooler")
      : await primary();
    known.set(firstCommand.replaceAll("{{ $labels.pod }}", pod), alert);
  }
  const place = `--stack local --kubeconfig "$KUBECONFIG" --context "$CONTEXT" ${Object.entries(config)
    .map(([key, value]) => `--config '${key}=${value}'`)
    .join(" ")}`;
  const { kubeconfig, context } = cluster;
  const env = {
    ...process.env,
    KUBECTL: await tool("kubectl"),
    KUBECONFIG: kubeconfig,
    CONTEXT: context,
    N: namespace,
  };
  const began = Date.now();
  const failed: string[] = [];
  await twoAtATime(
    [...known].filter(([command]) => excuse(command) === undefined),
    async ([command, where]) => {
      const script = prelude + command.replace(/--stack \w+/, () => place);
      const bash = ["30", "bash", "-euo", "pipefail", "-c", script];
      const running = promisify(execFile)("timeout", bash, { cwd: root, env });
      running.child.stdin?.end();
      const said = await running.then(
        ({ stderr }) => (/\berror\b|not found|no resources found/i.test(stderr) ? stderr : undefined),
        (error: unknown) => String(error),
      );
      if (said !== undefined) failed.push(`${where}: ${command}\n${said.replace(script, "")}`);
    },
  );
  expect(failed).toEqual([]);
  process.stderr.write(`${known.size} commands to look with, in ${seconds(began)} s\n`);
});

test("a planned switchover and a rolling update wake nobody", async () => {
  const began = Date.now();
  const switched = {
    targetPrimary: "naytife-postgres-2",
    targetPrimaryTimestamp: new Date().toISOString(),
    phase: "Switchover in progress",
    phaseReason: "Switching over to naytife-postgres-2",
  };
  const patch = ["--subresource=status", "--type=merge", "-p", JSON.stringify({ status: switched })];
  await inNamespace("patch", clusterResource, ...patch);
  await healthy(240, "naytife-postgres-2");
  process.stderr.write(`switchover: ${seconds(began)} s\n`);
  const updating = Date.now();
  const before = await sql("SELECT pg_postmaster_start_time()");
  await inNamespace("annotate", clusterResource, `kubectl.kubernetes.io/restartedAt=${new Date().toISOString()}`);
  await until("the primary's restart", 180, async () =>
    (await sql("SELECT pg_postmaster_start_time()").catch(() => before)) === before ? undefined : true,
  );
  await healthy(240);
  process.stderr.write(`rolling update: ${seconds(updating)} s\n`);
  // What is true for a while and not for long enough.
  await until("no page is pending", 180, async () =>
    (await prometheus.query('ALERTS{severity="page",pace=""}')).length === 0 ? true : undefined,
  );
  const woken = `max_over_time(ALERTS{severity="page",pace="",alertstate="firing"}[${Math.ceil((Date.now() - began) / 1000)}s])`;
  expect(await prometheus.query(woken)).toEqual([]);
});

/** Waits until Alertmanager has an alert, and says how long after the fault that was. */
async function detected(alert: string, fault: string, since: number): Promise<void> {
  await until(`${alert} in Alertmanager`, 240, async () =>
    (await prometheus.received()).some(({ labels }) => labels.alertname === alert && labels.pace === "hasty")
      ? true
      : undefined,
  );
  process.stderr.write(`${fault}: ${alert} after ${seconds(since)} s\n`);
}

test("a primary that is killed is told of, and wakes nobody where a replica takes over", async () => {
  const killed = await primary();
  const replica = killed === "naytife-postgres-1" ? "naytife-postgres-2" : "naytife-postgres-1";
  // Known for longer than a failover is told from.
  await until("the roles are old enough", 240, async () => {
    const was = `count(cnpg_pg_replication_in_recovery{pod="${replica}"} == 1 and cnpg_pg_replication_in_recovery{pod="${replica}"} offset 1m == 1)`;
    return (await prometheus.query(was)).length > 0 ? true : undefined;
  });
  const began = Date.now();
  await inNamespace("delete", "pod", killed, "--grace-period=0", "--force");
  await detected("PostgreSQLFailover", "the primary is killed", began);
  await healthy(240, replica);
  process.stderr.write(`all instances again: ${seconds(began)} s\n`);
  const woken = `max_over_time(ALERTS{severity="page",pace="",alertstate="firing"}[${Math.ceil((Date.now() - began) / 1000)}s])`;
  expect(await prometheus.query(woken)).toEqual([]);
});

/** The migration's Job, as far as anybody sees who watches Jobs. */
async function migrationJob(command: string): Promise<void> {
  const { migrationJob: of } = settings.watched;
  await inNamespace("delete", "job", of, "--ignore-not-found", "--cascade=foreground", "--wait");
  const container = { name: "migration", image: cluster.postgresImage, command: ["bash", "-c", command] };
  const spec = { restartPolicy: "Never", terminationGracePeriodSeconds: 0, containers: [container] };
  const job = {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: of, namespace },
    spec: { backoffLimit: 0, template: { spec } },
  };
  await kubectl(cluster, ["apply", "-f", "-"], JSON.stringify(job));
}

/** What may be without an answer here, and why. Everything else must have one. */
const excused: readonly (readonly [RegExp, string])[] = [
  [/^cnpg_naytife_drill_/, "no drill has ended yet: drill.test.ts sees its series"],
  [/^controller_runtime_reconcile_errors_total$/, "no reconciliation has failed yet"],
  [/^ALERTS$/, "nothing fires"],
  [/^kube_job_failed$/, "no Job has ended yet"],
  [/^kube_job_status_failed$/, "no look has found the old database open yet"],
];
const reason = (expression: string) =>
  excused.find(([metric]) => metricsIn(expression).some((one) => metric.test(one)))?.[1];

test("every expression of a panel, every recording, and every series that an alert looks at has an answer", async () => {
  // A healthy cluster's alerts have none: what they look at has.
  const selectors = (expression: string) => oneLine(expression).match(/[a-zA-Z_:][\w:]*\{[^}]*\}/g) ?? [];
  const asked = new Set([
    ...rows(settings).flatMap(({ panels }) =>
      panels.flatMap(({ queries }) => queries.map(({ expr }) => oneLine(expr))),
    ),
    ...groups(settings).flatMap(({ recordings, alerts }) => [
      ...recordings.map(({ expr }) => oneLine(expr)),
      ...alerts.flatMap(({ expr }) => selectors(expr)),
    ]),
  ]);
  expect(asked.size).toBeGreaterThan(100);
  await migrationJob("sleep 3600");
  const began = Date.now();
  let empty = [...asked];
  const without = async () => {
    const left: string[] = [];
    for (const expression of empty) if ((await prometheus.query(expression)).length === 0) left.push(expression);
    empty = left;
    return empty.every((expression) => reason(expression) !== undefined) ? true : undefined;
  };
  await until("answers", 150, without).catch(() => undefined);
  expect(empty.filter((expression) => reason(expression) === undefined)).toEqual([]);
  process.stderr.write(
    `${asked.size} expressions, all but these with an answer after ${seconds(began)} s:\n` +
      empty.map((expression) => `  ${expression}: ${reason(expression) ?? ""}\n`).join(""),
  );
  await draw("well");
});

/** What fills the primary's volume. */
const ballast = "/var/lib/postgresql/data/ballast";

test("each real fault comes to Alertmanager as the alert that is meant for it, and status says what to do", async () => {
  await until("Alertmanager has no page left", 180, async () =>
    (await prometheus.received()).every(({ labels }) => labels.severity !== "page") ? true : undefined,
  );
  const replica = (await primary()) === "naytife-postgres-1" ? "naytife-postgres-2" : "naytife-postgres-1";
  const faults: Promise<void>[] = [];
  const happens = async (alert: string, fault: string, make: () => Promise<unknown>) => {
    await make();
    faults.push(detected(alert, fault, Date.now()));
  };
  await happens("PostgreSQLWalArchivingFailing", "the store is stopped", async () => {
    await inNamespace("scale", "deployment/naytife-postgres-store", "--replicas=0");
    await sql("SELECT pg_switch_wal()");
  });
  await happens("PostgreSQLPoolerStuck", "the pooler is paused", () =>
    inNamespace(
      "patch",
      "pooler/naytife-postgres-pooler",
      "--type=merge",
      "-p",
      '{"spec":{"pgbouncer":{"paused":true}}}',
    ),
  );
  await happens("PostgreSQLConnectionsExhausted", "connections are used up", async () => {
    const used = Number(await sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"));
    const bench = `echo 'SELECT pg_sleep(300)' >/tmp/sleep.sql; pgbench -n -c ${56 - used} -t 1 -f /tmp/sleep.sql "$DATABASE_URL_DIRECT" >/tmp/pgbench.log 2>&1 &`;
    await kubectl(cluster, ["-n", namespace, "exec", "-i", "client", "--", "bash", "-c", bench]);
  });
  await happens("PostgreSQLSynchronousReplicaMissing", "the synchronous replica is fenced", () =>
    inNamespace("annotate", clusterResource, `cnpg.io/fencedInstances=["${replica}"]`),
  );
  await happens("PostgreSQLVolumeFull", "the volume is filled", async () => {
    const { bavail, blocks, bsize } = await statfs("/var/lib/naytife-postgres");
    const bytes = Math.ceil((bavail - ((volumeFreePercent - 0.5) / 100) * blocks) * bsize);
    const fill = ["exec", await primary(), "-c", "postgres", "--", "fallocate", "--length", String(bytes), ballast];
    await inNamespace(...fill);
  });
  await happens("PostgreSQLMigrationFailed", "the migration's Job fails", () => migrationJob("exit 1"));
  await happens("PostgreSQLSourceOpen", "somebody opens the old database, and it is looked at", async () => {
    await legacy("ALTER DATABASE naytifedb WITH ALLOW_CONNECTIONS true");
    await look(2);
  });
  await Promise.all(faults);
  expect(await found(2)).toBe("open");
  await legacy("ALTER DATABASE naytifedb WITH ALLOW_CONNECTIONS false");
  await inNamespace("exec", await primary(), "-c", "postgres", "--", "rm", ballast);
  const { code, answer } = await status();
  expect(code).toBe(2);
  expect(unwell(answer)).toEqual(
    expect.arrayContaining(["instances", "synchronous", "pooler", "connections", "archiving", "alerts"]),
  );
  expect(answer.lines.find(({ what }) => what === "alerts")?.details?.join("\n")).toMatch(
    /page {4}PostgreSQLPoolerStuck/,
  );
  const ended = Date.now();
  await inNamespace("annotate", "--overwrite", clusterResource, 'cnpg.io/fencedInstances=["*"]');
  await detected("PostgreSQLPrimaryDown", "all instances are fenced", ended);
  await draw("unwell");
});

test("the page of the old database closes when it is sealed again", async () => {
  const sealed = Date.now();
  await look(3);
  expect(await found(3)).toBe("sealed");
  // The looks that found it open are swept seven minutes after their end; here at once.
  const jobs = await field("{.items[*].metadata.name}", "jobs", "-l", `app.kubernetes.io/name=${sourceWatch}`);
  for (const job of jobs.split(" ")) {
    await inNamespace("patch", "job", job, "--type=merge", "-p", '{"spec":{"ttlSecondsAfterFinished":0}}');
  }
  await until("PostgreSQLSourceOpen is resolved", 240, async () =>
    (await prometheus.received()).every(({ labels }) => labels.alertname !== "PostgreSQLSourceOpen") ? true : undefined,
  );
  process.stderr.write(`the old database is sealed again: its page is closed after ${seconds(sealed)} s\n`);
});
