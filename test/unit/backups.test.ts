import * as fs from "node:fs/promises";
import * as kubernetes from "@pulumi/kubernetes";
import { untilArchiving } from "../../backup/archiving";
import { ArchivingCheck } from "../../backup/archiving-check";
import { causeOf, type ArchivePlace } from "../../backup/causes";
import { Archive, archiveTimeout, BackupSchedule, objectStoreSpec, type ArchiveArgs } from "../../components/backups";
import { BarmanPlugin, pluginObjects, type BarmanPluginArgs } from "../../components/barman-plugin";
import { LocalBucket } from "../../components/local-bucket";
import { ManifestError, parseManifest, readManifest, type ManifestResource } from "../../components/manifest";
import { podMonitors } from "../../components/monitoring";
import { backupPluginManifest } from "../../config";
import { inWords } from "../../local/last-backup";
import { project } from "../../local/stack-files";
import { example } from "../../monitoring/rules/example";
import { isSchedule } from "../../postgresql/schedule";
import { cnpgSchema, objectStoreSchema } from "../crd-schema";
import { exampleSettings } from "../migration-settings";
import { pluginManifest } from "../plugin-manifest";
import { mockPassword, record, Secret, valueOf } from "../recording";

const archive: ArchiveArgs = {
  namespace: "naytife",
  serverName: "naytife-postgres",
  bucket: {
    destinationPath: "s3://naytife-postgres-backups/production",
    endpointUrl: "https://x.compat.objectstorage.us-phoenix-1.oraclecloud.com",
    region: "us-phoenix-1",
    credentialsSecret: "cnpg-backup-secret",
  },
  retention: "7d",
  compression: "gzip",
  walCompression: "gzip",
  jobs: 2,
  walMaxParallel: 4,
  sidecar: { memoryRequest: "256Mi", memoryLimit: "512Mi", cpuRequest: "100m", cpuLimit: "1" },
  retainOnDelete: true,
};

let manifest: ManifestResource[];
beforeAll(async () => {
  const file = await pluginManifest();
  manifest = parseManifest(await fs.readFile(file, "utf8"), { what: "backup plugin", source: file });
});

test("the committed sum is that of the plugin's manifest, at the version that is built here", async () => {
  const declared = (key: string) => String(project.config[key]?.default);
  const read = await readManifest(
    backupPluginManifest({
      backupPluginManifest: await pluginManifest(),
      backupPluginManifestSha256: declared("backupPluginManifestSha256"),
    }),
  );
  expect(read.map(({ object }) => object)).toEqual(manifest.map(({ object }) => object));
  expect(declared("backupPluginManifest")).toContain("/v0.14.0/");
});

describe("the ObjectStore", () => {
  test("is one that the plugin's definition knows every field of", async () => {
    const check = await objectStoreSchema();
    const store = (spec: object) => ({ apiVersion: "barmancloud.cnpg.io/v1", kind: "ObjectStore", metadata: {}, spec });
    expect(check(store(objectStoreSpec(archive)))).toEqual([]);
    for (const walCompression of ["lz4", "zstd", "snappy", "xz", "bzip2"] as const)
      expect(check(store(objectStoreSpec({ ...archive, walCompression })))).toEqual([]);
    for (const compression of ["lz4", "snappy", "bzip2"] as const)
      expect(check(store(objectStoreSpec({ ...archive, compression })))).toEqual([]);
    expect(check(store({ ...objectStoreSpec(archive), retention: "7d" })).join()).toContain("retention");
  });

  test("asks for no checksums that a compatible store does not know, in the bucket's region", () => {
    expect(objectStoreSpec(archive).instanceSidecarConfiguration.env).toEqual([
      { name: "AWS_DEFAULT_REGION", value: "us-phoenix-1" },
      { name: "AWS_REQUEST_CHECKSUM_CALCULATION", value: "when_required" },
      { name: "AWS_RESPONSE_CHECKSUM_VALIDATION", value: "when_required" },
    ]);
  });

  test("says nothing of a compression where there is none", () => {
    const { wal, data } = objectStoreSpec({ ...archive, compression: "none", walCompression: "none" }).configuration;
    expect(wal).toEqual({ maxParallel: 4 });
    expect(data).toEqual({ jobs: 2, immediateCheckpoint: true });
  });

  test("goes before the Cluster that archives to it, by the plan's Secret and under its own name", async () => {
    const recording = await record(() => {
      const provider = new kubernetes.Provider("kubernetes", {});
      return new Archive("archive", archive, { provider });
    });
    const store = recording.get("kubernetes:barmancloud.cnpg.io/v1:ObjectStore");
    expect(store).toMatchObject({ retainOnDelete: true, inputs: { metadata: { name: "naytife-postgres-backups" } } });
    const { plugin } = recording.result;
    expect(plugin).toMatchObject({ name: "barman-cloud.cloudnative-pg.io", isWALArchiver: true });
    expect(await valueOf(plugin.parameters.barmanObjectName)).toBe("naytife-postgres-backups");
    expect(plugin.parameters.serverName).toBe("naytife-postgres");
  });

  test("has a revision that changes with what sidecars are made with, and with nothing else", async () => {
    const revision = async (other: Partial<ArchiveArgs> = {}) => {
      const { result } = await record(() => {
        const provider = new kubernetes.Provider("kubernetes", {});
        return new Archive("archive", { ...archive, ...other }, { provider });
      });
      return valueOf(result.sidecarRevision);
    };
    const usual = await revision();
    expect(await revision({ walMaxParallel: 8, retention: "2w", compression: "gzip" })).toBe(usual);
    expect(await revision({ sidecar: { ...archive.sidecar, cpuLimit: "3" } })).not.toBe(usual);
    expect(await revision({ bucket: { ...archive.bucket, region: "elsewhere" } })).not.toBe(usual);
  });
});

test.each([
  [60, 15, "45s"],
  [300, 60, "240s"],
])("a commit is at most %d s from the store: %d s for the upload, and archive_timeout %s", (point, upload, timeout) => {
  expect(archiveTimeout(point, upload)).toBe(timeout);
});

describe("the schedule", () => {
  test("is one that the operator's definition knows every field of; its backups outlive it", async () => {
    const recording = await record(() => {
      const provider = new kubernetes.Provider("kubernetes", {});
      const args = { namespace: "naytife", cluster: "c", schedule: "0 0 2 * * *", target: "prefer-standby" } as const;
      return new BackupSchedule("schedule", { ...args, retainOnDelete: false }, { provider });
    });
    const { inputs } = recording.get("kubernetes:postgresql.cnpg.io/v1:ScheduledBackup");
    expect((await cnpgSchema("scheduledbackups"))(inputs)).toEqual([]);
    expect(inputs).toMatchObject({
      metadata: { name: "c-daily" },
      spec: {
        schedule: "0 0 2 * * *",
        immediate: true,
        backupOwnerReference: "none",
        method: "plugin",
        pluginConfiguration: { name: "barman-cloud.cloudnative-pg.io" },
        target: "prefer-standby",
      },
    });
  });

  test.each(["0 0 2 * * *", "*/30 0,30 8-18/2 1 jan-mar MON", "0 0 0 ? * sun"])("takes %s", (text) => {
    expect(isSchedule(text)).toBe(true);
  });

  test.each(["0 2 * * *", "", "@daily", "60 0 2 * * *", "0 0 24 * * *", "0 0 2 0 * *", "0 0 2 * 13 *", "0 0 2 * * 7"])(
    "refuses %j",
    (text) => {
      expect(isSchedule(text)).toBe(false);
    },
  );

  test.each(["0 0 5-2 * * *", "0 0 */0 * * *", "0 0 2  * * *", "0 0 2 * * x", "a b c d e f"])("refuses %j", (text) => {
    expect(isSchedule(text)).toBe(false);
  });
});

describe("the plugin", () => {
  const images = { image: "plugin:1@sha256:a", sidecarImage: "sidecar:1@sha256:b" };
  const args = (overrides: Partial<BarmanPluginArgs> = {}): BarmanPluginArgs => ({
    manifest,
    ...images,
    certificates: { days: 90, now: new Date("2026-11-21T22:00:00Z") },
    retainOnDelete: false,
    ...overrides,
  });
  const install = (overrides?: Partial<BarmanPluginArgs>, preview = false) =>
    record(
      () => {
        const provider = new kubernetes.Provider("kubernetes", {});
        return new BarmanPlugin("plugin", args(overrides), { provider });
      },
      { preview },
    );
  const deploymentType = "kubernetes:apps/v1:Deployment";

  test("runs the configured images, and none that the manifest names", () => {
    const objects = pluginObjects(manifest, { ...images, certManager: false });
    const text = JSON.stringify(objects.map(({ object }) => object));
    expect(text).toContain('"image":"plugin:1@sha256:a"');
    expect(text).toContain('{"name":"SIDECAR_IMAGE","value":"sidecar:1@sha256:b"}');
    expect(text).not.toContain("testing");
    expect(objects.map(({ object }) => object.kind)).not.toContain("Secret");
  });

  test("serves metrics where the PodMonitor looks for them", () => {
    const objects = pluginObjects(manifest, { ...images, certManager: false });
    const deployment = objects.find(({ object }) => object.kind === "Deployment")?.object as unknown as {
      spec: { template: { metadata: { labels: object }; spec: { containers: object[] } } };
    };
    const { metadata, spec } = deployment.spec.template;
    const [container] = spec.containers as { args: string[]; ports: { name?: string; containerPort: number }[] }[];
    expect(container?.args).toEqual(
      expect.arrayContaining(["operator", "--metrics-bind-address=:8080", "--metrics-secure=false"]),
    );
    expect(container?.ports.map(({ name, containerPort }) => [name, containerPort])).toEqual([
      [undefined, 9090],
      ["metrics", 8080],
    ]);
    const monitor = podMonitors(example, 30).plugin;
    expect(metadata.labels).toMatchObject(monitor?.selector.matchLabels ?? { none: "there is none" });
    expect(monitor?.podMetricsEndpoints[0]?.port).toBe("metrics");
  });

  test("leaves the certificates to cert-manager where that is chosen", async () => {
    const { registrations } = await install({ certificates: "cert-manager" });
    const made = registrations.map(({ type }) => type).filter((type) => /cert-manager|Secret|Random/.test(type));
    expect(made.sort()).toEqual([
      "kubernetes:cert-manager.io/v1:Certificate",
      "kubernetes:cert-manager.io/v1:Certificate",
      "kubernetes:cert-manager.io/v1:Issuer",
    ]);
  });

  test("else has certificates of the program's before it starts, keys secret", async () => {
    const recording = await install();
    const deployment = recording.get(deploymentType);
    for (const name of ["barman-cloud-server-tls", "barman-cloud-client-tls"]) {
      const secret = recording.get("kubernetes:core/v1:Secret", name);
      expect(secret.inputs).toMatchObject({ type: "kubernetes.io/tls", metadata: { name, namespace: "cnpg-system" } });
      expect(secret.inputs.data).toBeInstanceOf(Secret);
      expect(deployment.dependencies).toContain(secret.urn);
    }
    expect(JSON.stringify(deployment.inputs)).toMatch(/"naytife.com\/certificates":"[0-9a-f]{16}"/);
    expect(recording.registrations.some(({ type }) => type.includes("cert-manager"))).toBe(false);
  });

  test("is given others, and started anew, in the last third of their life, and not before", async () => {
    const at = async (time: string) => {
      const recording = await install({ certificates: { days: 90, now: new Date(time) } });
      return recording.get("random:index/randomPassword:RandomPassword").inputs.keepers;
    };
    expect(await at("2026-11-21T22:00:00Z")).toEqual(await at("2026-11-21T23:59:00Z"));
    expect(await at("2026-11-21T22:00:00Z")).not.toEqual(await at("2027-01-21T22:00:00Z"));
  });

  test("previews before its keys are drawn", async () => {
    expect((await install({}, true)).get(deploymentType).inputs.metadata).toMatchObject({ name: "barman-cloud" });
  });

  test("is refused where the manifest is another's", () => {
    const other = manifest.filter(({ object }) => object.kind !== "Deployment");
    expect(() => pluginObjects(other, { ...images, certManager: false })).toThrow(ManifestError);
    expect(() => pluginObjects(other, { ...images, certManager: false })).toThrow(/Mend backupPluginManifest/);
  });
});

test("the store in the cluster makes its bucket first, and tells its keys to nobody but its Secret", async () => {
  const recording = await record(() => {
    const provider = new kubernetes.Provider("kubernetes", {});
    return new LocalBucket(
      "bucket",
      {
        namespace: "naytife",
        namespaceName: "naytife",
        bucket: "backups",
        prefix: "local",
        region: "us-phoenix-1",
        image: "versitygw:1",
        shellImage: "postgresql:17",
        storageClass: "cnpg-local-storage",
        size: "10Gi",
        retainOnDelete: false,
      },
      { provider },
    );
  });
  const { result } = recording;
  expect(await valueOf(result.destinationPath)).toBe("s3://backups/local");
  expect(await valueOf(result.endpointUrl)).toBe("http://naytife-postgres-store.naytife.svc:7070");
  expect(await valueOf(result.credentialsSecret)).toBe("cnpg-backup-secret");
  const text = JSON.stringify(recording.get("kubernetes:apps/v1:Deployment").inputs);
  expect(text).toContain("/store/buckets/backups");
  expect(text).not.toContain(mockPassword);
  expect(recording.get("kubernetes:core/v1:Secret").inputs.data).toBeInstanceOf(Secret);
});

test("that WAL arrives is asked anew for another place, and for no other reason", async () => {
  const check = (serverName: string, deadline: number) =>
    record(
      () =>
        new ArchivingCheck("archiving", {
          cluster: "uid",
          bucket: archive.bucket,
          serverName,
          deadline,
          settings: exampleSettings,
        }),
    );
  const command = async (...args: Parameters<typeof check>) => (await check(...args)).get("command:local:Command");
  const one = await command("a", 60);
  expect(one.inputs.triggers).not.toEqual((await command("b", 60)).inputs.triggers);
  expect(one.inputs.triggers).toEqual((await command("a", 90)).inputs.triggers);
  expect(one.ignoreChanges).toEqual(expect.arrayContaining(["environment", "dir"]));
});

describe("why WAL does not arrive", () => {
  const place: ArchivePlace = {
    destinationPath: "s3://backups/local",
    endpointUrl: "http://store:7070",
    serverName: "naytife-postgres",
    credentialsSecret: "cnpg-backup-secret",
  };

  test.each([
    [
      "another cluster's archive",
      "ERROR: WAL archive check failed for server naytife-postgres: Expected empty archive",
      /holds the archive of another cluster/,
      /Set backupServerName/,
      true,
    ],
    [
      "wrong credentials",
      "An error occurred (403) when calling the HeadBucket operation: Forbidden",
      /refuses the credentials/,
      /Put the right/,
      false,
    ],
    [
      "no bucket",
      "botocore.errorfactory.NoSuchBucket: An error occurred (NoSuchBucket)",
      /no bucket/,
      /Make the bucket/,
      false,
    ],
    [
      "no bucket, of barman that makes one, and may not",
      "An error occurred (AccessDenied) when calling the CreateBucket operation: Access Denied",
      /no bucket/,
      /make a base backup/,
      false,
    ],
    [
      "a full store",
      "An error occurred (InsufficientStorage) when calling the PutObject operation: No space left on device.",
      /is full/,
      /Give it more room/,
      true,
    ],
    [
      "a quota",
      "An error occurred (QuotaExceeded) when calling the PutObject operation: denied (403)",
      /quota is used up/,
      /Give it more room/,
      true,
    ],
    [
      "no store",
      'Could not connect to the endpoint URL: "http://store:7070/backups"',
      /does not answer/,
      /WAL is kept/,
      false,
    ],
  ])("is told of %s", (_, log, what, next, lasts) => {
    const cause = causeOf(
      `{"msg":"something before"}\n{"msg":"${log.replaceAll('"', '\\"')}"}\n{"msg":"after"}\n`,
      place,
    );
    expect(cause?.what).toMatch(what);
    expect(cause?.next).toMatch(next);
    expect(cause?.lasts).toBe(lasts);
  });

  const archiver = (looks: string[], log: string) => ({
    presentCluster: () => Promise.resolve(undefined as never),
    sidecarLog: () => Promise.resolve(log),
    // The first statement finishes a segment; from then on it is looked at.
    control: (...statements: string[]) =>
      Promise.resolve(statements.length > 1 ? "000000010000000000000002" : looks.shift()!),
  });
  const waits = '{"waits": true, "waiting": 1, "failed": 2}';
  const arrived = '{"waits": false, "waiting": 0, "failed": 2}';

  test("an update ends at once where it will not pass, and says what is untouched", async () => {
    const asked = archiver([waits, arrived], "ERROR: WAL archive check failed: Expected empty archive");
    await expect(untilArchiving(asked, place, 60, () => undefined)).rejects.toThrow(
      /holds the archive of another cluster[\s\S]*Untouched: The database runs[\s\S]*Next: Set backupServerName/,
    );
  });

  test("a primary that is restarted meanwhile is waited for, until the deadline", async () => {
    const said: string[] = [];
    const asked = archiver([arrived], "");
    let refusals = 1;
    const restarted = {
      ...asked,
      control: (...statements: string[]) =>
        refusals-- > 0
          ? Promise.reject(new Error("the database system is shutting down"))
          : asked.control(...statements),
    };
    await untilArchiving(restarted, place, 60, (line) => said.push(line));
    expect(said).toEqual(["the primary does not answer yet", expect.stringMatching(/^WAL segment .* lies in/)]);
    refusals = 1;
    await expect(untilArchiving(restarted, place, -1, () => undefined)).rejects.toThrow(/is shutting down/);
  });

  test("it goes on where it may pass: a store knows a new key late", async () => {
    const said: string[] = [];
    const asked = archiver(
      [waits, arrived],
      "An error occurred (403) when calling the HeadBucket operation: Forbidden",
    );
    await untilArchiving(asked, place, 60, (line) => said.push(line));
    expect(said).toEqual([
      expect.stringMatching(/^1 WAL segments wait for the store; the store at .* refuses the credentials/),
      expect.stringMatching(/^WAL segment 000000010000000000000002 lies in s3:\/\/backups\/local\/naytife-postgres/),
    ]);
    await expect(untilArchiving(archiver([waits], ""), place, -1, () => undefined)).rejects.toThrow(
      /was not archived within -1 s/,
    );
  });

  test("is the latest of several, and none where nothing is known", () => {
    expect(causeOf("Expected empty archive\nCould not connect to the endpoint URL\n", place)?.lasts).toBe(false);
    expect(causeOf("all is well\n", place)).toBeUndefined();
  });
});

test("npm run local says when the last backup was, and from when on can be restored", () => {
  const serverRecoveryWindow = {
    a: { firstRecoverabilityPoint: "2026-11-20T02:00:00Z", lastSuccessfulBackupTime: "2026-11-21T02:00:05Z" },
  };
  expect(inWords({ status: { serverRecoveryWindow } }, "a")).toBe(
    "2026-11-21T02:00:05Z, any time from 2026-11-20T02:00:00Z on can be restored",
  );
  expect(inWords({ status: { serverRecoveryWindow } }, "b")).toMatch(/^none/);
  expect(inWords({}, "a")).toMatch(/^none/);
});
