/**
 * The restore drill on real parts: it passes on good backups, fails on a copy that is not what was recorded and says what differs, and leaves nothing behind, whatever ends
 * it. Each test goes on where the one before it ended.
 */
import type { Stack } from "@pulumi/pulumi/automation";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { DrillReport } from "../../drill/report";
import { openStack } from "../../local/engine/stack";
import { down, up, type EmbeddedCluster } from "../../local/kubernetes/cluster";
import { localStackConfig } from "../../local/stack-config";
import { tool } from "../../local/toolchain/toolchain";
import { clusterName } from "./cluster";
import { endOutright, processesOf } from "./container-processes";
import { kubectl, psqlInPod, until } from "./kubectl";
import { type Outcome, runProgram } from "./migration-fixture";

const name = clusterName("drill");
const namespace = "naytife";
const minutes = 60_000;
const copy = "naytife-postgres-drill";
const cronJob = "naytife-postgres-restore-drill";
/** In seconds. A segment is finished after ten; how long a busy machine takes to carry it away is not what is tested. */
const recoveryPoint = { backupRecoveryPoint: "300", backupUploadAllowance: "290" };

let cluster: EmbeddedCluster;
let scratch: string;
let stack: Stack;
const log: string[] = [];

const inNamespace = (...args: string[]) => kubectl(cluster, ["-n", namespace, ...args]);
const sqlIn = (pod: string, database: string, text: string) =>
  psqlInPod(cluster, { namespace, name: pod, user: "postgres" }, database, text);
const sql = (text: string, database = "naytifedb") => sqlIn("naytife-postgres-1", database, text);

/** `npm run drill`, and what it says as it says it. */
async function drill(onLine: (line: string) => void = () => undefined, ...options: string[]): Promise<Outcome> {
  const began = Date.now();
  const outcome = await runProgram(["drill/main.ts", "--name", name, ...options], {}, (line) => {
    if (line !== "") process.stderr.write(`${line}\n`);
    onLine(line);
  });
  process.stderr.write(`${outcome.output}drill: ${((Date.now() - began) / 1000).toFixed(1)} s, ${outcome.code}\n`);
  return outcome;
}
const reported = async (onLine?: (line: string) => void) => {
  const { code, output, errors } = await drill(onLine, "--json");
  return { code, errors, report: output === "" ? undefined : (JSON.parse(output) as DrillReport) };
};

/** Calls `act` when the operator first says of the throw-away Cluster what it does. */
const whenItIsRestored = (act: () => Promise<unknown>) => {
  const acting: Promise<unknown>[] = [];
  const onLine = (line: string) => {
    if (line.includes(`${copy}: `) && acting.length === 0) acting.push(act());
  };
  return { onLine, acted: () => Promise.all(acting).then(({ length }) => length) };
};

/** Everything of the throw-away Cluster that is there. */
const remains = async () => {
  const namespaced = "pods,persistentvolumeclaims,jobs,services,secrets,configmaps,serviceaccounts,roles,rolebindings";
  const kinds = `${namespaced},poddisruptionbudgets,clusters.postgresql.cnpg.io`;
  const objects = (await inNamespace("get", kinds, "-o", "name")).split("\n");
  const volumes = await kubectl(cluster, ["get", "pv", "-o", "jsonpath={.items[*].spec.claimRef.name}"]);
  return [...objects.map((object) => object.split("/")[1] ?? ""), ...volumes.split(" ")].filter((one) =>
    one.startsWith(copy),
  );
};
const gone = () =>
  until("the throw-away Cluster is gone", 180, async () => ((await remains()).length === 0 ? true : undefined));

jest.setTimeout(10 * minutes);

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "naytife-drill-"));
  await down({ name }); // What an interrupted run left.
  cluster = await up({ name });
  stack = await openStack({
    stack: "local",
    stateDirectory: scratch,
    backend: pathToFileURL(join(scratch, "backend")).href,
    config: { ...(await localStackConfig(cluster)), migrationEnabled: "false", ...recoveryPoint },
  });
  await stack.up({ onOutput: (text) => log.push(text), onError: (text) => log.push(text), color: "never" });
  // Kinds of what is not all alike to a backup or to a reader.
  await sql(`
    CREATE TABLE naytife_schema.orders (id bigserial PRIMARY KEY, placed timestamptz DEFAULT now(), note text);
    INSERT INTO naytife_schema.orders (note) SELECT repeat(md5(i::text), 20) FROM generate_series(1, 5000) AS i;
    CREATE TABLE naytife_schema.guarded (id int PRIMARY KEY, secret text);
    INSERT INTO naytife_schema.guarded VALUES (1, 'x');
    ALTER TABLE naytife_schema.guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    ALTER TABLE naytife_schema.guarded OWNER TO naytife;
    CREATE TABLE naytife_schema.stock AS SELECT generate_series(1, 100) AS id;
    CREATE INDEX stock_id ON naytife_schema.stock (id);
    CREATE UNLOGGED TABLE naytife_schema.carts AS SELECT 1 AS id;
    CREATE MATERIALIZED VIEW naytife_schema.summary AS SELECT count(*) FROM naytife_schema.orders;
    CREATE SEQUENCE naytife_schema.tickets;
    CREATE SEQUENCE naytife_schema.downwards INCREMENT -5;
    SELECT nextval('naytife_schema.downwards') FROM generate_series(1, 7);
    CREATE SEQUENCE naytife_schema.unused START 1000;
    CREATE UNLOGGED SEQUENCE naytife_schema.of_carts;
    SELECT lo_from_bytea(4711, convert_to(repeat('invoice', 10000), 'UTF8')), lo_from_bytea(4712, '');`);
  await until("the first base backup", 180, async () =>
    (await inNamespace("get", "backups.postgresql.cnpg.io", "-o", "jsonpath={.items[*].status.phase}")).includes(
      "completed",
    )
      ? true
      : undefined,
  );
}, 10 * minutes);

afterAll(async () => {
  rmSync(scratch, { recursive: true, force: true });
  await down({ name });
}, 2 * minutes);

/** When the first drill ended. */
let passed: number;
/** Seconds that it took without its WAL. */
let restored: number;

test("good backups pass, while the database is written", async () => {
  const kubectlProgram = await tool("kubectl");
  const target = ["--kubeconfig", cluster.kubeconfig, "--context", cluster.context, "-n", namespace];
  const psql = ["exec", "-i", "naytife-postgres-1", "--", "psql", "-Xq", "-U", "postgres", "-d", "naytifedb"];
  const writer = spawn(kubectlProgram, [...target, ...psql], { stdio: ["pipe", "ignore", "inherit"] });
  // More tickets at a time than a sequence's WAL is ahead of it: where it is read makes a difference.
  writer.stdin.write(
    `SET application_name = 'writer';
     INSERT INTO naytife_schema.orders (note) SELECT count(nextval('naytife_schema.tickets')) FROM generate_series(1, 100) \\watch 0.05\n`,
  );
  let outcome;
  try {
    outcome = await reported();
  } finally {
    await sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'writer'");
    writer.kill();
  }
  const { report, ...how } = outcome;
  expect(how).toMatchObject({ code: 0 });
  expect(report).toMatchObject({
    passed: true,
    reason: null,
    recoveryTime: { promised: 900, held: true },
    recoveryPoint: { promised: 300, held: true, archiveTimeout: 10 },
    compared: {
      tables: 4,
      countedOnly: [],
      unlogged: ["naytife_schema.carts"],
      sequences: 4,
      largeObjects: { objects: 2, bytes: 70000, countedOnly: false },
    },
    amcheck: { damaged: 0 },
  });
  passed = Date.parse(report!.finished) / 1000;
  expect(report!.compared?.rows).toBeGreaterThan(5000);
  expect(report!.amcheck?.indexes).toBeGreaterThan(2);
  // What the copy was restored to lies before what was written since.
  expect(report!.compared!.rows).toBeLessThan(Number(await sql("SELECT count(*) FROM naytife_schema.orders")));
  // The figures hang together.
  const { restore, recoveryTime } = report!;
  const { fetchSeconds, replaySeconds, fixedSeconds, databaseBytes, largestDatabaseBytes } = restore!;
  expect(fetchSeconds! + replaySeconds! + fixedSeconds!).toBeCloseTo(recoveryTime!.seconds!, 2);
  const expected = ((900 - replaySeconds! - fixedSeconds!) * databaseBytes!) / fetchSeconds!;
  expect(largestDatabaseBytes! / expected).toBeCloseTo(1, 3);
  restored = fetchSeconds! + fixedSeconds!;
  await gone();
});

test("what a recovery will take is said by it", async () => {
  const { code, output } = await runProgram(["recovery/main.ts", "window", "--json", "--name", name], {});
  expect(code).toBe(0);
  const [archive] = JSON.parse(output) as { expectedSeconds: number }[];
  expect(archive!.expectedSeconds).toBeGreaterThan(restored);
  expect(archive!.expectedSeconds).toBeLessThan(restored + 120);
});

test("the drill may remove its own Cluster and no other, and reads no Secret", async () => {
  const account = `system:serviceaccount:${namespace}:${cronJob}`;
  const may = async (...what: string[]) =>
    (await inNamespace("auth", "can-i", "--as", account, ...what).catch(() => "no")).trim();
  const asked = [
    ["delete", `clusters.postgresql.cnpg.io/${copy}`],
    ["delete", "clusters.postgresql.cnpg.io/naytife-postgres"],
    ["patch", "clusters.postgresql.cnpg.io/naytife-postgres"],
    ["get", "secrets/cnpg-cluster-secret"],
    ["create", "pods/exec"],
  ];
  expect(await Promise.all(asked.map((what) => may(...what)))).toEqual(["yes", "no", "no", "no", "no"]);
});

test("a copy that is not what was recorded fails, with all that differs in it", async () => {
  const patch = (...operations: object[]) =>
    inNamespace("patch", "clusters.postgresql.cnpg.io", copy, "--type=json", "-p", JSON.stringify(operations));
  const rule = "/spec/postgresql/pg_hba/0";
  const { onLine, acted } = whenItIsRestored(async () => {
    // The drill is kept out until the damage is done.
    await patch({ op: "add", path: rule, value: "host all naytife_drill all reject" });
    await until("the copy takes a change", 240, () =>
      sqlIn(`${copy}-1`, "naytife_drill", "DELETE FROM canary RETURNING true").catch(() => undefined),
    );
    await sqlIn(
      `${copy}-1`,
      "naytifedb",
      `UPDATE naytife_schema.orders SET note = 'another' WHERE id = 7;
       DROP TABLE naytife_schema.guarded;
       UPDATE pg_index SET indisready = false WHERE indexrelid = 'naytife_schema.stock_id'::regclass;
       INSERT INTO naytife_schema.stock VALUES (101);
       UPDATE pg_index SET indisready = true WHERE indexrelid = 'naytife_schema.stock_id'::regclass;
       SELECT setval('naytife_schema.tickets', 1), setval('naytife_schema.downwards', -1000);
       DROP SEQUENCE naytife_schema.unused;
       CREATE SEQUENCE naytife_schema.added;
       SELECT lo_put(4711, 69999, 'E');`,
    );
    await patch({ op: "remove", path: rule });
  });
  const { code, report } = await reported(onLine);
  expect(await acted()).toBe(1);
  expect(code).toBe(1);
  expect(report?.passed).toBe(false);
  expect(report?.reason).toContain("the row that was written and archived before is missing");
  expect(report?.reason).toMatch(/table naytife_schema\.orders: other contents in its \d+ rows/);
  expect(report?.reason).toContain("table naytife_schema.guarded: missing");
  expect(report?.reason).toContain("table naytife_schema.stock: 101 rows, 100 were recorded");
  expect(report?.reason).toMatch(
    /sequence naytife_schema\.tickets: at 1, and would give out again what it gave out up to \d{3,}/,
  );
  expect(report?.reason).toMatch(/sequence naytife_schema\.downwards: at -1000, and cannot have been beyond -19\d/);
  expect(report?.reason).toContain("sequence naytife_schema.unused: missing");
  expect(report?.reason).toContain("sequence naytife_schema.added: was not there");
  expect(report?.reason).not.toContain("orders_id_seq");
  expect(report?.reason).toContain("large objects: other contents in their 70000 bytes");
  expect(report?.reason).toMatch(/amcheck of an index naytife_schema\.stock_id: heap tuple .* lacks matching index/);
  expect(report?.amcheck?.damaged).toBe(1);
  await gone();
});

test("a drill that is killed says so, and what it made goes with its pod", async () => {
  const running = ["pods", "-l", "naytife.com/drill=run", "--field-selector=status.phase=Running"];
  const { onLine, acted } = whenItIsRestored(async () => {
    const pod = await inNamespace("get", ...running, "-o", "jsonpath={.items[0].metadata.uid}");
    // As the kernel would that has no memory left: the script gets no chance to tidy up.
    expect(endOutright(processesOf(pod.trim()).filter(({ command }) => command[0] !== "/pause"))).toBe(true);
  });
  const { code, errors } = await reported(onLine);
  expect(await acted()).toBe(1);
  expect(code).toBe(1);
  expect(errors).toMatch(/left no report: it was killed/);
  expect(await remains()).not.toEqual([]);
  // As Kubernetes does when the time is over for which an ended drill's log is kept.
  await inNamespace("delete", "jobs", "-l", "app.kubernetes.io/name=naytife-postgres-restore-drill");
  await gone();
});

test("a drill whose time is over ends, removes what it made, and says how far it was", async () => {
  const limits = (kubernetes: number, own: number) => {
    const ofContainer = { containers: [{ name: "drill", env: [{ name: "TIME_LIMIT", value: String(own) }] }] };
    const spec = { activeDeadlineSeconds: kubernetes, template: { spec: ofContainer } };
    return inNamespace("patch", "cronjob", cronJob, "-p", JSON.stringify({ spec: { jobTemplate: { spec } } }));
  };
  await limits(600, 25);
  const own = await reported();
  expect(own.code).toBe(1);
  expect(own.report?.reason).toMatch(/ within the drill's /);
  await gone();
  await limits(15, 600);
  const kubernetes = await reported();
  expect(kubernetes.code).toBe(1);
  expect(kubernetes.report?.reason).toMatch(/^the drill was ended from outside in phase \w+/);
  await gone();
});

test("a database that it may not connect to is named at once, with the grant that it needs", async () => {
  await sql("REVOKE CONNECT ON DATABASE naytifedb FROM PUBLIC");
  const { code, output, errors } = await drill();
  await sql("GRANT CONNECT ON DATABASE naytifedb TO PUBLIC");
  expect(code).toBe(1);
  expect(output).toMatch(/^FAILED: the drill cannot read naytifedb: .*permission denied for database "naytifedb"/);
  expect(errors).toContain("GRANT CONNECT ON DATABASE naytifedb TO pg_monitor");
});

test("without a base backup it says so at once, and what an earlier drill left is removed", async () => {
  const left = {
    apiVersion: "postgresql.cnpg.io/v1",
    kind: "Cluster",
    metadata: { name: copy, namespace },
    spec: { instances: 1, storage: { size: "1Gi", storageClass: "none-such" } },
  };
  await kubectl(cluster, ["create", "-f", "-"], JSON.stringify(left));
  await inNamespace("delete", "backups.postgresql.cnpg.io", "--all");
  const { code, output } = await drill();
  expect(code).toBe(1);
  expect(output).toMatch(/^FAILED: there is no complete base backup of naytife-postgres\n/);
  await gone();
});

test("a namespace without a drill is refused", async () => {
  const { code, errors } = await drill(undefined, "--config", "namespace=default");
  expect(code).toBe(1);
  expect(errors).toMatch(/there is no CronJob naytife-postgres-restore-drill in namespace default/);
});

test("the exporter tells Prometheus", async () => {
  const script = "exec 3<>/dev/tcp/127.0.0.1/9187; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3";
  // It keeps its answers for half a minute.
  const metrics = await until("the drill's metrics", 180, async () => {
    const text = await inNamespace("exec", "naytife-postgres-1", "-c", "postgres", "--", "bash", "-c", script);
    const found = Object.fromEntries(
      [...text.matchAll(/^cnpg_naytife_drill_(\w+) (\S+)$/gm)].map(([, key, value]) => [key, Number(value)]),
    ) as Record<string, number>;
    return found.result === 0 ? found : undefined;
  });
  // The last drill that passed is the first one of them, to which the figures belong, or to a later one that came so far.
  expect(metrics.last_success_timestamp_seconds).toBeCloseTo(passed, 0);
  expect(metrics.last_end_timestamp_seconds).toBeGreaterThan(passed);
  expect(metrics.rto_seconds).toBeGreaterThan(1);
  expect(metrics.rpo_seconds).toBeGreaterThan(0);
  expect(metrics.largest_database_bytes).toBeGreaterThan(1e6);
});
