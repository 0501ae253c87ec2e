/**
 * Backups on real parts: the plugin and its sidecar, an S3 store in the cluster, and what becomes of them when one of them fails. Each test goes on where
 * the one before it ended.
 */
import type { OutputMap, Stack } from "@pulumi/pulumi/automation";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { causeOf } from "../../backup/causes";
import { openStack } from "../../local/engine/stack";
import { down, up, type EmbeddedCluster } from "../../local/kubernetes/cluster";
import { localStackConfig } from "../../local/stack-config";
import { clusterName } from "./cluster";
import { kubectl, psqlInPod, until } from "./kubectl";

const name = clusterName("backup");
const namespace = "naytife";
const minutes = 60_000;
const clusterResource = "cluster.postgresql.cnpg.io/naytife-postgres";
const endpointUrl = "http://naytife-postgres-store.naytife.svc:7070";

let cluster: EmbeddedCluster;
let scratch: string;
let stack: Stack;
const log: string[] = [];

const inNamespace = (...args: string[]) => kubectl(cluster, ["-n", namespace, ...args]);
const field = async (path: string, ...args: string[]) =>
  (await inNamespace("get", ...args, "-o", `jsonpath=${path}`)).trim();
const primary = () => field("{.status.currentPrimary}", clusterResource);
const sql = async (text: string) =>
  psqlInPod(cluster, { namespace, name: await primary(), user: "postgres" }, "naytifedb", text);
const archiving = async () => field('{.status.conditions[?(@.type=="ContinuousArchiving")].status}', clusterResource);
const sidecarLog = async () => inNamespace("logs", await primary(), "-c", "plugin-barman-cloud", "--tail=50");
const cause = async () =>
  causeOf(await sidecarLog(), {
    destinationPath: "s3://naytife-postgres-backups/local",
    endpointUrl,
    serverName: "naytife-postgres",
    credentialsSecret: "cnpg-backup-secret",
  });

/** Finishes a segment, and says which. */
const finishSegment = async () => {
  const segment = await sql("INSERT INTO load DEFAULT VALUES; SELECT pg_walfile_name(pg_current_wal_lsn())");
  await sql("SELECT pg_switch_wal()");
  return segment;
};
const isArchived = async (segment: string) =>
  (await sql(`SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name = '${segment}.ready'`)) === "0";
const untilArchived = (segment: string, seconds: number) =>
  until(`${segment} archived`, seconds, async () => ((await isArchived(segment)) ? true : undefined));

async function open(config: Record<string, string> = {}): Promise<Stack> {
  return openStack({
    stack: "local",
    stateDirectory: scratch,
    backend: pathToFileURL(join(scratch, "backend")).href,
    // There is no legacy database here.
    config: { ...(await localStackConfig(cluster)), migrationEnabled: "false", ...config },
  });
}
const quietly = {
  onOutput: (text: string) => log.push(text),
  onError: (text: string) => log.push(text),
  color: "never",
} as const;

jest.setTimeout(2 * minutes);

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "naytife-backup-"));
  await down({ name }); // What an interrupted run left.
  cluster = await up({ name });
}, 10 * minutes);

afterAll(async () => {
  rmSync(scratch, { recursive: true, force: true });
  await down({ name });
}, 2 * minutes);

let outputs: OutputMap;

test(
  "the stack comes up with backups, and says that WAL has arrived",
  async () => {
    stack = await open();
    const began = Date.now();
    ({ outputs } = await stack.up(quietly));
    process.stderr.write(`up with backups: ${((Date.now() - began) / 1000).toFixed(1)} s\n`);
    expect(outputs.backupDestination?.value).toBe("s3://naytife-postgres-backups/local");
    expect(log.join("")).toMatch(/\[backups\] WAL segment [0-9A-F]{24} lies in s3:\/\/naytife-postgres-backups\/local/);
    expect(await archiving()).toBe("True");
  },
  10 * minutes,
);

test("a first base backup is completed, and the ObjectStore knows when", async () => {
  const began = Date.now();
  const path = "{range .items[*]}{.metadata.name} {.status.phase} {.status.error}{end}";
  const backup = await until("the first backup", 100, async () => {
    const found = await field(path, "backups.postgresql.cnpg.io");
    if (found.includes(" failed")) throw new Error(found);
    return found.includes(" completed") ? found : undefined;
  });
  process.stderr.write(`first base backup: ${((Date.now() - began) / 1000).toFixed(1)} s after up\n`);
  expect(backup).toMatch(/^naytife-postgres-daily-\d{14} completed/);
  const window = "{.status.serverRecoveryWindow.naytife-postgres.lastSuccessfulBackupTime}";
  const last = await field(window, "objectstores.barmancloud.cnpg.io", "naytife-postgres-backups");
  expect(Date.now() - Date.parse(last)).toBeLessThan(5 * minutes);
});

test("the schedule is the plan's, by the operator's own reckoning", async () => {
  const next = await until("the next schedule", 30, async () => {
    const time = await field("{.status.nextScheduleTime}", "scheduledbackup", "naytife-postgres-daily");
    return time === "" ? undefined : new Date(time);
  });
  expect(next.toISOString()).toMatch(/T02:00:00/);
  expect(next.getTime() - Date.now()).toBeLessThanOrEqual(24 * 60 * minutes);
  const owner = await field("{.items[0].metadata.ownerReferences}", "backups.postgresql.cnpg.io");
  expect(owner).toBe("");
});

test("nothing changes when it is brought up again", async () => {
  const { summary } = await stack.up(quietly);
  const changes = Object.entries(summary.resourceChanges ?? {}).filter(([operation]) => operation !== "same");
  expect(changes).toEqual([]);
});

test(
  "under load no commit is older than a minute before it is in the store",
  async () => {
    expect(await sql("SHOW archive_timeout")).toBe("45s");
    await sql(
      "CREATE TABLE load (id bigserial PRIMARY KEY, at timestamptz DEFAULT clock_timestamp(), lsn pg_lsn DEFAULT pg_current_wal_insert_lsn(), text text)",
    );
    const writing = sql(`DO $$ BEGIN
    FOR i IN 1..110 LOOP
      INSERT INTO load (text) SELECT md5(random()::text) FROM generate_series(1, 20);
      COMMIT;
      PERFORM pg_sleep(0.5);
    END LOOP; END $$`);
    // The end of the last segment that is archived; what lies behind it exists in the cluster alone.
    const age = `SELECT coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0) FROM load, pg_stat_archiver
    WHERE lsn >= ('0/0'::pg_lsn + ('x' || substr(last_archived_wal, 9, 8))::bit(32)::bigint * 4294967296
      + (('x' || substr(last_archived_wal, 17, 8))::bit(32)::bigint + 1) * 16777216)`;
    const ages: number[] = [];
    const writer: { ended: boolean } = { ended: false };
    void writing.finally(() => (writer.ended = true));
    while (!writer.ended) {
      ages.push(Number(await sql(age)));
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    await writing;
    process.stderr.write(`oldest commit that was not archived, under load: ${Math.max(...ages).toFixed(1)} s\n`);
    expect(ages.length).toBeGreaterThan(20);
    // A switch came about by itself.
    expect(Math.max(...ages)).toBeGreaterThan(30);
    expect(Math.max(...ages)).toBeLessThan(60);
  },
  3 * minutes,
);

test(
  "while the store is down writes go on, the Cluster says so, and then the backlog drains",
  async () => {
    await inNamespace("scale", "deployment/naytife-postgres-store", "--replicas=0");
    await inNamespace("wait", "--for=delete", "pod", "-l", "app=naytife-postgres-store", "--timeout=60s");
    const began = Date.now();
    const segments = [await finishSegment(), await finishSegment(), await finishSegment()];
    await until("archiving fails", 60, async () => ((await archiving()) === "False" ? true : undefined));
    expect((await cause())?.what).toContain("does not answer");
    while (Date.now() - began < 60_000) {
      expect(await sql("INSERT INTO load (text) VALUES ('while it is down') RETURNING 1")).toBe("1");
      await new Promise((resolve) => setTimeout(resolve, 5000));
    }
    for (const segment of segments) expect(await isArchived(segment)).toBe(false);
    await inNamespace("scale", "deployment/naytife-postgres-store", "--replicas=1");
    await inNamespace("rollout", "status", "deployment/naytife-postgres-store", "--timeout=60s");
    const back = Date.now();
    for (const segment of segments) await untilArchived(segment, 100);
    process.stderr.write(`store back: backlog drained after ${((Date.now() - back) / 1000).toFixed(1)} s\n`);
    await until("archiving works", 30, async () => ((await archiving()) === "True" ? true : undefined));
  },
  5 * minutes,
);

test(
  "with wrong credentials the Cluster says so, and their cause is named; with the right ones it goes on",
  async () => {
    const right = await field("{.data.ACCESS_SECRET_KEY}", "secret", "cnpg-backup-secret");
    const withKey = (key: string) =>
      inNamespace("patch", "secret/cnpg-backup-secret", "-p", JSON.stringify({ data: { ACCESS_SECRET_KEY: key } }));
    await withKey(Buffer.from("wrong").toString("base64"));
    const segment = await finishSegment();
    await until("archiving fails", 60, async () => ((await archiving()) === "False" ? true : undefined));
    expect((await cause())?.what).toMatch(/refuses the credentials of Secret cnpg-backup-secret/);
    await withKey(right);
    await finishSegment(); // Wakes the archiver, which waits for a minute after three failures.
    await untilArchived(segment, 90);
  },
  4 * minutes,
);

test(
  "a sidecar that is killed comes back, and archiving goes on",
  async () => {
    const restarts = async () =>
      Number(
        await field(
          '{.status.initContainerStatuses[?(@.name=="plugin-barman-cloud")].restartCount}',
          "pod",
          await primary(),
        ),
      );
    const before = await restarts();
    await inNamespace("exec", await primary(), "-c", "plugin-barman-cloud", "--", "sh", "-c", "kill 1").catch(() => "");
    const segment = await finishSegment();
    await until("the sidecar's restart", 60, async () => ((await restarts()) > before ? true : undefined));
    await finishSegment();
    await untilArchived(segment, 90);
  },
  4 * minutes,
);

test(
  "a Cluster that is made anew may not write into the archive of the one that was lost",
  async () => {
    await inNamespace("delete", clusterResource, "--wait=true");
    const from = log.length;
    await expect(stack.up({ ...quietly, refresh: true })).rejects.toThrow();
    const said = log.slice(from).join("");
    expect(said).toContain("s3://naytife-postgres-backups/local/naytife-postgres holds the archive of another cluster");
    expect(said).toContain("Next: Set backupServerName to a name that is free there");
    // As it says:
    const renamed = await open({ backupServerName: "naytife-postgres-2" });
    await renamed.up(quietly);
    expect(await archiving()).toBe("True");
  },
  8 * minutes,
);

test("no key of the store, nor of a certificate, stands in the state, in a log, or in a pod's command", async () => {
  const keys: string[] = [];
  for (const [of, secret] of [
    [namespace, "cnpg-backup-secret"],
    ["cnpg-system", "barman-cloud-server-tls"],
    ["cnpg-system", "barman-cloud-client-tls"],
  ] as const) {
    const data = JSON.parse(
      await kubectl(cluster, ["-n", of, "get", "secret", secret, "-o", "jsonpath={.data}"]),
    ) as Record<string, string>;
    for (const [key, value] of Object.entries(data)) {
      if (key === "tls.crt") continue;
      const text = Buffer.from(value, "base64").toString();
      keys.push(value, text.includes("-----") ? text.split("\n")[1]! : text);
    }
  }
  expect(keys).toHaveLength(8);
  const { deployment } = (await stack.exportStack()) as { deployment: unknown };
  const pods = await kubectl(cluster, ["get", "pods", "-A", "-o", "json"]);
  const events = await kubectl(cluster, ["get", "events", "-A", "-o", "json"]);
  const logs = [
    await sidecarLog(),
    await kubectl(cluster, ["-n", "cnpg-system", "logs", "deployment/barman-cloud", "--tail=-1"]),
    await inNamespace("logs", "deployment/naytife-postgres-store", "--tail=-1"),
  ];
  for (const text of [JSON.stringify(deployment), pods, events, log.join(""), ...logs])
    for (const key of keys) expect(text.includes(key)).toBe(false);
});
