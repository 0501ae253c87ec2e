/**
 * `npm run recover` on the real operator, plugin and S3 store: back to a second before a table was dropped, over a failover, from one base backup, after the
 * loss of the whole Cluster; what cannot be is refused before anything is made. Each test goes on where the one before it ended.
 */
import type { Stack } from "@pulumi/pulumi/automation";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { names } from "../../components/names";
import { openStack } from "../../local/engine/stack";
import { down, up, type EmbeddedCluster } from "../../local/kubernetes/cluster";
import { localStackConfig } from "../../local/stack-config";
import { listingPod, type ObjectStore } from "../../recovery/bucket";
import type { RecoveryReport } from "../../recovery/report";
import { clusterName } from "./cluster";
import { kubectl, psqlInPod, until } from "./kubectl";
import { type Outcome, runProgram } from "./migration-fixture";

const name = clusterName("recovery");
const namespace = "naytife";
const former = "naytife-postgres";
const minutes = 60_000;

let cluster: EmbeddedCluster;
let scratch: string;
let stack: Stack;

const k = (...args: string[]) => kubectl(cluster, ["-n", namespace, ...args]);
const field = async (path: string, ...args: string[]) =>
  (await k("get", ...args, "--ignore-not-found", "-o", `jsonpath=${path}`)).trim();
const sql = async (of: string, statement: string, database = "naytifedb") => {
  const pod = await field("{.status.currentPrimary}", "cluster.postgresql.cnpg.io", of);
  return psqlInPod(cluster, { namespace, name: pod, user: "postgres" }, database, statement);
};
/** The server's own clock, with its zone. */
const now = (of: string) =>
  sql(of, `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`);
const pause = (count: number) => new Promise((resolve) => setTimeout(resolve, count * 1000));

const settings = { migrationEnabled: "false", backupStore: "local" };

/** The command, as an engineer runs it. */
function recover(...args: string[]): Promise<Outcome> {
  const config = Object.entries(settings).flatMap(([key, value]) => ["--config", `${key}=${value}`]);
  return runProgram(["recovery/main.ts", ...args, "--name", name, ...config], {});
}

/** Recovers, and says how long it took. */
async function recovered(what: string, ...args: string[]): Promise<RecoveryReport> {
  const { code, output, errors } = await recover(...args, "--json");
  if (code !== 0) throw new Error(`${what}: ended with ${code ?? "a signal"}\n${errors}\n${output}`);
  const report = JSON.parse(output) as RecoveryReport;
  expect(report.checks.filter(({ passed }) => !passed)).toEqual([]);
  expect(output + errors).not.toContain(await password());
  process.stderr.write(`${what}: ${JSON.stringify(report.seconds)}, ${report.segments} segments\n`);
  return report;
}

const password = async () =>
  Buffer.from(await field("{.data.password}", "secret", names.credentialsSecret), "base64").toString("utf8");

const completed = (backup: string) =>
  until(`Backup ${backup}`, 120, async () => {
    const phase = await field("{.status.phase}", "backup", backup);
    if (phase === "failed") throw new Error(await field("{.status.error}", "backup", backup));
    return phase === "completed" ? true : undefined;
  });

async function throwAway(as: string): Promise<void> {
  expect(await recover("discard", "--as", as, "--yes")).toMatchObject({ code: 0 });
}

jest.setTimeout(4 * minutes);

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "naytife-recovery-"));
  await down({ name }); // What an interrupted run left.
  cluster = await up({ name });
  stack = await openStack({
    stack: "local",
    stateDirectory: scratch,
    backend: pathToFileURL(join(scratch, "backend")).href,
    config: { ...(await localStackConfig(cluster)), ...settings, poolerInstances: "1" },
  });
  await stack.up({ onOutput: () => undefined, color: "never" });
  const first = await until("the first base backup", 60, async () => {
    const listed = await field("{.items[0].metadata.name}", "backup");
    return listed === "" ? undefined : listed;
  });
  await completed(first);
}, 10 * minutes);

afterAll(async () => {
  rmSync(scratch, { recursive: true, force: true });
  await down({ name });
}, 2 * minutes);

test("a table that was dropped is back as it was a second before, and the former Cluster is as it was", async () => {
  await sql(former, "CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders SELECT generate_series(1, 1000)");
  await pause(2);
  const before = await now(former);
  await pause(1);
  await sql(former, "DROP TABLE orders");
  const pods = await field("{.items[*].metadata.uid}", "pod", "-l", `cnpg.io/cluster=${former}`);
  const report = await recovered("PITR to one second before DROP TABLE", "--at", before);
  expect(report.cluster).toBe("naytife-postgres-r1");
  expect(report.contents.tables).toContainEqual({ table: "public.orders", rows: 1000 });
  expect(await sql(former, "SELECT to_regclass('orders') IS NULL")).toBe("t");
  expect(await field("{.items[*].metadata.uid}", "pod", "-l", `cnpg.io/cluster=${former}`)).toBe(pods);
  // It archives for itself, and takes writes with the application's password.
  expect(await field("{.spec.plugins[0].parameters.serverName}", "cluster.postgresql.cnpg.io", report.cluster)).toBe(
    report.cluster,
  );
  await sql(report.cluster, "INSERT INTO orders VALUES (1001)");
});

test("what cannot be is refused at once, all of it together, and nothing is made", async () => {
  const late = await recover("--at", "2099-01-01T00:00:00Z", "--as", "naytife-postgres-r1");
  expect(late.code).toBe(1);
  expect(late.errors).toContain("there is a Cluster naytife-postgres-r1 already");
  expect(late.errors).toMatch(
    /is later than the last WAL that was archived\. It can be recovered: 20\d\d-\S+Z to 20\d\d-\S+Z/,
  );
  expect(late.errors).toContain("Nothing was changed.");
  const zone = await recover("--at", "2026-11-21 22:00:00");
  expect(zone.code).toBe(1);
  expect(zone.errors).toContain("has no time zone: it could be 2026-11-21T22:00:00.000000Z");
  expect(await field("{.items[*].metadata.name}", "cluster.postgresql.cnpg.io")).toBe(`${former} naytife-postgres-r1`);
  await throwAway("naytife-postgres-r1");
});

test("goes on over a failover: the row that was written after it is there", async () => {
  const patch = (instances: number) =>
    k("patch", "cluster.postgresql.cnpg.io", former, "--type=merge", "-p", JSON.stringify({ spec: { instances } }));
  await patch(2);
  await until("a replica that streams", 120, async () =>
    (await sql(former, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'")) === "1"
      ? true
      : undefined,
  );
  const primary = await field("{.status.currentPrimary}", "cluster.postgresql.cnpg.io", former);
  await k("delete", "pod", primary, "--grace-period=0", "--force");
  await until("another primary", 120, async () => {
    const [phase, current] = (
      await field("{.status.phase}|{.status.currentPrimary}", "cluster.postgresql.cnpg.io", former)
    ).split("|");
    return phase === "Cluster in healthy state" && current !== primary ? true : undefined;
  });
  expect(await sql(former, "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)")).toBe("00000002");
  await sql(
    former,
    "CREATE TABLE marker (at timestamptz DEFAULT clock_timestamp()); INSERT INTO marker DEFAULT VALUES",
  );
  await patch(1);
  const report = await recovered("latest, over a failover", "--latest", "--as", "over-failover");
  expect(report.contents.tables).toContainEqual({ table: "public.marker", rows: 1 });
  expect(report.contents.timeline).toBe(3);
});

test("promote turns the URL, and what the former Cluster gets is refused", async () => {
  expect(await recover("promote", "--as", "over-failover")).toMatchObject({ code: 2 });
  const { code, errors } = await recover("promote", "--as", "over-failover", "--yes");
  expect(errors).toContain("pulumi config set clusterName over-failover");
  expect(code).toBe(0);
  const data = async (key: string) =>
    Buffer.from(await field(`{.data.${key}}`, "secret", names.connectionSecret), "base64").toString("utf8");
  expect(new URL(await data("DATABASE_URL_DIRECT")).hostname).toBe(`over-failover-rw.${namespace}.svc`);
  expect(new URL(await data("DATABASE_URL")).hostname).toBe(`${names.pooler}.${namespace}.svc`);
  expect(await field("{.spec.cluster.name}", "pooler.postgresql.cnpg.io", names.pooler)).toBe("over-failover");
  // Both ways in, as an application takes them, from a pod that has psql.
  const pod = await field("{.status.currentPrimary}", "cluster.postgresql.cnpg.io", "over-failover");
  for (const key of ["DATABASE_URL", "DATABASE_URL_DIRECT"]) {
    const psql = `psql -XAtq "$(cat)" -c "SELECT count(*) FROM marker"`;
    const answer = await kubectl(
      cluster,
      ["-n", namespace, "exec", "-i", pod, "-c", "postgres", "--", "bash", "-c", psql],
      await data(key),
    );
    expect(answer.trim()).toBe("1");
  }
  await expect(sql(former, "CREATE TABLE late ()")).rejects.toThrow(/read-only/);
  const refused = await recover("discard", "--as", "over-failover", "--yes");
  expect(refused.errors).toContain("leads to it");
  expect(refused.code).toBe(1);
  await completed("over-failover-first");
});

test("a base backup alone, by its name", async () => {
  const backup = await field(`{.items[?(@.spec.cluster.name=="${former}")].metadata.name}`, "backup");
  const report = await recovered("named base backup", "--backup", backup, "--as", "full");
  expect(report.contents.tables.map(({ table }) => table)).not.toContain("public.marker");
  await throwAway("full");
});

test("the loss of the Cluster with all its volumes: the bucket is enough", async () => {
  await k("delete", "cluster.postgresql.cnpg.io", former);
  await until("the volumes are gone", 60, async () =>
    (await field("{.items[*].metadata.name}", "pvc", "-l", `cnpg.io/cluster=${former}`)) === "" ? true : undefined,
  );
  const report = await recovered("total loss", "--as", "from-nothing");
  expect(report.from).toBe(former);
  expect(report.contents.tables).toContainEqual({ table: "public.marker", rows: 1 });
  await throwAway("from-nothing");
});

/** Removes the last WAL segment but one from the archive, in the sidecar's image, which knows S3. */
const removeSegment = `
import os, boto3
from urllib.parse import urlsplit
place = urlsplit(os.environ["DESTINATION"])
client = boto3.client("s3", endpoint_url=os.environ["ENDPOINT_URL"])
prefix = place.path.strip("/") + "/${former}/wals/"
keys = sorted(one["Key"] for one in client.list_objects_v2(Bucket=place.netloc, Prefix=prefix)["Contents"])
segments = [key for key in keys if len(key.rsplit("/", 1)[1].split(".")[0]) == 24 and ".partial" not in key and ".backup" not in key]
client.delete_object(Bucket=place.netloc, Key=segments[-2])
print(segments[-2].rsplit("/", 1)[1][:24])
`;

test("a WAL segment that is missing is named, with the time up to which can be recovered", async () => {
  const store = JSON.parse(
    await k("get", "objectstore.barmancloud.cnpg.io", names.objectStore, "-o", "json"),
  ) as ObjectStore;
  const seconds = 60;
  const { metadata, spec } = listingPod(
    "remove-segment",
    store,
    { image: cluster.backupSidecarImage, seconds },
    removeSegment,
  );
  const pod = { apiVersion: "v1", kind: "Pod", metadata, spec };
  await kubectl(cluster, ["-n", namespace, "apply", "-f", "-"], JSON.stringify(pod));
  await k("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/remove-segment", "--timeout=60s");
  const segment = (await k("logs", "remove-segment")).trim();
  expect(segment).toMatch(/^[0-9A-F]{24}$/);
  const { code, errors } = await recover("--latest", "--as", "with-a-gap");
  expect(code).toBe(1);
  expect(errors).toContain(`WAL segment ${segment} is missing`);
  expect(errors).toMatch(/It can be recovered: 20/);
  expect(await field("{.metadata.name}", "cluster.postgresql.cnpg.io", "with-a-gap")).toBe("");
});
