/**
 * `npm run recover` on the real operator, plugin and an S3 store that outlives the namespace. First everything happens that a night can bring, on one history:
 * a failover, a bulk load, and in the middle of it DROP TABLE. Then it is recovered from, as docs/recovery.md says. Each test goes on where the one before it ended.
 */
import type { Stack } from "@pulumi/pulumi/automation";
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { backupSpec, type BackupTarget } from "../../components/backups";
import { names } from "../../components/names";
import { openStack, type OpenStackOptions } from "../../local/engine/stack";
import { down, up, type EmbeddedCluster } from "../../local/kubernetes/cluster";
import { run } from "../../local/run";
import { localStackConfig } from "../../local/stack-config";
import { tool } from "../../local/toolchain/toolchain";
import { listingPod, type ObjectStore } from "../../recovery/bucket";
import type { RecoveryReport } from "../../recovery/report";
import { clusterName } from "../e2e/cluster";
import { processesOf } from "../e2e/container-processes";
import { kubectl, psqlInPod, until } from "../e2e/kubectl";
import { type Outcome, runProgram } from "../e2e/migration-fixture";
import { updateApart } from "../e2e/update";

const name = clusterName("recovery");
const namespace = "naytife";
const former = "naytife-postgres";
/** Where the bucket is: it stays when the namespace is lost. */
const elsewhere = "elsewhere";
const clusters = "cluster.postgresql.cnpg.io";
const minutes = 60_000;

let cluster: EmbeddedCluster;
let scratch: string;
let stack: Stack;

/** Of the stack: what production has of it, as far as it fits here. */
const settings: Record<string, string> = {
  migrationEnabled: "false",
  backupStore: "existing",
  backupEndpointUrl: `http://store.${elsewhere}.svc:7070`,
  protect: "true",
  retainOnDelete: "true",
  poolerInstances: "1",
};

const k = (...args: string[]) => kubectl(cluster, ["-n", namespace, ...args]);
const field = async (path: string, ...args: string[]) =>
  (await k("get", ...args, "--ignore-not-found", "-o", `jsonpath=${path}`)).trim();
const primary = (of: string) => field("{.status.currentPrimary}", clusters, of);
const sql = async (of: string, statement: string) =>
  psqlInPod(cluster, { namespace, name: await primary(of), user: "postgres" }, "naytifedb", statement);
/** The server's own clock, with its zone. */
const now = (of: string) =>
  sql(of, `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`);
const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const secretField = async (secret: string, key: string) =>
  Buffer.from(await field(`{.data.${key}}`, "secret", secret), "base64").toString("utf8");
const tell = (what: string, since: number) =>
  process.stderr.write(`${what}: ${((Date.now() - since) / 1000).toFixed(1)} s\n`);

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
  expect(output + errors).not.toContain(await secretField(names.credentialsSecret, "password"));
  process.stderr.write(`${what}: ${JSON.stringify(report.seconds)}, ${report.segments} segments\n`);
  return report;
}

/** Everything that was committed until now. */
async function archived(of: string): Promise<void> {
  const segment = await sql(of, "SELECT pg_walfile_name(pg_current_wal_lsn())");
  await sql(of, "SELECT pg_switch_wal()");
  await until("everything is archived", 180, async () =>
    (await sql(of, "SELECT last_archived_wal FROM pg_stat_archiver")) >= segment ? true : undefined,
  );
}

const completed = (backup: string) =>
  until(`Backup ${backup}`, 240, async () => {
    const phase = await field("{.status.phase}", "backup", backup);
    if (phase === "failed") throw new Error(await field("{.status.error}", "backup", backup));
    return phase === "completed" ? true : undefined;
  });

/** An S3 store as another provider would have it, and in the stack's namespace the Secret with its keys. */
async function bringUpStore(): Promise<void> {
  const labels = { app: "store" };
  const keys = { ACCESS_KEY_ID: "access", ACCESS_SECRET_KEY: "not-a-secret-of-anybody" };
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: names.backupSecret, namespace },
    stringData: keys,
  };
  const metadata = { name: "store", namespace: elsewhere };
  const volumeMounts = [{ name: "store", mountPath: "/store" }];
  const gateway = [
    "/usr/local/bin/versitygw",
    "--port=:7070",
    "--region=us-phoenix-1",
    "--health=/health",
    "--quiet",
    "posix",
  ];
  const deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata,
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          securityContext: { runAsUser: 26, fsGroup: 26 },
          initContainers: [
            {
              name: "bucket",
              image: cluster.postgresImage,
              command: ["mkdir", "-p", "/store/buckets/naytife-postgres-backups", "/store/metadata"],
              volumeMounts,
            },
          ],
          containers: [
            {
              name: "store",
              image: cluster.storeImage,
              command: [...gateway, "--sidecar=/store/metadata", "/store/buckets"],
              env: [
                { name: "ROOT_ACCESS_KEY_ID", value: keys.ACCESS_KEY_ID },
                { name: "ROOT_SECRET_ACCESS_KEY", value: keys.ACCESS_SECRET_KEY },
              ],
              readinessProbe: { httpGet: { path: "/health", port: 7070 }, periodSeconds: 2 },
              volumeMounts,
            },
          ],
          volumes: [{ name: "store", emptyDir: {} }],
        },
      },
    },
  };
  const service = { apiVersion: "v1", kind: "Service", metadata, spec: { selector: labels, ports: [{ port: 7070 }] } };
  const spaces = [elsewhere, namespace].map((one) => ({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: one },
  }));
  const items = [...spaces, secret, deployment, service];
  await kubectl(cluster, ["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
}

const options = async (): Promise<OpenStackOptions> => ({
  stack: "local",
  stateDirectory: scratch,
  backend: pathToFileURL(join(scratch, "backend")).href,
  config: { ...(await localStackConfig(cluster)), ...settings },
});
const bringUp = (refresh: boolean) =>
  stack.up({ onOutput: () => undefined, onError: () => undefined, color: "never", refresh });

/** `pulumi …`, as a message says it. */
async function pulumi(command: string): Promise<void> {
  const [, ...args] = command.split(" ").map((word) => word.replace(/^'(.*)'$/, "$1"));
  const { workDir: cwd, envVars } = stack.workspace;
  await run(await tool("pulumi"), args, { cwd, env: { ...process.env, ...envVars } });
}

jest.setTimeout(10 * minutes);

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "naytife-recovery-"));
  await down({ name }); // What an interrupted run left.
  let since = Date.now();
  cluster = await up({ name });
  tell("the cluster", since);
  await bringUpStore();
  since = Date.now();
  stack = await openStack(await options());
  await bringUp(false);
  tell("pulumi up", since);
}, 15 * minutes);

afterAll(async () => {
  rmSync(scratch, { recursive: true, force: true });
  await down({ name });
}, 3 * minutes);

const size = (instances: number) =>
  k("patch", clusters, former, "--type=merge", "-p", JSON.stringify({ spec: { instances } }));

const takeBackup = (named: string, target: BackupTarget) => {
  const object = {
    apiVersion: "postgresql.cnpg.io/v1",
    kind: "Backup",
    metadata: { name: named },
    spec: backupSpec(former, target),
  };
  return kubectl(cluster, ["-n", namespace, "create", "-f", "-"], JSON.stringify(object));
};

/** Whether a process has a file open in which barman gathers what it uploads, as from the backup's beginning in PostgreSQL on. */
function gathers(id: number): boolean {
  try {
    const open = `/proc/${id}/fd`;
    return readdirSync(open).some((one) => readlinkSync(join(open, one)).includes("/barman-upload-"));
  } catch {
    return false; // It has ended meanwhile, or closed the file.
  }
}

/** Stops a base backup of an instance as soon as it copies files. Returns how it goes on. */
async function heldBackup(instance: string): Promise<() => void> {
  const uid = await field("{.metadata.uid}", "pod", instance);
  const deadline = Date.now() + 180_000;
  for (;;) {
    const taking = processesOf(uid).filter(({ command }) =>
      command.some((word) => word.endsWith("/barman-cloud-backup")),
    );
    if (taking.some(({ id }) => gathers(id))) {
      for (const { id } of taking) process.kill(id, "SIGSTOP");
      return () => {
        for (const { id } of taking) process.kill(id, "SIGCONT");
      };
    }
    if (Date.now() > deadline) throw new Error(`no base backup is taken on ${instance}`);
    await pause(0.005);
  }
}

/** Fails over to the second instance while a base backup is taken on one of the two. Returns what became of that. */
async function failOverDuring(named: string, target: BackupTarget): Promise<{ phase: string; error: string }> {
  // By the operator's count: the stream of a copy that is being made looks like a replica's.
  await until("two instances", 240, async () =>
    (await field("{.status.readyInstances}", clusters, former)) === "2" ? true : undefined,
  );
  const before = await primary(former);
  const standby = await field(
    "{.items[0].metadata.name}",
    "pod",
    "-l",
    `cnpg.io/cluster=${former},cnpg.io/instanceRole=replica`,
  );
  const taking = target === "primary" ? before : standby;
  await takeBackup(named, target);
  const goOn = await heldBackup(taking);
  await k("delete", "pod", before, "--grace-period=0", "--force");
  await until("another primary", 240, async () =>
    (await sql(former, "SELECT NOT pg_is_in_recovery()").catch(() => "f")) === "t" &&
    (await primary(former)) === standby
      ? true
      : undefined,
  );
  // On the former primary it is gone with its pod.
  if (taking === standby) goOn();
  const path = "{.status.phase}|{.status.error}|{.status.instanceID.podName}";
  const [phase = "", error = "", pod = ""] = await until(`Backup ${named}`, 300, async () => {
    const status = (await field(path, "backup", named)).split("|");
    return ["completed", "failed"].includes(status[0] ?? "") ? status : undefined;
  });
  process.stderr.write(
    `a base backup of ${taking} while ${standby} becomes the primary: ${phase} on ${pod} ${error}\n`,
  );
  return { phase, error };
}

const condition = (type: string) => field(`{.status.conditions[?(@.type=="${type}")].status}`, clusters, former);

let backup: string;
/** A second before DROP TABLE, in the middle of the bulk load. */
let before: string;
const batch = 500;

test("what happens: a base backup, two failovers during others, a bulk load, and in the middle of it DROP TABLE", async () => {
  const since = Date.now();
  await size(2);
  backup = await until("the first base backup", 180, async () => {
    const listed = await field("{.items[0].metadata.name}", "backup");
    return listed === "" ? undefined : listed;
  });
  await completed(backup);
  // The operator gives it up, or begins it again on the next primary where it sees first that the instance is gone: never does it wait for what is dead.
  await failOverDuring("of-the-primary", "primary");
  // What a standby copies while it becomes the primary is no backup: the promotion ends barman's session.
  expect(await failOverDuring("of-the-standby", "prefer-standby")).toMatchObject({ phase: "failed" });
  await size(1);
  tell("base backup, second instance, two failovers during base backups", since);
  expect(await sql(former, "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)")).toBe("00000003");
  await sql(
    former,
    `CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders SELECT generate_series(1, 1000);
     CREATE TABLE load (batch int, id int, at timestamptz DEFAULT clock_timestamp());
     CREATE TABLE written (id int PRIMARY KEY); GRANT SELECT, INSERT ON written TO naytife`,
  );
  const loading = sql(
    former,
    `DO $$ BEGIN FOR batch IN 1..60 LOOP
       INSERT INTO load SELECT batch, generate_series(1, ${batch}); COMMIT; PERFORM pg_sleep(0.1);
     END LOOP; END $$`,
  );
  await pause(3);
  before = await now(former);
  await pause(1);
  await sql(former, "DROP TABLE orders");
  await loading;
  expect(await sql(former, "SELECT count(DISTINCT batch) FROM load")).toBe("60");
});

test("after the failovers the next base backup is whole, WAL goes on to be archived, and none of it is missing", async () => {
  await takeBackup("afterwards", "primary");
  await completed("afterwards");
  // A commit after it, which a window ends with.
  await sql(former, "SELECT NULL FROM pg_logical_emit_message(true, 'test', 'afterwards')");
  await archived(former);
  await until("archiving", 180, async () =>
    (await condition("ContinuousArchiving")) === "True" && (await condition("LastBackupSucceeded")) === "True"
      ? true
      : undefined,
  );
  const { code, output } = await recover("window", "--json");
  expect(code).toBe(0);
  const [archive] = JSON.parse(output) as {
    windows: object[];
    timeline: number;
    baseBackups: { missing: unknown }[];
  }[];
  // One window over both failovers: from the first base backup on there is no gap.
  expect(archive).toMatchObject({ timeline: 3, windows: [{}] });
  expect(archive!.baseBackups.length).toBeGreaterThan(1);
  expect(archive!.baseBackups.filter(({ missing }) => missing !== null)).toEqual([]);
});

test("all of it is recovered to a second before DROP TABLE, over a failover, and from the base backup alone; what cannot be is refused at once", async () => {
  const pods = await field(
    "{.items[*].metadata.uid}",
    "pod",
    "-l",
    `cnpg.io/cluster=${former},cnpg.io/podRole=instance`,
  );
  const [late, zone, report, whole] = await Promise.all([
    recover("--at", "2099-01-01T00:00:00Z", "--as", former),
    recover("--at", before.replace("T", " ").replace("Z", "")),
    recovered("to a second before DROP TABLE", "--at", before),
    // As after the loss of the Cluster: what the new one is like says the stack's configuration alone.
    recovered(
      "the base backup alone",
      "--backup",
      backup,
      "--as",
      "whole",
      "--from",
      former,
      "--config",
      "clusterName=lost",
    ),
  ]);
  expect(late.code).toBe(1);
  expect(late.errors).toContain(`there is a Cluster ${former} already`);
  expect(late.errors).toContain("is not before the last commit that was archived");
  expect(late.errors).toContain("Nothing was changed.");
  // Both ends can be taken as they are printed.
  const [, first = "", last = ""] = /It can be recovered: (20\S+Z) to (20\S+Z)/.exec(late.errors) ?? [];
  const loaded = await sql(former, "SELECT extract(epoch FROM max(at)) FROM load");
  expect(Date.parse(last) / 1000).toBeGreaterThanOrEqual(Math.floor(Number(loaded)));
  expect(Date.parse(last)).toBeLessThan(Date.now());
  expect(Date.parse(first)).toBeLessThan(Date.parse(before));
  expect(zone.code).toBe(1);
  expect(zone.errors).toContain(`has no time zone: it could be ${before}`);

  expect(report.cluster).toBe("naytife-postgres-r1");
  expect(report.contents.timeline).toBe(4);
  expect(report.contents.tables).toContainEqual({ table: "public.orders", rows: 1000 });
  // Of the load exactly what was committed by then: the same rows as the former one has of those batches, and each batch whole.
  const [batches = 0, rows] = (await sql(report.cluster, "SELECT max(batch), count(*) FROM load"))
    .split("|")
    .map(Number);
  expect(rows).toBe(batches * batch);
  expect(batches).toBeGreaterThan(1);
  expect(batches).toBeLessThan(60);
  const hash = `SELECT md5(string_agg(load::text, ',' ORDER BY batch, id)) FROM load WHERE batch <= ${batches}`;
  expect(await sql(report.cluster, hash)).toBe(await sql(former, hash));
  expect(await sql(former, `SELECT max(at) <= '${before}' FROM load WHERE batch = ${batches}`)).toBe("t");
  expect(await sql(former, `SELECT min(at) > '${before}' FROM load WHERE batch = ${batches + 2}`)).toBe("t");

  expect(whole.contents.tables.map(({ table }) => table)).not.toContain("public.load");
  // The former one is as it was.
  expect(await sql(former, "SELECT to_regclass('orders') IS NULL")).toBe("t");
  expect(
    await field("{.items[*].metadata.uid}", "pod", "-l", `cnpg.io/cluster=${former},cnpg.io/podRole=instance`),
  ).toBe(pods);
});

test("the dropped table alone is fetched into the database that is in use", async () => {
  const dump = await k("exec", "naytife-postgres-r1-1", "-c", "postgres", "--", "pg_dump", "-t", "orders", "naytifedb");
  const restore = ["psql", "-v", "ON_ERROR_STOP=1", "-1", "naytifedb"];
  const exec = ["-n", namespace, "exec", "-i", await primary(former), "-c", "postgres", "--"];
  await kubectl(cluster, [...exec, ...restore], dump);
  expect(await sql(former, "SELECT count(*) FROM orders")).toBe("1000");
});

test("promote turns applications that write, and no write that was confirmed is lost or in two places", async () => {
  const since = Date.now();
  const thrownAway = recover("discard", "--as", "whole", "--yes");
  const asked = recover("promote", "--as", "naytife-postgres-r1");
  const stop = "/run/enough";
  // The URL comes by standard input: a command stands in the audit log.
  const writer = `read -r url; i=0; while [ ! -e ${stop} ]; do i=$((i + 1))
    PGCONNECT_TIMEOUT=2 psql -XAtq "$url" -c "INSERT INTO written VALUES ($i)" 2> /dev/null && echo "$i"; sleep 0.2; done`;
  const exec = ["-n", namespace, "exec", "-i", "naytife-postgres-r1-1", "-c", "postgres", "--", "bash", "-c"];
  const url = await secretField(names.connectionSecret, "DATABASE_URL");
  const writing = kubectl(cluster, [...exec, writer], `${url}\n`);
  const count = (of: string) => sql(of, "SELECT count(*) FROM written").then(Number);
  await until("writes", 180, async () => ((await count(former)) > 3 ? true : undefined));
  expect(await asked).toMatchObject({ code: 2 });
  const began = Date.now();
  const { code, errors } = await recover("promote", "--as", "naytife-postgres-r1", "--yes");
  tell("promote", began);
  expect(errors).toContain("pulumi config set clusterName naytife-postgres-r1 --stack local");
  expect(code).toBe(0);
  await until("writes", 180, async () => ((await count("naytife-postgres-r1")) > 3 ? true : undefined));
  await k("exec", "naytife-postgres-r1-1", "-c", "postgres", "--", "touch", stop);
  const confirmed = (await writing).trim().split("\n").map(Number);
  const ids = async (of: string) => (await sql(of, "SELECT id FROM written")).split("\n").map(Number);
  const [old, new_] = [await ids(former), await ids("naytife-postgres-r1")];
  expect(confirmed.filter((id) => !old.includes(id) && !new_.includes(id))).toEqual([]);
  expect(new_.filter((id) => old.includes(id))).toEqual([]);
  expect(Math.min(...new_)).toBeGreaterThan(Math.max(...old));
  process.stderr.write(`promote: ${confirmed.length} of ${Math.max(...new_)} writes confirmed\n`);

  expect(await secretField(names.connectionSecret, "DATABASE_URL")).toBe(url);
  const direct = await secretField(names.connectionSecret, "DATABASE_URL_DIRECT");
  expect(new URL(direct).hostname).toBe(`naytife-postgres-r1-rw.${namespace}.svc`);
  const psql = `read -r url; psql -XAtq "$url" -c "INSERT INTO written VALUES (0)"`;
  await kubectl(cluster, [...exec, psql], `${direct}\n`);
  await expect(sql(former, "CREATE TABLE late ()")).rejects.toThrow(/read-only/);
  const refused = await recover("discard", "--as", "naytife-postgres-r1", "--yes");
  expect(refused).toMatchObject({ code: 1, errors: expect.stringContaining("leads to it") as string });
  expect(await thrownAway).toMatchObject({ code: 0 });
  tell("promote with a writer, and what was thrown away", since);
});

/** Runs in the sidecar's image, which knows S3; `segments` are the keys of the archive's WAL segments, in their order. */
const damaging = `
import os, boto3
from urllib.parse import urlsplit
place = urlsplit(os.environ["DESTINATION"])
client = boto3.client("s3", endpoint_url=os.environ["ENDPOINT_URL"])
def keys(folder):
    prefix = place.path.strip("/") + "/${former}/" + folder + "/"
    return sorted(one["Key"] for one in client.list_objects_v2(Bucket=place.netloc, Prefix=prefix)["Contents"])
def cut_off(key):
    body = client.get_object(Bucket=place.netloc, Key=key)["Body"].read()
    client.put_object(Bucket=place.netloc, Key=key, Body=body[: len(body) // 2])
segments = [key for key in keys("wals") if len(key.rsplit("/", 1)[1].split(".")[0]) == 24 and ".partial" not in key and ".backup" not in key]
`;
const cutLastSegment = `${damaging}
cut_off(segments[-1])
print(segments[-1].rsplit("/", 1)[1][:24])
`;
const removeLastButOneAndCutBackup = `${damaging}
client.delete_object(Bucket=place.netloc, Key=segments[-2])
cut_off(next(key for key in keys("base") if "/data.tar" in key))
print(segments[-2].rsplit("/", 1)[1][:24])
`;

/** @returns the segment that it names */
async function damage(name: string, script: string): Promise<string> {
  const store = JSON.parse(
    await k("get", "objectstore.barmancloud.cnpg.io", names.objectStore, "-o", "json"),
  ) as ObjectStore;
  const { metadata, spec } = listingPod(name, store, { image: cluster.backupSidecarImage, seconds: 120 }, script);
  const pod = { apiVersion: "v1", kind: "Pod", metadata, spec };
  await kubectl(cluster, ["-n", namespace, "apply", "-f", "-"], JSON.stringify(pod));
  await k("wait", "--for=jsonpath={.status.phase}=Succeeded", `pod/${name}`, "--timeout=300s");
  const segment = (await k("logs", name)).trim();
  expect(segment).toMatch(/^[0-9A-F]{24}$/);
  return segment;
}

/** A WAL segment that is missing or, among the last, damaged (it is the last but one then: a living server's last segment is ended first) is named before anything is made, and a damaged base backup by its recovery. */
async function damageIsNamed(): Promise<void> {
  const since = Date.now();
  const last = await damage("damage-last", cutLastSegment);
  const cut = await recover("--latest", "--from", former, "--as", "cut-off");
  expect(cut.code).toBe(1);
  expect(cut.errors).toMatch(new RegExp(`WAL segment ${last} cannot be read \\(.+\\)`));
  expect(cut.errors).toMatch(/It can be recovered: 20\S+Z to 20\S+Z/);
  expect(await field("{.metadata.name}", clusters, "cut-off")).toBe("");
  const segment = await damage("damage", removeLastButOneAndCutBackup);
  const [gap, damaged] = await Promise.all([
    recover("--latest", "--from", former, "--as", "with-a-gap"),
    recover("--backup", backup, "--from", former, "--as", "damaged"),
  ]);
  expect(gap.code).toBe(1);
  expect(gap.errors).toContain(`WAL segment ${segment} is missing`);
  expect(gap.errors).toMatch(/It can be recovered: 20\S+Z to 20\S+Z/);
  expect(await field("{.metadata.name}", clusters, "with-a-gap")).toBe("");
  expect(damaged.code).toBe(1);
  expect(damaged.errors).toMatch(/base backup \d{8}T\d{6} \(.*\) is damaged or not whole: .*unexpected end of data/);
  expect(damaged.errors).toContain("discard --as damaged");
  tell("a missing segment, a damaged one, and a damaged base backup", since);
}

test("until the stack's configuration agrees no update begins, and then it takes the Cluster over; meanwhile damage in the archive is named", async () => {
  const inUse = () =>
    Promise.all([
      field("{.spec.cluster.name}", "pooler.postgresql.cnpg.io", names.pooler),
      field("{.data.DATABASE_URL_DIRECT}", "secret", names.connectionSecret),
    ]);
  const turned = await inUse();
  let since = Date.now();
  const { code, output: message } = await updateApart({ ...(await options()), refresh: true });
  tell("pulumi up, refused", since);
  expect(code).toBe(1);
  expect(message).toContain("Cluster naytife-postgres-r1 is the application's database since 20");
  expect(await inUse()).toEqual(turned);
  const pod = await field("{.metadata.uid}", "pod", "naytife-postgres-r1-1");
  // Pulumi says it as it comes, and again at the end.
  const said = message.split("\n").flatMap((line) => /^\s*(pulumi (?!up).*?)\s*$/.exec(line)?.[1] ?? []);
  const commands = [...new Set(said)];
  expect(commands.map((command) => command.split(" ").slice(1, 4).join(" "))).toEqual([
    "config set clusterName",
    "config set recoverFrom",
    expect.stringMatching(/^state unprotect/),
  ]);
  for (const command of commands) await pulumi(command);
  since = Date.now();
  await Promise.all([bringUp(true), damageIsNamed()]);
  tell("pulumi up, takes it over", since);
  expect(await inUse()).toEqual(turned);
  expect(await field("{.metadata.uid}", "pod", "naytife-postgres-r1-1")).toBe(pod);
  expect(await field("{.metadata.name}", clusters, former)).toBe(former); // retainOnDelete
  Object.assign(settings, { clusterName: "naytife-postgres-r1", recoverFrom: former });
});

/** What the recovered Cluster had when it was lost. */
let lost: { readonly load: string; readonly written: string };
const written = "SELECT count(*), sum(id) FROM written";

test("a Cluster that is lost is not begun anew with what is older than its own archive: the update is refused before anything changes", async () => {
  const r1 = "naytife-postgres-r1";
  await completed(`${r1}-first`);
  await archived(r1);
  lost = { load: await sql(r1, "SELECT count(*) FROM load"), written: await sql(r1, written) };
  await k("delete", clusters, r1, "--timeout=300s");
  const { code, output } = await updateApart({ ...(await options()), refresh: true });
  expect(code).toBe(1);
  expect(output).toContain(`holds an archive ${r1} already, of a Cluster ${r1} that is not there any more`);
  expect(output).toContain(`clusterName naytife-postgres-r2, recoverFrom ${r1}`);
  expect(await field("{.metadata.name}", clusters, r1)).toBe("");
});

test("the loss of the namespace with everything in it: the bucket is enough, and what it does not hold is refused", async () => {
  let since = Date.now();
  await kubectl(cluster, ["delete", "namespace", namespace, "--timeout=300s"]);
  tell("the namespace's end", since);
  await bringUpStore();
  Object.assign(settings, { clusterName: "naytife-postgres-r2", recoverFrom: "naytife-postgres-r1" });
  since = Date.now();
  const late = { ...settings, recoverAt: "2099-01-01T00:00:00Z" };
  const refused = await updateApart({
    ...(await options()),
    config: { ...(await options()).config, ...late },
    refresh: true,
  });
  tell("pulumi up, refused", since);
  expect(refused.code).toBe(1);
  expect(refused.output).toContain(
    "recoverAt: 2099-01-01T00:00:00.000000Z is not before the last commit that was archived",
  );
  expect(refused.output).toContain("Untouched: The Cluster was not made");
  expect(await field("{.metadata.name}", clusters, "naytife-postgres-r2")).toBe("");

  since = Date.now();
  stack = await openStack(await options());
  const { outputs } = await bringUp(true);
  tell("pulumi up, out of the bucket", since);
  expect(await sql("naytife-postgres-r2", "SELECT count(*) FROM load")).toBe(lost.load);
  expect(await sql("naytife-postgres-r2", "SELECT count(*) FROM orders")).toBe("1000");
  expect(await sql("naytife-postgres-r2", written)).toBe(lost.written);
  // The application comes in by both ways.
  for (const output of ["DATABASE_URL", "DATABASE_URL_DIRECT"]) {
    const psql = `read -r url; psql -XAtq "$url" -c "INSERT INTO written SELECT max(id) + 1 FROM written RETURNING 1"`;
    const exec = ["-n", namespace, "exec", "-i", "naytife-postgres-r2-1", "-c", "postgres", "--", "bash", "-c", psql];
    await kubectl(cluster, exec, `${String(outputs[output]?.value)}\n`);
  }
});
