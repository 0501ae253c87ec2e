import type { ClusterSpec } from "../../components/cluster";
import naytifePostgres from "../../index";
import { cnpgSchema, objectStoreSchema } from "../crd-schema";
import { pluginManifest } from "../plugin-manifest";
import { isSecret, mockPassword, mockReport, record, Secret, unknown_, valueOf, type Recording } from "../recording";
import { stackConfiguration, stacks, type StackName } from "../../local/stack-files";
import { stackValues } from "../../commands/stack";
import { stackSettings } from "../../migration/main";
import { sourceConnection } from "../../migration/engine/source";
import { recoveringCluster, specOfStack } from "../../recovery/manifest";
import { recoverySettings } from "../../recovery/settings";

// It asks Kubernetes, which is not there.
jest.mock("../../recovery/update-check", () => ({ refuseHarmfulUpdate: () => Promise.resolve() }));

const clusterType = "kubernetes:postgresql.cnpg.io/v1:Cluster";
const sizeType = `${clusterType}Patch`;
const podMonitorType = "kubernetes:monitoring.coreos.com/v1:PodMonitor";
const poolerType = "kubernetes:postgresql.cnpg.io/v1:Pooler";
const objectStoreType = "kubernetes:barmancloud.cnpg.io/v1:ObjectStore";
const scheduledBackupType = "kubernetes:postgresql.cnpg.io/v1:ScheduledBackup";

type Program = Recording<Awaited<ReturnType<typeof naytifePostgres>>>;

/** What is not in the stacks' files: where no network is, the manifest's path, and what of Oracle's cloud its owner alone knows. */
const ownSettings = async () => ({
  backupPluginManifest: await pluginManifest(),
  backupOciTenancy: "ocid1.tenancy.oc1..aaaa",
  backupOciCompartment: "ocid1.compartment.oc1..aaaa",
  backupOciNamespace: "shop",
});

async function run(
  stack: StackName,
  options: { preview?: boolean; config?: Record<string, string> } = {},
): Promise<Program> {
  return record(naytifePostgres, {
    stack,
    preview: options.preview ?? false,
    config: stackConfiguration(stack, { ...(await ownSettings()), ...options.config }),
  });
}

/** Whether something is part of the backups: of the plugin, the bucket, the archive or the schedule. */
const isOfBackups = ({ parent }: { parent: string }): boolean =>
  /:(BarmanPlugin|LocalBucket|OciBucket|Archive|BackupSchedule)::[\w-]+$/.test(parent);

/** Each program runs once; the tests only read what it registered. */
const programs = new Map<StackName, Promise<Program>>();
async function programOf(stack: StackName): Promise<Program> {
  const program = programs.get(stack) ?? run(stack);
  programs.set(stack, program);
  return program;
}

/** design.md, section 2: the plan's numbers, per stack. */
const table = {
  local: {
    namespace: "naytife",
    instances: 1,
    dataDurability: undefined,
    storage: { size: "10Gi", storageClass: "cnpg-local-storage" },
    provisioner: "rancher.io/local-path",
    reclaimPolicy: "Delete",
    allowVolumeExpansion: false,
    resources: { requests: { memory: "512Mi", cpu: "200m" }, limits: { memory: "512Mi", cpu: "500m" } },
    sharedBuffers: "64MB",
    effectiveCacheSize: "256MB",
    backups: {
      destinationPath: "s3://naytife-postgres-backups/local",
      endpointURL: "http://naytife-postgres-store.naytife.svc:7070",
    },
    safe: false,
  },
  staging: {
    namespace: "naytife-staging",
    instances: 2,
    dataDurability: "preferred",
    storage: { size: "50Gi", storageClass: "cnpg-oci-storage" },
    provisioner: "blockvolume.csi.oraclecloud.com",
    reclaimPolicy: "Retain",
    allowVolumeExpansion: true,
    resources: { requests: { memory: "1Gi", cpu: "500m" }, limits: { memory: "1Gi", cpu: "500m" } },
    sharedBuffers: "128MB",
    effectiveCacheSize: "512MB",
    backups: {
      destinationPath: "s3://naytife-staging-backups/staging",
      endpointURL: "https://shop.compat.objectstorage.us-phoenix-1.oraclecloud.com",
    },
    safe: false,
  },
  production: {
    namespace: "naytife-production",
    instances: 3,
    dataDurability: "required",
    storage: { size: "100Gi", storageClass: "cnpg-oci-storage" },
    provisioner: "blockvolume.csi.oraclecloud.com",
    reclaimPolicy: "Retain",
    allowVolumeExpansion: true,
    resources: { requests: { memory: "2Gi", cpu: "500m" }, limits: { memory: "2Gi", cpu: "1" } },
    sharedBuffers: "256MB",
    effectiveCacheSize: "1GB",
    backups: {
      destinationPath: "s3://naytife-postgres-backups/production",
      endpointURL: "https://shop.compat.objectstorage.us-phoenix-1.oraclecloud.com",
    },
    safe: true,
  },
} as const;

describe.each(stacks)("%s", (stack) => {
  const row = table[stack];

  test("has the table's cluster", async () => {
    const cluster = (await programOf(stack)).get(clusterType);
    expect(cluster.inputs).toMatchObject({
      metadata: { name: "naytife-postgres", namespace: row.namespace },
      spec: {
        storage: row.storage,
        resources: row.resources,
        bootstrap: { initdb: { database: "naytifedb", owner: "naytife", secret: { name: "cnpg-cluster-secret" } } },
        postgresql: {
          parameters: {
            max_connections: "200",
            shared_buffers: row.sharedBuffers,
            effective_cache_size: row.effectiveCacheSize,
            work_mem: "4MB",
            maintenance_work_mem: "64MB",
            wal_buffers: "16MB",
            checkpoint_completion_target: "0.9",
            default_statistics_target: "100",
            random_page_cost: "1.1",
            effective_io_concurrency: "200",
            log_statement: "ddl",
            log_min_duration_statement: "1000",
            log_checkpoints: "on",
            log_connections: "on",
            log_disconnections: "on",
            log_lock_waits: "on",
          },
        },
      },
    });
    expect(JSON.stringify(cluster.inputs)).toMatch(/SCHEMA IF NOT EXISTS \\"hydra\\".*\\"naytife_schema\\"/);
  });

  test("has one instance until the data is there, then the table's, with a standby that confirms commits", async () => {
    const program = await programOf(stack);
    const { spec } = program.get(clusterType).inputs as { spec: ClusterSpec };
    // The API server's default is 1. A lone primary that waited for a standby would hang at the migration's first COMMIT.
    expect(spec).not.toHaveProperty("instances");
    expect(spec.postgresql).not.toHaveProperty("synchronous");
    const { inputs, retainOnDelete } = program.get(sizeType);
    // Whoever destroys it alone shall not delete the standbys.
    expect(retainOnDelete).toBe(true);
    expect(inputs).toMatchObject({
      metadata: { name: "naytife-postgres", namespace: row.namespace },
      spec: { instances: row.instances },
    });
    expect(inputs.spec).toEqual(
      row.dataDurability === undefined
        ? { instances: 1 }
        : {
            instances: row.instances,
            postgresql: {
              synchronous: { method: "any", number: 1, dataDurability: row.dataDurability, failoverQuorum: true },
            },
          },
    );
    expect(program.get("naytife:postgres:Growth").dependencies).toContain(
      program.get("command:local:Command", "migration-engine").urn,
    );
    const settled = program.get("command:local:Command", `growth-settled-${row.instances}`);
    expect(settled.dependencies).toContain(program.get(sizeType).urn);
    expect(settled.inputs.environment).toMatchObject({ NAYTIFE_INSTANCES: String(row.instances) });
  });

  test("looks at the old database after the migration where somebody is told, and with no password in its text", async () => {
    const watch = (program: Awaited<ReturnType<typeof run>>) =>
      program.ofType("kubernetes:batch/v1:CronJob").filter(({ name }) => name === "naytife-postgres-source-watch");
    const told = await run(stack, { config: { monitoringEnabled: "true" } });
    const [cronJob, ...others] = watch(told);
    expect(others).toEqual([]);
    expect(cronJob?.inputs.metadata).toMatchObject({ namespace: row.namespace });
    expect(JSON.stringify(cronJob?.inputs)).toContain('{"name":"PGPASSWORD","valueFrom":{"secretKeyRef":');
    expect(told.get("naytife:postgres:SourceWatch").dependencies).toContain(
      told.get("command:local:Command", "migration-engine").urn,
    );
    for (const config of [
      { monitoringEnabled: "false" },
      { monitoringEnabled: "true", monitoringExporters: '["kubelet"]' },
      { monitoringEnabled: "true", migrationEnabled: "false" },
      { monitoringEnabled: "true", activeDatabase: "source" },
    ]) {
      expect(watch(await run(stack, { config }))).toEqual([]);
    }
  });

  test("without a migration, has the table's instances from the beginning", async () => {
    const program = await run(stack, { config: { migrationEnabled: "false" } });
    const { spec } = program.get(clusterType).inputs as { spec: ClusterSpec };
    expect(spec.instances).toBe(row.instances);
    expect(spec.postgresql.synchronous?.dataDurability).toBe(row.dataDurability);
    expect(program.get(clusterType).ignoreChanges).toEqual([]);
    expect(program.ofType(sizeType)).toEqual([]);
    expect(program.ofType("command:local:Command").map(({ name }) => name)).toEqual(["archiving-command"]);
  });

  test("has the table's storage class; where it keeps volumes, the restore drill has one like it that does not", async () => {
    const storageClasses = (await programOf(stack)).ofType("kubernetes:storage.k8s.io/v1:StorageClass");
    const like = (name: string, reclaimPolicy: string) => ({
      metadata: { name },
      provisioner: row.provisioner,
      reclaimPolicy,
      allowVolumeExpansion: row.allowVolumeExpansion,
      volumeBindingMode: "WaitForFirstConsumer",
    });
    const { storageClass } = row.storage;
    expect(storageClasses.map(({ inputs }) => inputs)).toMatchObject([
      like(storageClass, row.reclaimPolicy),
      ...(row.reclaimPolicy === "Delete" ? [] : [like(`${storageClass}-throw-away`, "Delete")]),
    ]);
    const scripts = (await programOf(stack)).get("kubernetes:core/v1:ConfigMap", "naytife-postgres-restore-drill");
    const { "copy.json": copy } = scripts.inputs.data as Record<string, string>;
    expect((JSON.parse(copy ?? "") as { spec: unknown }).spec).toMatchObject({
      storage: { size: row.storage.size, storageClass: (storageClasses[1] ?? storageClasses[0])?.name },
    });
  });

  test("has the table's pooler", async () => {
    const pooler = (await programOf(stack)).get(poolerType);
    expect(pooler.inputs).toMatchObject({
      metadata: { name: "naytife-postgres-pooler", namespace: row.namespace },
      spec: {
        cluster: { name: "naytife-postgres" },
        type: "rw",
        instances: 2,
        pgbouncer: {
          poolMode: "transaction",
          parameters: {
            max_client_conn: "1000",
            default_pool_size: "20",
            max_db_connections: "25",
            max_user_connections: "25",
            server_reset_query: "DISCARD ALL",
            server_check_query: "SELECT 1",
            server_check_delay: "10",
          },
        },
        template: {
          spec: {
            containers: [
              { resources: { requests: { memory: "64Mi", cpu: "50m" }, limits: { memory: "128Mi", cpu: "100m" } } },
            ],
          },
        },
      },
    });
  });

  test("keeps what it must keep, and nothing else", async () => {
    const registrations = (await programOf(stack)).registrations.filter((one) => !isOfBackups(one));
    const named = (kept: typeof registrations) => kept.map(({ type, name }) => `${type} ${name}`).sort();
    expect(named(registrations.filter((one) => one.protect))).toEqual(
      row.safe
        ? [
            "kubernetes:core/v1:Namespace namespace",
            "kubernetes:core/v1:Secret naytife-postgres-connection",
            `${clusterType} naytife-postgres`,
            "random:index/randomPassword:RandomPassword credentials-password",
          ]
        : [],
    );
    expect(named(registrations.filter((one) => one.retainOnDelete))).toEqual(
      row.safe
        ? [
            "kubernetes:core/v1:Namespace cnpg-system",
            "kubernetes:core/v1:Namespace namespace",
            "kubernetes:core/v1:Secret cnpg-cluster-secret",
            "kubernetes:helm.sh/v3:Release cloudnative-pg",
            `${clusterType} naytife-postgres`,
            `${sizeType} naytife-postgres-size`,
            "kubernetes:storage.k8s.io/v1:StorageClass cnpg-oci-storage",
          ]
        : ["kubernetes:core/v1:Namespace namespace", `${sizeType} naytife-postgres-size`],
    );
  });

  test("keeps of its backups what a database that stays goes on archiving with, and the bucket above all", async () => {
    const registrations = (await programOf(stack)).registrations.filter(isOfBackups);
    const made = registrations.filter(({ custom, type }) => custom && !/^(pulumi:providers|random):/.test(type));
    // Deleting a definition deletes every object of its kind, in every namespace.
    const definitions = made.filter(({ type }) => type.endsWith(":CustomResourceDefinition"));
    expect(definitions.map(({ retainOnDelete }) => retainOnDelete)).toEqual([true]);
    for (const one of made.filter(({ type }) => !type.endsWith(":CustomResourceDefinition")))
      expect([one.name, one.retainOnDelete]).toEqual([one.name, row.safe]);
    const isProtected = made.filter((one) => one.protect).map(({ name }) => name);
    expect(isProtected.sort()).toEqual(
      row.safe
        ? [
            "bucket-bucket",
            "bucket-group",
            "bucket-lifecycle",
            "bucket-membership",
            "bucket-policy",
            "bucket-user",
            "cnpg-backup-secret",
          ]
        : [],
    );
  });

  test("ends with a protected resource alone if any is: a destroy begins there, and is refused before it deletes anything in the cluster", async () => {
    const { registrations } = await programOf(stack);
    const needed = new Set(registrations.flatMap(({ parent, dependencies }) => [parent, ...dependencies]));
    const provider = registrations.map((one) => one.provider.replace(/::[^:]*$/, ""));
    // Nothing is run to delete a command.
    const last = registrations.filter(
      ({ urn, type, custom, inputs }) =>
        custom &&
        !needed.has(urn) &&
        !provider.includes(urn) &&
        !(type.startsWith("command:") && !("delete" in inputs)),
    );
    expect(last.map(({ name, protect }) => ({ name, protect }))).toEqual([
      { name: "naytife-postgres-connection", protect: row.safe },
    ]);
  });

  test("puts every resource in a component, and every Kubernetes resource in the one provider", async () => {
    const { registrations } = await programOf(stack);
    for (const one of registrations) {
      if (one.custom && !one.type.startsWith("pulumi:providers:")) {
        expect(one.parent).toMatch(/::naytife:postgres:\w+::[\w-]+$/);
      }
      if (one.type.startsWith("kubernetes:")) {
        expect(one.provider).toMatch(/::pulumi:providers:kubernetes::kubernetes::kubernetes-id$/);
      }
    }
    const components = registrations.filter((one) => !one.custom).map(({ type }) => type);
    const expected = [
      ...[
        "Archive",
        "ArchivingCheck",
        "BackupSchedule",
        "BarmanPlugin",
        stack === "local" ? "LocalBucket" : "OciBucket",
      ],
      ...["Cluster", "Connection", "Credentials", "Growth", "Migration", "Namespace", "Operator", "Pooler"],
      ...["RestoreDrill", "Storage"],
    ];
    expect(components.sort()).toEqual(expected.map((component) => `naytife:postgres:${component}`).sort());
  });

  test("makes no custom resource before the operator, nor the connection before pooler and data", async () => {
    const program = await programOf(stack);
    const release = program.get("kubernetes:helm.sh/v3:Release").urn;
    const budget = program.get("kubernetes:policy/v1:PodDisruptionBudget").urn;
    // A component's children are registered after it, and so after what it depends on.
    expect(program.get("naytife:postgres:Cluster").dependencies).toContain(release);
    expect(program.get("naytife:postgres:Pooler").dependencies).toEqual(
      expect.arrayContaining([release, program.get(clusterType).urn]),
    );
    expect(program.get("naytife:postgres:Migration").dependencies).toContain(program.get(clusterType).urn);
    expect(program.get("naytife:postgres:Connection").dependencies).toEqual(
      expect.arrayContaining([budget, program.get(sizeType).urn]),
    );
  });

  test.each([
    ["Cluster", "clusters", clusterType],
    ["Cluster in full size", "clusters", sizeType],
    ["Pooler", "poolers", poolerType],
    ["ScheduledBackup", "scheduledbackups", scheduledBackupType],
  ])("has a %s that its definition knows every field of", async (_, plural, type) => {
    const check = await cnpgSchema(plural);
    const { inputs } = (await programOf(stack)).get(type);
    expect(check(inputs)).toEqual([]);
  });

  test("has the table's backups: where, how long, when, and a commit at most a minute away", async () => {
    const program = await programOf(stack);
    const store = program.get(objectStoreType);
    expect((await objectStoreSchema())(store.inputs)).toEqual([]);
    expect(store.inputs).toMatchObject({
      metadata: { name: "naytife-postgres-backups", namespace: row.namespace },
      spec: { retentionPolicy: "7d", configuration: row.backups },
    });
    expect(program.get(scheduledBackupType).inputs).toMatchObject({ spec: { schedule: "0 0 2 * * *" } });
    const { spec } = program.get(clusterType).inputs as { spec: ClusterSpec };
    expect(spec.postgresql.parameters.archive_timeout).toBe("45s");
    expect(spec.plugins).toEqual([
      {
        name: "barman-cloud.cloudnative-pg.io",
        isWALArchiver: true,
        parameters: { barmanObjectName: "naytife-postgres-backups", serverName: "naytife-postgres" },
      },
    ]);
    // The Cluster comes after what it names, the data after WAL has arrived, the first backup after the data.
    const needs = (type: string, name?: string) => program.get(type, name).dependencies;
    expect(needs("naytife:postgres:Cluster")).toContain(store.urn);
    expect(needs("naytife:postgres:Archive")).toContain(
      program.get("kubernetes:apps/v1:Deployment", "Deployment-barman-cloud").urn,
    );
    const check = program.get("command:local:Command", "archiving-command");
    expect(needs("naytife:postgres:Migration")).toContain(check.urn);
    expect(needs("naytife:postgres:BackupSchedule")).toContain(
      program.get("command:local:Command", "migration-engine").urn,
    );
    expect(needs("naytife:postgres:Growth")).toContain(program.get(scheduledBackupType).urn);
  });

  test("with monitoring has a Cluster and a Pooler that the operator's definitions know every field of, and what Prometheus needs", async () => {
    const program = await run(stack, { config: { monitoringEnabled: "true" } });
    const [cluster, pooler] = [program.get(clusterType), program.get(poolerType)];
    expect((await cnpgSchema("clusters"))(cluster.inputs)).toEqual([]);
    expect((await cnpgSchema("poolers"))(pooler.inputs)).toEqual([]);
    expect(cluster.inputs).toMatchObject({
      spec: {
        monitoring: {
          customQueriesConfigMap: [
            { name: "cnpg-default-monitoring", key: "queries" },
            { name: "naytife-postgres-queries", key: "queries" },
            { name: "naytife-postgres-restore-drill-metrics", key: "queries" },
          ],
          tls: { enabled: true },
        },
      },
    });
    const monitors = program.ofType(podMonitorType);
    expect(monitors.map(({ name }) => name).sort()).toEqual([
      "monitoring-targets-instances",
      "monitoring-targets-operator",
      "monitoring-targets-plugin",
      "monitoring-targets-pooler",
    ]);
    // Without the Prometheus Operator's definitions the update ends before it touches the Cluster.
    expect(cluster.dependencies).toEqual(
      expect.arrayContaining([program.get("kubernetes:core/v1:ConfigMap", "naytife-postgres-queries").urn]),
    );
    // Rules that look for a database which is being made would wake somebody.
    expect(program.get("naytife:postgres:Monitoring").dependencies).toEqual(
      expect.arrayContaining([cluster.urn, pooler.urn]),
    );
  }, 60_000);

  test("without monitoring has nothing of it", async () => {
    const program = await programOf(stack);
    expect(program.registrations.filter(({ type }) => type.includes("monitoring.coreos.com"))).toEqual([]);
    // The drill's own.
    expect(program.get(clusterType).inputs).toMatchObject({
      spec: {
        monitoring: {
          customQueriesConfigMap: [
            { name: "cnpg-default-monitoring", key: "queries" },
            { name: "naytife-postgres-restore-drill-metrics", key: "queries" },
          ],
        },
      },
    });
    expect(program.get(clusterType).inputs.spec).not.toHaveProperty("monitoring.tls");
    expect(program.get(poolerType).inputs.spec).not.toHaveProperty("monitoring");
  });

  test("tells the engine what `npm run migration` would read from the stack's file", async () => {
    const { inputs } = (await programOf(stack)).get("command:local:Command", "migration-engine");
    const { NAYTIFE_MIGRATION } = inputs.environment as Record<string, string>;
    // A context says that no embedded cluster is meant; the program's is the stack's.
    const settings = await stackSettings({ stack, name: "", context: "", config: {} });
    expect(JSON.parse(NAYTIFE_MIGRATION ?? "")).toEqual(settings);
  });

  test("gives its outputs, the URLs as secrets", async () => {
    const { result } = await programOf(stack);
    const url = (host: string) =>
      `postgresql://naytife:p%40ss%2Fw%C3%B6rd@${host}.${row.namespace}.svc:5432/naytifedb?sslmode=require`;
    const values = Object.fromEntries(
      await Promise.all(Object.entries(result).map(async ([key, output]) => [key, await valueOf(output)] as const)),
    );
    expect(values).toEqual({
      DATABASE_URL: url("naytife-postgres-pooler"),
      DATABASE_URL_DIRECT: url("naytife-postgres-rw"),
      databaseHost: `naytife-postgres-pooler.${row.namespace}.svc`,
      databasePort: 5432,
      databaseDirectHost: `naytife-postgres-rw.${row.namespace}.svc`,
      databaseName: "naytifedb",
      databaseUser: "naytife",
      databaseNamespace: row.namespace,
      databaseCredentialsSecretName: "cnpg-cluster-secret",
      databaseConnectionSecretName: "naytife-postgres-connection",
      databaseCaSecretName: "naytife-postgres-ca",
      backupDestination: row.backups.destinationPath,
      migrationReport: mockReport,
      migrationTimeToSafe: mockReport, // The mocks' Command prints it, whatever it runs.
      readme: expect.stringContaining("# naytife-postgres") as unknown,
    });
    const secrets = await Promise.all(
      Object.entries(result).map(async ([key, output]) => ((await isSecret(output)) ? [key] : [])),
    );
    expect(secrets.flat()).toEqual(["DATABASE_URL", "DATABASE_URL_DIRECT"]);
  });

  test("has its password nowhere but in what is marked secret", async () => {
    const { registrations } = await programOf(stack);
    const clear = registrations.map(({ inputs }) =>
      JSON.stringify(inputs, (_, value: unknown) => (value instanceof Secret ? "[secret]" : value)),
    );
    for (const password of [mockPassword, Buffer.from(mockPassword).toString("base64"), "p%40ss"]) {
      expect(clear.filter((text) => text.includes(password))).toEqual([]);
    }
  });

  test("previews with a password that is not known yet", async () => {
    const { registrations, result } = await run(stack, { preview: true });
    expect(registrations.map(({ urn }) => urn).sort()).toEqual(
      (await programOf(stack)).registrations.map(({ urn }) => urn).sort(),
    );
    expect(await valueOf(result.DATABASE_URL)).toBe(unknown_);
    expect(await isSecret(result.DATABASE_URL)).toBe(true);
    expect(await valueOf(result.databaseHost)).toBe(`naytife-postgres-pooler.${row.namespace}.svc`);
  });

  test("renders its custom resources as reviewed", async () => {
    const program = await programOf(stack);
    expect(program.get(clusterType).inputs).toMatchSnapshot("Cluster");
    expect(program.get(poolerType).inputs).toMatchSnapshot("Pooler");
    expect(program.get(objectStoreType).inputs).toMatchSnapshot("ObjectStore");
    expect(program.get(scheduledBackupType).inputs).toMatchSnapshot("ScheduledBackup");
  });
});

test("without backups there is neither plugin nor store, and the Cluster is as it was", async () => {
  const { registrations, result } = await run("local", { config: { backupStore: "none" } });
  const names = registrations.map(({ type, name }) => `${type} ${name}`);
  expect(names.filter((name) => /barman|backup|bucket|archiv|store/i.test(name))).toEqual([]);
  expect(result).not.toHaveProperty("backupDestination");
  const { spec } = registrations.find(({ type }) => type === clusterType)?.inputs as { spec: ClusterSpec };
  expect(spec).not.toHaveProperty("plugins");
  expect(spec.postgresql.parameters).not.toHaveProperty("archive_timeout");
});

test("an existing store is taken as it is: its address and its Secret, and nothing is made", async () => {
  const config = {
    backupStore: "existing",
    backupEndpointUrl: "https://s3.example.com",
    backupCredentialsSecret: "mine",
    backupPrefix: "shop",
  };
  const program = await run("local", { config });
  expect(program.get(objectStoreType).inputs).toMatchObject({
    spec: {
      configuration: {
        destinationPath: "s3://naytife-postgres-backups/shop",
        endpointURL: "https://s3.example.com",
        s3Credentials: { accessKeyId: { name: "mine", key: "ACCESS_KEY_ID" } },
      },
    },
  });
  expect(program.registrations.filter(({ name }) => /store$|bucket/.test(name))).toEqual([]);
});

test("does not care where it is started", async () => {
  const before = process.cwd();
  process.chdir("/");
  try {
    expect(await valueOf((await run("local")).result.readme)).toContain("# naytife-postgres");
  } finally {
    process.chdir(before);
  }
});

test("without a migration and without backups nothing is run, and no report is given", async () => {
  const { registrations, result } = await run("local", { config: { migrationEnabled: "false", backupStore: "none" } });
  expect(registrations.filter(({ type }) => type.startsWith("command:"))).toEqual([]);
  expect(result).not.toHaveProperty("migrationReport");
  expect(result).not.toHaveProperty("migrationTimeToSafe");
});

test("after a rollback applications are told of the old database, when the engine was asked under the stack's new word", async () => {
  const program = await run("local", { config: { activeDatabase: "source" } });
  const { registrations, result } = program;
  const engine = program.get("command:local:Command", "migration-engine-source");
  expect(engine.name).toBe("migration-engine-source");
  expect(engine.inputs.environment).toMatchObject({ NAYTIFE_ACTIVE_DATABASE: "source" });
  const url = "postgresql://naytife:p%40ss%2Fw%C3%B6rd@postgres.naytife.svc:5432/naytifedb?sslmode=prefer";
  expect(await valueOf(result.DATABASE_URL)).toBe(url);
  expect(await isSecret(result.DATABASE_URL_DIRECT)).toBe(true);
  expect(await valueOf(result.databaseHost)).toBe("postgres.naytife.svc");
  const secret = program.get("kubernetes:core/v1:Secret", "naytife-postgres-connection");
  const { value } = secret.inputs.data as Secret;
  const settings = await stackSettings({ stack: "local", name: "", context: "", config: {} });
  // What the rollback wrote there, to the letter: the API server would refuse anything else as a conflict.
  const written = Object.entries(value as Record<string, string>).map(([key, text]) => [
    key,
    Buffer.from(text, "base64").toString(),
  ]);
  expect(Object.fromEntries(written)).toEqual(sourceConnection(settings, mockPassword));
  const size = program.get("kubernetes:postgresql.cnpg.io/v1:ClusterPatch");
  expect(program.get("naytife:postgres:Growth").dependencies).toContain(engine.urn);
  expect(registrations.find(({ urn }) => urn === secret.parent)?.dependencies).toContain(size.urn);
});

test("after a recovery the stack means the recovered Cluster everywhere, as `npm run recover` made it", async () => {
  const program = await run("production", {
    config: { clusterName: "naytife-postgres-r1", recoverFrom: "naytife-postgres" },
  });
  const cluster = program.get(clusterType, "naytife-postgres-r1");
  const { spec } = cluster.inputs as { spec: ClusterSpec };
  expect((await cnpgSchema("clusters"))(cluster.inputs)).toEqual([]);
  expect(cluster.inputs).toMatchObject({ metadata: { name: "naytife-postgres-r1" } });
  const { values, stack } = recoverySettings(
    await stackValues({ stack: "production", name: "", config: { clusterName: "naytife-postgres-r1" } }),
  );
  const made = recoveringCluster({
    name: "naytife-postgres-r1",
    namespace: values.namespace,
    spec: specOfStack(values, stack.target.secretName),
    source: { objectStore: "naytife-postgres-backups", serverName: "naytife-postgres" },
    database: { database: values.databaseName, owner: values.databaseUser, secret: stack.target.secretName },
    annotations: {},
  });
  expect(made.spec).toMatchObject({
    bootstrap: spec.bootstrap,
    externalClusters: spec.externalClusters,
    plugins: spec.plugins,
  });
  expect(program.get(poolerType).inputs).toMatchObject({ spec: { cluster: { name: "naytife-postgres-r1" } } });
  expect(program.get(scheduledBackupType).inputs).toMatchObject({
    metadata: { name: "naytife-postgres-r1-daily" },
    spec: { cluster: { name: "naytife-postgres-r1" } },
  });
  expect(program.get(sizeType).inputs).toMatchObject({ metadata: { name: "naytife-postgres-r1" } });
  expect(await valueOf(program.result.databaseDirectHost)).toBe("naytife-postgres-r1-rw.naytife-production.svc");
  expect(program.result.databaseCaSecretName).toBe("naytife-postgres-r1-ca");
});

test("a wrong value stops it before anything is registered", async () => {
  const { registrations, result } = await record(() => naytifePostgres().catch((error: unknown) => error), {
    config: stackConfiguration("production", { instances: "2" }),
  });
  expect(result).toMatchObject({
    message: expect.stringMatching(/naytife-postgres:instances is "2".*at least 3 instances/) as unknown,
  });
  expect(registrations).toEqual([]);
});
