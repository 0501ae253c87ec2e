/**
 * Backups on real parts: the plugin and its sidecar, an S3 store in the cluster, and what becomes of them when one of them fails. Each test goes on where
 * the one before it ended.
 */
import type { EngineEvent, OutputMap, Stack } from "@pulumi/pulumi/automation";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { causeOf } from "../../backup/causes";
import { backupSpec } from "../../components/backups";
import { openStack, type OpenStackOptions } from "../../local/engine/stack";
import { down, up, type EmbeddedCluster } from "../../local/kubernetes/cluster";
import { localStackConfig } from "../../local/stack-config";
import { clusterName } from "./cluster";
import { endOutright, processesOf } from "./container-processes";
import { kubectl, psqlInPod, until } from "./kubectl";
import { updateApart } from "./update";

const name = clusterName("backup");
const namespace = "naytife";
const minutes = 60_000;
const clusterResource = "cluster.postgresql.cnpg.io/naytife-postgres";
const store = "naytife-postgres-store";
const endpointUrl = `http://${store}.naytife.svc:7070`;
/** Seconds. A quarter less than a minute, only to see it sooner: the upload may take as long. */
const recoveryPoint = 45;

let cluster: EmbeddedCluster;
let scratch: string;
let stack: Stack;
const log: string[] = [];

const inNamespace = (...args: string[]) => kubectl(cluster, ["-n", namespace, ...args]);
const field = async (path: string, ...args: string[]) =>
  (await inNamespace("get", ...args, "-o", `jsonpath=${path}`)).trim();
/** The only instance; a Cluster that is made anew counts from 1 again. */
const primary = "naytife-postgres-1";
const sql = (text: string) => psqlInPod(cluster, { namespace, name: primary, user: "postgres" }, "naytifedb", text);
const archiving = async () => field('{.status.conditions[?(@.type=="ContinuousArchiving")].status}', clusterResource);
const sidecarLog = async (lines: number) =>
  inNamespace("logs", primary, "-c", "plugin-barman-cloud", `--tail=${lines}`);
const cause = async () =>
  causeOf(await sidecarLog(200), {
    destinationPath: "s3://naytife-postgres-backups/local",
    endpointUrl,
    serverName: "naytife-postgres",
    credentialsSecret: "cnpg-backup-secret",
  });
const waiting = () => sql("SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'").then(Number);
const metrics = (of: string, pod: string, port: number) =>
  kubectl(cluster, ["get", "--raw", `/api/v1/namespaces/${of}/pods/${pod}:${port}/proxy/metrics`]);

/**
 * Finishes a segment, and says which. It holds more than compresses into a page: of a smaller one a store that is full takes the bytes and then fails at the
 * checksum, and answers with an error that names nothing.
 */
const finishSegment = async () => {
  const segment =
    await sql(`INSERT INTO load (text) SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 4000);
    SELECT pg_walfile_name(pg_current_wal_lsn())`);
  await sql("SELECT pg_switch_wal()");
  return segment;
};
const untilArchived = (segment: string, seconds: number) =>
  until(`${segment} archived`, seconds, async () => {
    const ready = await sql(`SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name = '${segment}.ready'`);
    return ready === "0" ? true : undefined;
  });

const untilWell = () =>
  until("archiving works", 180, async () =>
    (await archiving()) === "True" && (await waiting()) === 0 ? true : undefined,
  );

const backup = (named: string) => {
  const spec = backupSpec("naytife-postgres", "primary");
  const object = { apiVersion: "postgresql.cnpg.io/v1", kind: "Backup", metadata: { name: named }, spec };
  return kubectl(cluster, ["-n", namespace, "create", "-f", "-"], JSON.stringify(object));
};
const backupPhase = (named: string) => field("{.status.phase}", "backups.postgresql.cnpg.io", named);

/**
 * Writes and finishes segments, each of which wakes the archiver, until the Cluster says that it cannot archive and the sidecar says why. The sidecar
 * believes the Secret that it read for ten seconds.
 */
const untilNamed = async (what: RegExp) => {
  const began = Date.now();
  let next = 0;
  await until(String(what), 180, async () => {
    if (Date.now() >= next) {
      await finishSegment();
      next = Date.now() + 4000;
    }
    const named = what.test((await cause())?.what ?? "");
    return named && (await archiving()) === "False" ? true : undefined;
  }).catch(async (error: unknown) => {
    throw new Error(`${String(error)}; the sidecar's last words: ${await sidecarLog(40)}`);
  });
  process.stderr.write(`${what.source}: named after ${((Date.now() - began) / 1000).toFixed(1)} s\n`);
};

const options = async (config: Record<string, string> = {}): Promise<OpenStackOptions> => ({
  stack: "local",
  stateDirectory: scratch,
  backend: pathToFileURL(join(scratch, "backend")).href,
  config: {
    ...(await localStackConfig(cluster)),
    // There is no legacy database here.
    migrationEnabled: "false",
    // Slow enough to be met while one is made.
    backupCompression: "gzip",
    // drill.test.ts has them.
    drill: "false",
    backupRecoveryPoint: String(recoveryPoint),
    // The pooler never leaves.
    smartShutdownTimeout: "0",
    ...config,
  },
});
const open = async (config: Record<string, string> = {}): Promise<Stack> => openStack(await options(config));
const quietly = {
  onOutput: (text: string) => log.push(text),
  onError: (text: string) => log.push(text),
  color: "never",
} as const;

jest.setTimeout(10 * minutes);

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

let lastBackup: number;

test("a first base backup is completed, and the ObjectStore knows when", async () => {
  const began = Date.now();
  const path = "{range .items[*]}{.metadata.name} {.status.phase} {.status.error}{end}";
  const backup = await until("the first backup", 180, async () => {
    const found = await field(path, "backups.postgresql.cnpg.io");
    if (found.includes(" failed")) throw new Error(found);
    return found.includes(" completed") ? found : undefined;
  });
  process.stderr.write(`first base backup: ${((Date.now() - began) / 1000).toFixed(1)} s after up\n`);
  expect(backup).toMatch(/^naytife-postgres-daily-\d{14} completed/);
  const window = "{.status.serverRecoveryWindow.naytife-postgres.lastSuccessfulBackupTime}";
  lastBackup = Date.parse(await field(window, "objectstores.barmancloud.cnpg.io", "naytife-postgres-backups"));
  expect(Date.now() - lastBackup).toBeLessThan(5 * minutes);
});

test("the schedule is the plan's, by the operator's own reckoning", async () => {
  const next = await until("the next schedule", 180, async () => {
    const time = await field("{.status.nextScheduleTime}", "scheduledbackup", "naytife-postgres-daily");
    return time === "" ? undefined : new Date(time);
  });
  expect(next.toISOString()).toMatch(/T02:00:00/);
  expect(next.getTime() - Date.now()).toBeLessThanOrEqual(24 * 60 * minutes);
  const owner = await field("{.items[0].metadata.ownerReferences}", "backups.postgresql.cnpg.io");
  expect(owner).toBe("");
});

test("the plugin serves its metrics, and the instance's say when the last backup was", async () => {
  const plugin = [
    "-n",
    "cnpg-system",
    "get",
    "pods",
    "-l",
    "app=barman-cloud",
    "-o",
    "jsonpath={.items[0].metadata.name}",
  ];
  expect(await metrics("cnpg-system", await kubectl(cluster, plugin), 8080)).toMatch(/^controller_runtime_/m);
  // The sidecar believes the ObjectStore that it read for ten seconds.
  await until("the instance's metric", 180, async () => {
    const text = await metrics(namespace, primary, 9187);
    const last = /^barman_cloud_cloudnative_pg_io_last_available_backup_timestamp(?:\{.*\})? (.+)$/m.exec(text)?.[1];
    return Number(last) * 1000 === lastBackup ? true : undefined;
  });
});

test(
  "under load no commit is older than the recovery point before it is in the store; an update meanwhile changes nothing",
  async () => {
    expect(await sql("SHOW archive_timeout")).toBe("30s");
    await sql("CREATE TABLE load (id bigserial PRIMARY KEY, text text)");
    const changes: string[] = [];
    const onEvent = ({ resourcePreEvent }: EngineEvent) => {
      if (resourcePreEvent === undefined) return;
      const { op, urn } = resourcePreEvent.metadata;
      if (op !== "same") changes.push(`${op} ${urn}`);
    };
    const update = stack.up({ ...quietly, onEvent });
    // The first commit of a segment is the oldest that can be lost with it. By the server's clock alone.
    const [segment, committed] = (
      await sql(`SELECT NULL FROM pg_switch_wal();
        INSERT INTO load DEFAULT VALUES;
        SELECT pg_walfile_name(pg_current_wal_lsn()), clock_timestamp()`)
    )
      .split("\n")
      .pop()!
      .split("|");
    const writing = sql(`DO $$ BEGIN
      FOR i IN 1..50 LOOP
        INSERT INTO load (text) SELECT md5(random()::text) FROM generate_series(1, 20);
        COMMIT;
        PERFORM pg_sleep(0.5);
      END LOOP; END $$`);
    const seconds = await until(`${segment} archived by itself`, 180, async () => {
      const after = await sql(`SELECT extract(epoch FROM last_archived_time - '${committed}') FROM pg_stat_archiver
        WHERE last_archived_wal = '${segment}'`);
      return after === "" ? undefined : Number(after);
    });
    process.stderr.write(`under load a commit was in the store after at most ${seconds.toFixed(1)} s\n`);
    await writing;
    await update;
    expect(changes).toEqual([]);
    expect(seconds).toBeLessThan(recoveryPoint);
  },
  10 * minutes,
);

describe("writes go on, and the Cluster says why nothing is archived,", () => {
  const credentials = (key: string) =>
    inNamespace("patch", "secret/cnpg-backup-secret", "-p", JSON.stringify({ data: { ACCESS_SECRET_KEY: key } }));
  const volume = (source: object) =>
    inNamespace(
      ...["patch", `deployment/${store}`, "-p"],
      JSON.stringify({ spec: { template: { spec: { volumes: [{ name: "store", ...source }] } } } }),
    );
  const scale = (replicas: number) => inNamespace("scale", `deployment/${store}`, `--replicas=${replicas}`);

  test("with wrong credentials", async () => {
    const right = await field("{.data.ACCESS_SECRET_KEY}", "secret", "cnpg-backup-secret");
    await credentials(Buffer.from("wrong").toString("base64"));
    await untilNamed(/refuses the credentials of Secret cnpg-backup-secret/);
    await credentials(right);
  });

  test("without a bucket; one that is made again takes what waits, and can be recovered from after the next base backup", async () => {
    // A bucket is a folder. Nobody may make one: barman before 3.16 would, as the image has it that is assembled here.
    const uid = await field("{.items[0].metadata.uid}", "pod", "-l", `app=${store}`);
    const [gateway] = processesOf(uid).filter(({ first, command }) => first && command[0]?.endsWith("versitygw"));
    const buckets = `/proc/${gateway!.id}/root/store/buckets`;
    const bucket = join(buckets, "naytife-postgres-backups");
    const { mode } = statSync(buckets);
    renameSync(bucket, `${buckets}-lost`);
    chmodSync(buckets, 0o555);
    await untilNamed(/there is no bucket for s3:\/\/naytife-postgres-backups\/local/);
    const segment = await finishSegment();
    expect(await waiting()).toBeGreaterThan(0);

    chmodSync(buckets, mode);
    mkdirSync(bucket);
    chownSync(bucket, 26, 26);
    const began = Date.now();
    await finishSegment();
    await untilArchived(segment, 100);
    await untilWell();
    await backup("into-the-new-bucket");
    await until("a base backup", 180, async () => {
      const phase = await backupPhase("into-the-new-bucket");
      expect(phase).not.toBe("failed");
      return phase === "completed" ? true : undefined;
    });
    // By what lies there: the former base backup does not.
    const window = "{.status.serverRecoveryWindow.naytife-postgres.firstRecoverabilityPoint}";
    const first = await field(window, "objectstores.barmancloud.cnpg.io", "naytife-postgres-backups");
    expect(Date.parse(first)).toBeGreaterThan(began);
  });

  test("while the store is down", async () => {
    await scale(0);
    await inNamespace("wait", "--for=delete", "pod", "-l", `app=${store}`, "--timeout=300s");
    await untilNamed(/does not answer/);
  });

  test("while the store is full", async () => {
    await volume({ persistentVolumeClaim: null, emptyDir: { medium: "Memory", sizeLimit: "4Ki" } });
    await scale(1);
    await inNamespace("rollout", "status", `deployment/${store}`, "--timeout=300s");
    await untilNamed(/is full/);
  });

  test(
    "and when all is well again the backlog drains",
    async () => {
      await volume({ emptyDir: null, persistentVolumeClaim: { claimName: store } });
      await inNamespace("rollout", "status", `deployment/${store}`, "--timeout=300s");
      const back = Date.now();
      const backlog = await waiting();
      expect(backlog).toBeGreaterThan(0);
      const segment = await finishSegment(); // Wakes the archiver, which waits for a minute after three failures.
      await untilArchived(segment, 100);
      await until("the backlog is gone", 180, async () => ((await waiting()) === 0 ? true : undefined));
      const seconds = (Date.now() - back) / 1000;
      process.stderr.write(`store back: ${backlog} segments archived after ${seconds.toFixed(1)} s\n`);
      await untilWell();
    },
    10 * minutes,
  );
});

test(
  "a sidecar that is killed during a base backup comes back; the backup is failed, and archiving goes on",
  async () => {
    const uid = await field("{.metadata.uid}", "pod", primary);
    const count = '{.status.initContainerStatuses[?(@.name=="plugin-barman-cloud")].restartCount}';
    const restarts = async () => Number(await field(count, "pod", primary));
    const before = await restarts();
    await backup("interrupted");
    await until("the backup runs", 180, () =>
      Promise.resolve(
        processesOf(uid).some(({ command }) => command.some((word) => word.endsWith("/barman-cloud-backup"))) ||
          undefined,
      ),
    );
    const sidecar = processesOf(uid).filter(({ first, command }) => first && command[0] === "/manager");
    expect(sidecar).toHaveLength(1);
    expect(endOutright(sidecar)).toBe(true);
    const segment = await finishSegment();
    await until("the backup is failed", 180, async () => {
      const phase = await backupPhase("interrupted");
      expect(phase).not.toBe("completed");
      return phase === "failed" ? true : undefined;
    });
    await until("the sidecar's restart", 180, async () => ((await restarts()) > before ? true : undefined));
    await finishSegment();
    await untilArchived(segment, 90);
  },
  10 * minutes,
);

/** From here on the stack has it. */
const otherLimit = "1500m";

test("another limit of the sidecars is theirs soon after the update, not when the operator next has a reason to look", async () => {
  const sidecar = '{.spec.initContainers[?(@.name=="plugin-barman-cloud")].resources.limits.cpu}';
  expect(await field(sidecar, "pod", primary)).toBe("2");
  stack = await open({ backupSidecarCpuLimit: otherLimit });
  await stack.up(quietly);
  await until("the sidecar's other limit", 60, async () =>
    (await field(sidecar, "pod", primary).catch(() => "")) === otherLimit ? true : undefined,
  );
  await until("the instance is ready again", 120, async () =>
    (await field("{.status.readyInstances}", clusterResource)) === "1" ? true : undefined,
  );
  await untilWell();
});

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
    const renamed = await open({ backupServerName: "naytife-postgres-2", backupSidecarCpuLimit: otherLimit });
    await renamed.up(quietly);
    expect(await archiving()).toBe("True");
  },
  10 * minutes,
);

test(
  "nor later, by another name of its archive: the update is refused before anything changes",
  async () => {
    const before = await field("{.spec}", clusterResource);
    const { code, output } = await updateApart({ ...(await options()), refresh: false });
    expect(code).toBe(1);
    expect(output).toMatch(
      /s3:\/\/naytife-postgres-backups\/local\/naytife-postgres holds an archive already \(\d+ base backups, \d+ WAL segments\), among which Cluster naytife-postgres would write its own/,
    );
    expect(output).toContain("pulumi config set backupServerName naytife-postgres-2 --stack local");
    expect(await field("{.spec}", clusterResource)).toBe(before);
  },
  10 * minutes,
);

test("no key of the store, nor of a certificate, stands in the state, in a log, or in a pod's command", async () => {
  const keys: Record<string, string> = {};
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
      keys[`${secret} ${key}, encoded`] = value;
      keys[`${secret} ${key}`] = text.includes("-----") ? text.split("\n")[1]! : text;
    }
  }
  expect(Object.keys(keys)).toHaveLength(8);
  const texts = {
    // As it lies in the backend: exportStack() decrypts.
    state: readFileSync(join(scratch, "backend/.pulumi/stacks/naytife-postgres/local.json"), "utf8"),
    "what pulumi said": log.join(""),
    pods: await kubectl(cluster, ["get", "pods", "-A", "-o", "json"]),
    events: await kubectl(cluster, ["get", "events", "-A", "-o", "json"]),
    "the sidecar's log": await sidecarLog(-1),
    "the plugin's log": await kubectl(cluster, ["-n", "cnpg-system", "logs", "deployment/barman-cloud", "--tail=-1"]),
    "the store's log": await inNamespace("logs", `deployment/${store}`, "--tail=-1"),
  };
  const found = Object.entries(texts).flatMap(([where, text]) =>
    Object.entries(keys).flatMap(([key, value]) => (text.includes(value) ? [`${key} in ${where}`] : [])),
  );
  expect(found).toEqual([]);
});

test("destroy takes all that runs and all that is stored away, the pooler too, which its operator would make anew for ever", async () => {
  await stack.destroy(quietly);
  // The garbage collector is not waited for.
  await until("nothing is left", 60, async () => {
    const left = await inNamespace("get", "deployments,pods,persistentvolumeclaims", "-o", "name");
    return left.trim() === "" ? true : undefined;
  });
});
