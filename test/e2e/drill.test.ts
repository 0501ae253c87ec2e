/**
 * The restore drill on real parts: it passes on good backups, fails on a copy that is not what was recorded, and leaves nothing behind, even when it is killed. Each test goes
 * on where the one before it ended.
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
import { kubectl, psqlInPod, until } from "./kubectl";
import { type Outcome, runProgram } from "./migration-fixture";

const name = clusterName("drill");
const namespace = "naytife";
const minutes = 60_000;
const copy = "naytife-postgres-drill";
/** Of commits, in seconds: a segment is finished after ten. */
const recoveryPoint = { backupRecoveryPoint: "40", backupUploadAllowance: "30" };

let cluster: EmbeddedCluster;
let scratch: string;
let stack: Stack;
const log: string[] = [];

const inNamespace = (...args: string[]) => kubectl(cluster, ["-n", namespace, ...args]);
const sqlIn = (pod: string, database: string, text: string) =>
  psqlInPod(cluster, { namespace, name: pod, user: "postgres" }, database, text);
const sql = (text: string, database = "naytifedb") => sqlIn("naytife-postgres-1", database, text);

/** `npm run drill`, and what it says as it says it. */
function drill(onLine: (line: string) => void = () => undefined): Promise<Outcome> {
  const args = ["--kubeconfig", cluster.kubeconfig, "--context", cluster.context, "--config", `namespace=${namespace}`];
  return runProgram(["drill/main.ts", "--json", ...args], {}, (line) => {
    if (line !== "") process.stderr.write(`${line}\n`);
    onLine(line);
  });
}

/** Everything of the throw-away Cluster that is there. */
const remains = async () => {
  const label = ["-l", `cnpg.io/cluster=${copy}`, "-o", "name"];
  const found = await inNamespace("get", "pods,persistentvolumeclaims,jobs,services,secrets", ...label);
  const itself = await inNamespace("get", "clusters.postgresql.cnpg.io", copy, "--ignore-not-found", "-o", "name");
  return `${found}${itself}`.trim();
};
const gone = () =>
  until("the throw-away Cluster is gone", 60, async () => ((await remains()) === "" ? true : undefined));

jest.setTimeout(4 * minutes);

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
  // Kinds of tables that are not all alike to a backup or to a reader.
  await sql(`
    CREATE TABLE naytife_schema.orders (id bigserial PRIMARY KEY, placed timestamptz DEFAULT now(), note text);
    INSERT INTO naytife_schema.orders (note) SELECT repeat(md5(i::text), 20) FROM generate_series(1, 5000) AS i;
    CREATE TABLE naytife_schema.guarded (id int PRIMARY KEY, secret text);
    INSERT INTO naytife_schema.guarded VALUES (1, 'x');
    ALTER TABLE naytife_schema.guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    ALTER TABLE naytife_schema.guarded OWNER TO naytife;
    CREATE UNLOGGED TABLE naytife_schema.carts AS SELECT 1 AS id;
    CREATE MATERIALIZED VIEW naytife_schema.summary AS SELECT count(*) FROM naytife_schema.orders;`);
  await until("the first base backup", 120, async () =>
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

test("good backups pass, while the database is written", async () => {
  const kubectlProgram = await tool("kubectl");
  const target = ["--kubeconfig", cluster.kubeconfig, "--context", cluster.context, "-n", namespace];
  const psql = ["exec", "-i", "naytife-postgres-1", "--", "psql", "-Xq", "-U", "postgres", "-d", "naytifedb"];
  const writer = spawn(kubectlProgram, [...target, ...psql], { stdio: ["pipe", "ignore", "inherit"] });
  writer.stdin.write(
    "SET application_name = 'writer';\nINSERT INTO naytife_schema.orders (note) VALUES ('new') \\watch 0.05\n",
  );
  let outcome: Outcome;
  try {
    outcome = await drill();
  } finally {
    await sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'writer'");
    writer.kill();
  }
  expect({ ...outcome, output: "" }).toMatchObject({ code: 0 });
  const report = JSON.parse(outcome.output) as DrillReport;
  process.stderr.write(`${outcome.output}\n`);
  expect(report).toMatchObject({
    passed: true,
    reason: null,
    recoveryTime: { promised: 900, held: true },
    recoveryPoint: { promised: 40, held: true, archiveTimeout: 10 },
    compared: { countedOnly: [], unlogged: ["naytife_schema.carts"] },
    amcheck: { damaged: 0 },
  });
  expect(report.compared?.tables).toBe(3);
  expect(report.compared?.rows).toBeGreaterThan(5000);
  expect(report.amcheck?.indexes).toBeGreaterThan(1);
  // What the copy was restored to lies before what was written since.
  expect(report.compared!.rows).toBeLessThan(Number(await sql("SELECT count(*) FROM naytife_schema.orders")));
  // The figures hang together.
  const { restore, recoveryTime } = report;
  const { fetchSeconds, replaySeconds, fixedSeconds, databaseBytes, largestDatabaseBytes } = restore!;
  expect(fetchSeconds! + replaySeconds! + fixedSeconds!).toBeCloseTo(recoveryTime!.seconds!, 2);
  const expected = ((900 - replaySeconds! - fixedSeconds!) * databaseBytes!) / fetchSeconds!;
  expect(largestDatabaseBytes! / expected).toBeCloseTo(1, 3);
  await gone();
});

test("the exporter tells Prometheus", async () => {
  const script = "exec 3<>/dev/tcp/127.0.0.1/9187; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3";
  // It keeps its answers for half a minute.
  const metrics = await until("the drill's metrics", 60, async () => {
    const text = await inNamespace("exec", "naytife-postgres-1", "-c", "postgres", "--", "bash", "-c", script);
    const found = [...text.matchAll(/^cnpg_naytife_drill_(\w+) (\S+)$/gm)].map(([, key, value]) => [
      key,
      Number(value),
    ]);
    return found.length > 0 ? (Object.fromEntries(found) as Record<string, number>) : undefined;
  });
  expect(metrics.result).toBe(1);
  expect(Math.abs(metrics.last_success_timestamp_seconds! - Date.now() / 1000)).toBeLessThan(300);
  expect(metrics.rto_seconds).toBeGreaterThan(1);
  expect(metrics.rpo_seconds).toBeGreaterThan(0);
  expect(metrics.largest_database_bytes).toBeGreaterThan(1e6);
});

test("a copy that is not what was recorded fails, with all that differs in it", async () => {
  const running = drill();
  // As soon as the copy answers on its own socket, which is before it does on its Service.
  const damage = until("the copy takes a change", 200, async () => {
    try {
      await sqlIn(`${copy}-1`, "naytife_drill", "DELETE FROM canary");
      await sqlIn(
        `${copy}-1`,
        "naytifedb",
        "UPDATE naytife_schema.orders SET note = 'another' WHERE id = 7; DROP TABLE naytife_schema.guarded",
      );
      return true;
    } catch {
      return undefined;
    }
  });
  const [outcome] = await Promise.all([running, damage]);
  expect(outcome.code).toBe(1);
  const report = JSON.parse(outcome.output) as DrillReport;
  expect(report.passed).toBe(false);
  expect(report.reason).toContain("the row that was written and archived before is missing");
  expect(report.reason).toMatch(/table naytife_schema\.orders: other contents in its \d+ rows/);
  expect(report.reason).toContain("table naytife_schema.guarded: missing");
  await gone();
});

test("a drill that is killed leaves nothing, and says so", async () => {
  let pod = "";
  const outcome = await drill((line) => {
    if (pod !== "" || !line.includes(`${copy}: `)) return;
    pod = "asked";
    // As a lost node or the kernel would: the script gets no chance to tidy up.
    void inNamespace(
      "delete",
      "pods",
      "-l",
      "naytife.com/drill=run",
      "--field-selector=status.phase=Running",
      "--grace-period=0",
      "--force",
    );
  });
  expect(pod).toBe("asked");
  expect(outcome.code).toBe(1);
  expect(outcome.errors).toMatch(/left no report: it was killed/);
  await gone();
});
