import * as pulumi from "@pulumi/pulumi";
import type { ManifestSource } from "./components/manifest";
import { archiveFolder } from "./components/names";
import { exporters } from "./monitoring/settings";
import { fitsConnectionBudget, pooledConnections } from "./postgresql/connection-budget";
import { memorySize } from "./postgresql/memory-size";
import { parametersWithKeys, sharedBuffersFor } from "./postgresql/parameters";
import { quantity } from "./postgresql/quantity";
import { isSchedule } from "./postgresql/schedule";
import { targetTime } from "./recovery/target-time";

/** What one key takes: how its text is read, and the words that tell a person what is allowed. */
interface Rule<Value> {
  readonly allowed: string;
  /** @returns undefined when the text is not allowed */
  readonly read: (text: string) => Value | undefined;
  /** The value is never shown, and must be encrypted in the stack's file. */
  readonly secret?: true;
}

/** A value that may not stand, and why. */
export interface Problem {
  readonly keys: readonly string[];
  readonly values: readonly string[];
  readonly allowed: string;
}

/** The stack's configuration is wrong. Printed without a stack trace; nothing has been registered when it is thrown. */
export class ConfigurationError extends pulumi.RunError {
  constructor(
    readonly project: string,
    readonly problems: readonly Problem[],
  ) {
    const lines = problems.map(({ keys, values, allowed }) => {
      const settings = keys.map((key, index) => `${project}:${key} is ${values[index] ?? "not set"}`);
      return `  - ${settings.join(", ")}; allowed: ${allowed}`;
    });
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    super(
      [
        `The stack's configuration has ${count}. Nothing was changed.`,
        ...lines,
        `Mend with: pulumi config set ${project}:<key> <value>   (Pulumi.yaml describes every key)`,
      ].join("\n"),
    );
  }
}

const dnsLabel = text(
  /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/,
  "a DNS label: up to 63 of a-z, 0-9 and -, e.g. naytife-staging",
);
const dnsName = text(/^(?=.{1,253}$)[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/, "a DNS name, e.g. postgres");
const secretKey = text(/^[-._a-zA-Z0-9]{1,253}$/, "a key of a Secret: letters, digits, -, _ and .");
const identifier = text(
  /^[a-z_][a-z0-9_]{0,62}$/,
  "an identifier: up to 63 of a-z, 0-9 and _, not beginning with a digit",
);
const bytes = quantityOf("a Kubernetes quantity of bytes, e.g. 512Mi or 100Gi", 1);
const cpu = quantityOf("a Kubernetes quantity of cores, e.g. 500m or 2", 0.001);
const memoryParameter = textThat(
  "a PostgreSQL size with a unit, e.g. 64MB",
  (value) => memorySize(value) !== undefined,
);
const derivedMemoryParameter = textThat(
  "a PostgreSQL size with a unit, e.g. 256MB, or empty",
  (value) => value === "" || memorySize(value) !== undefined,
);
const image = text(
  /^[^\s@:]+(:\d+)?(\/[^\s@:]+)+:[\w][\w.-]*(@sha256:[0-9a-f]{64})?$/,
  "an image with a tag, and a digest but in local, e.g. ghcr.io/cloudnative-pg/pgbouncer:1.25.2@sha256:…",
);
const postgresImageMajor = /:(\d+)(?:[.-][^:@/]*)?(?:@sha256:[0-9a-f]{64})?$/;

/** One rule a key of Pulumi.yaml. Defaults are there, not here. */
const rules = {
  environment: oneOf("local", "staging", "production"),
  namespace: dnsLabel,
  // Its content would hold credentials, and stand in clear in the provider's state.
  kubeconfig: text(/^([^\s{][^\r\n]*)?$/, "a path, or empty; the content itself is refused"),
  kubeContext: anyText(),

  operatorChartVersion: text(/^\d+\.\d+\.\d+$/, "an exact chart version, e.g. 0.29.1"),
  operatorImage: image,
  operatorManifest: text(/^(?!http:\/\/).*$/, "a path, an https URL, or empty"),
  operatorManifestSha256: text(/^([0-9a-f]{64})?$/, "64 hexadecimal digits in lower case, or empty"),

  // The operator adds suffixes to it (api/v1/cluster_types.go).
  clusterName: text(/^[a-z]([-a-z0-9]{0,48}[a-z0-9])?$/, "a DNS label of up to 50 characters, e.g. naytife-postgres"),

  storageClass: oneOf("cnpg-local-storage", "cnpg-oci-storage"),
  storageSize: bytes,

  instances: integer(1, 9),
  memory: bytes,
  cpuRequest: cpu,
  cpuLimit: cpu,
  postgresImage: image,
  synchronousReplicas: integer(0, 8),
  dataDurability: oneOf("required", "preferred"),
  podAntiAffinity: oneOf("required", "preferred", "none"),
  switchoverDelay: integer(15, 3600),
  stopDelay: integer(15, 3600),
  smartShutdownTimeout: integer(0, 3600),
  startupProbePeriod: integer(1, 60),
  readinessProbePeriod: integer(1, 60),
  unreadyAfter: integer(5, 600),

  databaseName: identifier,
  databaseUser: identifier,
  databasePassword: {
    allowed: "empty, or 8 to 512 characters of which none is a control character",
    // eslint-disable-next-line no-control-regex -- refusing control characters is the point
    read: (value) => (/^([^\u0000-\u001f\u007f]{8,512})?$/u.test(value) ? value : undefined),
    secret: true,
  } satisfies Rule<string> as Rule<string>,
  databaseSchemas: listOf(identifier),
  databaseSearchPath: listOf(identifier),
  localeProvider: oneOf("builtin", "icu", "libc"),
  locale: text(/^[A-Za-z][\w.@-]*$/, "a locale of the provider, e.g. C.UTF-8"),

  maxConnections: integer(20, 10_000),
  reservedConnections: integer(10, 10_000),
  sharedBuffers: derivedMemoryParameter,
  effectiveCacheSize: derivedMemoryParameter,
  workMem: memoryParameter,
  maintenanceWorkMem: memoryParameter,
  walBuffers: memoryParameter,
  checkpointCompletionTarget: decimal(0, 1),
  defaultStatisticsTarget: integer(1, 10_000),
  randomPageCost: decimal(0, 1000),
  effectiveIoConcurrency: integer(0, 1000),
  logStatement: oneOf("none", "ddl", "mod"),
  logMinDurationStatement: integer(-1, 2_147_483_647),
  logCheckpoints: boolean(),
  logConnections: boolean(),
  logDisconnections: boolean(),
  logLockWaits: boolean(),
  postgresqlParameters: parameters(),

  poolerInstances: integer(1, 20),
  poolerImage: image,
  poolerMode: oneOf("transaction", "session"),
  poolerMaxClientConnections: integer(1000, 50_000),
  poolerDefaultPoolSize: integer(1, 1000),
  poolerMaxDatabaseConnections: integer(1, 1000),
  poolerMaxUserConnections: integer(1, 1000),
  poolerServerCheckDelay: integer(0, 3600),
  poolerServerLoginRetry: integer(1, 60),
  poolerMemoryRequest: bytes,
  poolerMemoryLimit: bytes,
  poolerCpuRequest: cpu,
  poolerCpuLimit: cpu,

  backupStore: oneOf("none", "local", "oci", "existing"),
  backupBucket: text(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "a bucket's name: 3 to 63 of a-z, 0-9, - and ."),
  backupPrefix: text(/^([\w.-]+(\/[\w.-]+)*)?$/, "a path without slashes at its ends, e.g. production, or empty"),
  backupRegion: text(/^[a-z0-9-]{1,64}$/, "a region, e.g. us-phoenix-1"),
  backupEndpointUrl: text(/^(https?:\/\/[^\s/@?#]+)?$/, "scheme and host, e.g. https://s3.example.com, or empty"),
  backupCredentialsSecret: dnsName,
  backupServerName: text(/^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$/, "a DNS label, or empty"),
  backupRetention: text(/^[1-9]\d*[dwm]$/, "days, weeks or months, e.g. 7d, 2w or 1m"),
  backupSchedule: textThat(
    "six fields, seconds first, e.g. 0 0 2 * * *; five would be read with the minutes for seconds, and back up every hour",
    isSchedule,
  ),
  backupTarget: oneOf("prefer-standby", "primary"),
  backupCompression: oneOf("gzip", "lz4", "snappy", "bzip2", "none"),
  backupWalCompression: oneOf("gzip", "lz4", "zstd", "snappy", "xz", "bzip2", "none"),
  backupJobs: integer(1, 32),
  backupWalMaxParallel: integer(1, 32),
  backupRecoveryPoint: integer(15, 86_400),
  backupUploadAllowance: integer(1, 86_400),
  backupArchivingDeadline: integer(10, 3600),
  backupSidecarMemoryRequest: bytes,
  backupSidecarMemoryLimit: bytes,
  backupSidecarCpuRequest: cpu,
  backupSidecarCpuLimit: cpu,
  backupPluginManifest: text(/^(?!http:\/\/)[^\p{Cc}]+$/u, "a path or an https URL"),
  backupPluginManifestSha256: text(/^[0-9a-f]{64}$/, "64 hexadecimal digits in lower case"),
  backupPluginImage: image,
  backupSidecarImage: image,
  backupPluginCertificates: oneOf("generated", "cert-manager"),
  backupCertificateDays: integer(3, 3650),
  backupStoreImage: image,
  backupStoreSize: bytes,
  backupOciTenancy: ocid("tenancy"),
  backupOciCompartment: ocid("compartment", "tenancy"),
  backupOciNamespace: text(/^[a-z0-9-]{1,63}$/, "an Object Storage namespace: a-z, 0-9 and -"),
  backupOciHomeRegion: text(/^([a-z]+(-[a-z]+)+-\d+)?$/, "a region of OCI, e.g. us-phoenix-1, or empty"),
  backupOciUserEmail: text(/^([^\s@]+@[^\s@]+\.[^\s@]+)?$/, "an e-mail address, or empty"),
  backupOciPreviousVersionsDays: integer(1, 3650),
  backupOciAbandonedUploadsDays: integer(1, 3650),
  monitoringEnabled: boolean(),
  monitoringTls: boolean(),
  monitoringScrapeSeconds: integer(5, 60),
  monitoringLabels: labels(),
  monitoringDashboardLabels: labels(),
  monitoringExporters: someOf(...exporters),
  monitoringRunbooks: text(/^[^\s\p{Cc}]*[^\s\p{Cc}/]$/u, "a URL or path without a slash at the end"),
  monitoringPrometheus: text(
    /^([a-z0-9]([-a-z0-9]*[a-z0-9])?\/[a-z0-9]([-a-z0-9]*[a-z0-9])?:[a-z0-9-]+)?$/,
    "<namespace>/<service>:<port>, e.g. monitoring/prometheus-operated:9090, or empty",
  ),
  alertReplicationLagSeconds: integer(1, 3600),
  alertConnectionsPercent: integer(1, 100),
  alertConnectionsCriticalPercent: integer(1, 100),
  alertPoolerWaitSeconds: integer(1, 120),
  alertWalBacklogSegments: integer(1, 10_000),
  alertWalArchiveAgeSeconds: integer(60, 86_400),
  alertBackupAgeHours: integer(1, 744),
  alertDrillAgeDays: integer(1, 93),
  alertVolumeFreePercent: integer(1, 50),
  alertVolumeFullDays: integer(1, 30),
  alertSlotWalPercent: integer(1, 90),
  // The operator renews seven days before the end: a ticket at each renewal would teach nobody anything.
  alertCertificateDays: integer(1, 6),
  alertTransactionSeconds: integer(60, 604_800),
  alertTransactionIdAge: integer(200_000_000, 1_500_000_000),
  alertMigrationHours: integer(1, 336),
  alertQueryMilliseconds: integer(1, 60_000),
  alertAvailabilityPercent: text(/^(9\d(\.\d+)?)$/, "a percentage from 90 to less than 100, e.g. 99.9"),

  drill: boolean(),
  drillSchedule: textThat("the five fields of cron, e.g. 0 23 * * 0", (value) => isSchedule(`0 ${value}`)),
  drillStartingDeadlineMinutes: integer(1, 1440),
  drillDeadlineMinutes: integer(5, 1440),
  drillKeepMinutes: integer(0, 10_080),
  drillHashLimit: bytes,
  drillRecoveryTime: integer(10, 86_400),
  drillMemory: bytes,
  drillCpuRequest: cpu,

  recoverFrom: text(/^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$/, "a DNS label, or empty"),
  recoverAt: textThat(
    "date, time and zone, e.g. 2026-11-21T22:03:10Z, or empty",
    (value) => value === "" || "instant" in targetTime(value, "UTC"),
  ),
  recoveryDeadline: integer(1, 10_080),
  recoveryWait: integer(10, 3600),

  protect: boolean(),
  retainOnDelete: boolean(),

  migrationEnabled: boolean(),
  activeDatabase: oneOf("target", "source"),
  migrationSourceHost: dnsName,
  migrationSourcePort: integer(1, 65_535),
  migrationSourceDatabase: identifier,
  migrationSourceUser: identifier,
  migrationSourceSecret: dnsName,
  migrationSourceSecretKey: secretKey,
  migrationMode: oneOf("offline", "online"),
  migrationJobs: integer(1, 32),
  migrationDumpStorage: bytes,
  migrationRetainDays: integer(0, 365),
  migrationAlias: boolean(),
  // PgBouncer ends a client that waits for two minutes.
  migrationHoldSeconds: integer(1, 100),
};

type Rules = typeof rules;
type Key = keyof Rules;
/** Every key's value. */
export type Values = { readonly [K in Key]: Rules[K] extends Rule<infer Value> ? Value : never };

/** Every key, in the order of Pulumi.yaml. */
export const keys = Object.keys(rules) as readonly Key[];

/** The stack's configuration, complete and valid. One field a key of Pulumi.yaml, where each is described. */
export type Configuration = Omit<Values, "databasePassword"> & {
  /** undefined: a random one is made. */
  readonly databasePassword: pulumi.Output<string> | undefined;
};

/** A rule about several keys at once. It is asked only when each of them is valid by itself. */
interface CrossRule {
  readonly keys: readonly Key[];
  readonly allowed: (values: Values) => string;
  readonly holds: (values: Values) => boolean;
  /** A preview goes without: what is missing is known to its owner alone. */
  readonly beforeUpdate?: true;
}

/** OCI's smallest block volume; a smaller claim is made this size and billed as such. */
const ociMinimumStorage = "50Gi";
/** CNPG needs this long after the smart shutdown to stop an instance (docs/src/instance_manager.md). */
const minimumFastShutdown = 15;
/** Seconds. Each archive_timeout finishes a segment of 16 MB while anything is written: shorter ones would flood the archive. */
const minimumArchiveTimeout = 10;

const crossRules: readonly CrossRule[] = [
  {
    keys: ["instances", "environment"],
    allowed: () => "at least 3 instances in production, so that one may fail while another is updated",
    holds: ({ environment, instances }) => environment !== "production" || instances >= 3,
  },
  {
    keys: ["protect", "environment"],
    allowed: () => "true in production",
    holds: ({ environment, protect }) => environment !== "production" || protect,
  },
  {
    keys: ["retainOnDelete", "environment"],
    allowed: () => "true in production",
    holds: ({ environment, retainOnDelete }) => environment !== "production" || retainOnDelete,
  },
  {
    keys: ["podAntiAffinity", "environment"],
    allowed: () => "required in production, else one node's loss may be the database's",
    holds: ({ environment, podAntiAffinity }) => environment !== "production" || podAntiAffinity === "required",
  },
  {
    keys: ["synchronousReplicas", "environment"],
    allowed: () => "at least 1 in production, else a failover loses commits",
    holds: ({ environment, synchronousReplicas }) => environment !== "production" || synchronousReplicas >= 1,
  },
  {
    keys: ["dataDurability", "environment"],
    allowed: () => "required in production, else a failover loses commits",
    holds: ({ environment, dataDurability }) => environment !== "production" || dataDurability === "required",
  },
  ...(["postgresImage", "poolerImage", "operatorImage", "backupPluginImage", "backupSidecarImage"] as const).map(
    (key): CrossRule => ({
      keys: [key, "environment"],
      allowed: () => "tag and digest (@sha256:…) but in local, since a tag alone can be moved",
      holds: (values) => values.environment === "local" || values[key].includes("@sha256:"),
    }),
  ),
  {
    keys: ["synchronousReplicas", "instances"],
    allowed: ({ instances }) => `fewer than instances, at most ${instances - 1}`,
    holds: ({ synchronousReplicas, instances }) => synchronousReplicas < instances,
  },
  {
    keys: ["storageSize", "storageClass"],
    allowed: () => `at least ${ociMinimumStorage}, OCI's smallest block volume`,
    holds: ({ storageClass, storageSize }) =>
      storageClass !== "cnpg-oci-storage" || atMost(ociMinimumStorage, storageSize),
  },
  {
    keys: ["memory", "sharedBuffers"],
    allowed: ({ memory }) => `at most half of memory, e.g. ${sharedBuffersFor(memory)}; the backends need the rest`,
    holds: ({ memory, sharedBuffers }) =>
      sharedBuffers === "" || (memorySize(sharedBuffers) ?? 0) <= (quantity(memory) ?? 0) / 2,
  },
  {
    keys: ["memory", "effectiveCacheSize"],
    allowed: () => "at most memory; the planner would count on a cache that is not there",
    holds: ({ memory, effectiveCacheSize }) =>
      effectiveCacheSize === "" || (memorySize(effectiveCacheSize) ?? 0) <= (quantity(memory) ?? 0),
  },
  {
    keys: ["memory"],
    allowed: () => "at least 512Mi; initdb and the instance manager share it",
    holds: ({ memory }) => atMost("512Mi", memory),
  },
  {
    keys: ["cpuRequest", "cpuLimit"],
    allowed: () => "a request of at most the limit",
    holds: ({ cpuRequest, cpuLimit }) => atMost(cpuRequest, cpuLimit),
  },
  {
    keys: ["poolerCpuRequest", "poolerCpuLimit"],
    allowed: () => "a request of at most the limit",
    holds: ({ poolerCpuRequest, poolerCpuLimit }) => atMost(poolerCpuRequest, poolerCpuLimit),
  },
  {
    keys: ["poolerMemoryRequest", "poolerMemoryLimit"],
    allowed: () => "a request of at most the limit",
    holds: ({ poolerMemoryRequest, poolerMemoryLimit }) => atMost(poolerMemoryRequest, poolerMemoryLimit),
  },
  {
    keys: ["stopDelay", "smartShutdownTimeout"],
    allowed: () => `stopDelay at least ${minimumFastShutdown} seconds longer than smartShutdownTimeout`,
    holds: ({ stopDelay, smartShutdownTimeout }) => stopDelay >= smartShutdownTimeout + minimumFastShutdown,
  },
  {
    keys: ["unreadyAfter", "readinessProbePeriod"],
    allowed: () => "unreadyAfter at least readinessProbePeriod",
    holds: ({ unreadyAfter, readinessProbePeriod }) => unreadyAfter >= readinessProbePeriod,
  },
  {
    keys: ["postgresImage", "localeProvider"],
    allowed: () => "PostgreSQL 14 to 18, the tag beginning with the major version; 15 or later for icu, 17 for builtin",
    holds: ({ postgresImage, localeProvider }) => {
      const major = Number(postgresImageMajor.exec(postgresImage)?.[1]);
      return major >= { libc: 14, icu: 15, builtin: 17 }[localeProvider] && major <= 18;
    },
  },
  {
    keys: ["locale", "localeProvider"],
    allowed: () => "C, C.UTF-8 or PG_UNICODE_FAST with the builtin provider",
    holds: ({ locale, localeProvider }) =>
      localeProvider !== "builtin" || ["C", "C.UTF-8", "PG_UNICODE_FAST"].includes(locale),
  },
  {
    keys: ["databaseName"],
    allowed: () => "a name that PostgreSQL does not use itself",
    holds: ({ databaseName }) => !["postgres", "template0", "template1"].includes(databaseName),
  },
  {
    keys: ["databaseUser"],
    allowed: () => "a role that neither PostgreSQL nor the operator uses itself",
    holds: ({ databaseUser }) =>
      databaseUser !== "postgres" && databaseUser !== "streaming_replica" && !/^(pg|cnpg)_/.test(databaseUser),
  },
  {
    keys: ["activeDatabase", "migrationEnabled"],
    allowed: () => "source only while migrationEnabled is true, since the migration knows the old database",
    holds: ({ activeDatabase, migrationEnabled }) => activeDatabase === "target" || migrationEnabled,
  },
  {
    keys: ["migrationAlias", "migrationSourceDatabase", "databaseName"],
    allowed: () => "the same database name on both sides where the old host name is to lead to the new one",
    holds: ({ migrationAlias, migrationSourceDatabase, databaseName }) =>
      !migrationAlias || migrationSourceDatabase === databaseName,
  },
  {
    keys: ["migrationAlias", "migrationSourceHost", "namespace"],
    allowed: () => "true only for a Service of this namespace",
    holds: ({ migrationAlias, migrationSourceHost, namespace }) =>
      !migrationAlias || (migrationSourceHost.split(".")[1] ?? namespace) === namespace,
  },
  {
    keys: ["operatorManifest", "operatorManifestSha256"],
    allowed: () => "both, or neither",
    holds: ({ operatorManifest, operatorManifestSha256 }) =>
      (operatorManifest === "") === (operatorManifestSha256 === ""),
  },
  {
    keys: ["backupStore", "environment"],
    allowed: () => "local in the local environment alone: the store would be lost with the cluster",
    holds: ({ backupStore, environment }) => backupStore !== "local" || environment === "local",
  },
  {
    keys: ["backupStore", "backupEndpointUrl"],
    allowed: () => "a URL with an existing store, and with no other",
    holds: ({ backupStore, backupEndpointUrl }) => (backupStore === "existing") === (backupEndpointUrl !== ""),
  },
  {
    keys: ["backupStore", "backupRegion"],
    allowed: () => "a region of OCI with the store oci, e.g. us-phoenix-1",
    holds: ({ backupStore, backupRegion }) => backupStore !== "oci" || /^[a-z]+(-[a-z]+)+-\d+$/.test(backupRegion),
  },
  ...(["backupOciTenancy", "backupOciCompartment", "backupOciNamespace"] as const).map((key): CrossRule => ({
    keys: ["backupStore", key],
    allowed: () => "your own with the store oci; this is the example that stands for it in previews",
    holds: (values) => values.backupStore !== "oci" || !/(^|\.)example$/.test(values[key]),
    beforeUpdate: true,
  })),
  {
    keys: ["backupRecoveryPoint", "backupUploadAllowance"],
    allowed: () => `an allowance that leaves at least ${minimumArchiveTimeout} seconds of the recovery point`,
    holds: ({ backupRecoveryPoint, backupUploadAllowance }) =>
      backupRecoveryPoint - backupUploadAllowance >= minimumArchiveTimeout,
  },
  {
    keys: ["backupSidecarMemoryRequest", "backupSidecarMemoryLimit"],
    allowed: () => "a request of at most the limit",
    holds: ({ backupSidecarMemoryRequest, backupSidecarMemoryLimit }) =>
      atMost(backupSidecarMemoryRequest, backupSidecarMemoryLimit),
  },
  {
    keys: ["backupSidecarCpuRequest", "backupSidecarCpuLimit"],
    allowed: () => "a request of at most the limit",
    holds: ({ backupSidecarCpuRequest, backupSidecarCpuLimit }) =>
      atMost(backupSidecarCpuRequest, backupSidecarCpuLimit),
  },
  {
    keys: ["drillDeadlineMinutes", "drillRecoveryTime"],
    allowed: () => "a deadline of more than drillRecoveryTime, else a slow recovery would be ended and not measured",
    holds: ({ drillDeadlineMinutes, drillRecoveryTime }) => drillDeadlineMinutes * 60 > drillRecoveryTime,
  },
  {
    keys: ["recoverFrom", "backupStore"],
    allowed: () => "empty without an object store",
    holds: ({ recoverFrom, backupStore }) => recoverFrom === "" || backupStore !== "none",
  },
  {
    keys: ["recoverFrom", "clusterName", "backupServerName"],
    allowed: () => "another archive than the Cluster's own, which must be empty when it begins",
    holds: (values) => values.recoverFrom !== archiveFolder(values),
  },
  {
    keys: ["recoverAt", "recoverFrom"],
    allowed: () => "a time only together with recoverFrom",
    holds: ({ recoverAt, recoverFrom }) => recoverAt === "" || recoverFrom !== "",
  },
  {
    keys: ["maxConnections", "reservedConnections", "poolerInstances", "poolerMaxDatabaseConnections"],
    allowed: (values) =>
      `(poolerInstances + 1 during an update) × poolerMaxDatabaseConnections + reservedConnections, here ` +
      `${pooledConnections(values) + values.reservedConnections}, at most maxConnections`,
    holds: fitsConnectionBudget,
  },
  {
    keys: ["alertConnectionsPercent", "alertConnectionsCriticalPercent"],
    allowed: () => "a ticket before somebody is woken",
    holds: ({ alertConnectionsPercent, alertConnectionsCriticalPercent }) =>
      alertConnectionsPercent < alertConnectionsCriticalPercent,
  },
  {
    keys: ["poolerDefaultPoolSize", "poolerMaxDatabaseConnections", "poolerMaxUserConnections"],
    allowed: () => "a pool no larger than poolerMaxDatabaseConnections and poolerMaxUserConnections",
    holds: (values) =>
      values.poolerDefaultPoolSize <= Math.min(values.poolerMaxDatabaseConnections, values.poolerMaxUserConnections),
  },
];

/**
 * Reads the stack's configuration. It is the only reader of it.
 *
 * @throws ConfigurationError that lists all problems, before any resource is registered
 */
export function loadConfig(): Configuration {
  const config = new pulumi.Config();
  const { databasePassword, ...values } = validate(
    config.name,
    (key) => config.get(key),
    (key) => isEncrypted(config, key),
    { preview: pulumi.runtime.isDryRun() },
  );
  return {
    ...values,
    databasePassword: databasePassword === "" ? undefined : pulumi.secret(databasePassword),
  };
}

/** Where the operator's release manifest comes from, if it is not the chart that is installed. */
export function operatorManifest(config: Pick<Values, "operatorManifest" | "operatorManifestSha256">): ManifestSource {
  return {
    what: "operator",
    keys: { source: "operatorManifest", sha256: "operatorManifestSha256" },
    source: config.operatorManifest,
    sha256: config.operatorManifestSha256,
  };
}

/** Where the backup plugin's manifest comes from. */
export function backupPluginManifest(
  config: Pick<Values, "backupPluginManifest" | "backupPluginManifestSha256">,
): ManifestSource {
  return {
    what: "backup plugin",
    keys: { source: "backupPluginManifest", sha256: "backupPluginManifestSha256" },
    source: config.backupPluginManifest,
    sha256: config.backupPluginManifestSha256,
  };
}

/** The SDK knows which keys the stack's file holds encrypted, and keeps it out of its declarations. */
function isEncrypted(config: pulumi.Config, key: Key): boolean {
  const { isConfigSecret } = pulumi.runtime as unknown as { isConfigSecret: (fullKey: string) => boolean };
  return isConfigSecret(`${config.name}:${key}`);
}

/**
 * The values of all keys, read from their texts.
 *
 * @param project - in whose namespace the keys are, for the messages
 * @param lookup - text of a key; undefined when it is not set
 * @param encrypted - whether the stack's file holds the key encrypted
 * @param purpose - whether examples may stand for what only an update needs
 * @throws ConfigurationError that lists all problems
 */
export function validate(
  project: string,
  lookup: (key: Key) => string | undefined,
  encrypted: (key: Key) => boolean,
  purpose: { readonly preview: boolean } = { preview: true },
): Values {
  const texts = new Map<string, string | undefined>(keys.map((key) => [key, lookup(key)]));
  const read = new Map<string, unknown>();
  const problems: Problem[] = [];

  const problem = (of: readonly Key[], allowed: string): Problem => ({
    keys: of,
    values: of.map((key) => (rules[key].secret ? "[secret]" : describe(texts.get(key)))),
    allowed,
  });

  for (const key of keys) {
    const rule: Rule<unknown> = rules[key];
    const value = readSafely(rule, texts.get(key));
    if (value === undefined) {
      problems.push(problem([key], rule.allowed));
    } else {
      read.set(key, value);
    }
    if (rule.secret === true && (texts.get(key) ?? "") !== "" && !encrypted(key)) {
      problems.push(
        problem(
          [key],
          "encrypted only; it stands in clear in the stack's file: pulumi config set --secret, and choose another one",
        ),
      );
    }
  }

  // Sound for the rules asked below: each touches only keys that were read.
  const values = Object.fromEntries(read) as Values;
  for (const rule of crossRules.filter((one) => !purpose.preview || one.beforeUpdate !== true)) {
    if (rule.keys.every((key) => read.has(key)) && !rule.holds(values)) {
      problems.push(problem(rule.keys, rule.allowed(values)));
    }
  }

  if (problems.length > 0) {
    throw new ConfigurationError(project, problems);
  }
  return values;
}

function readSafely(rule: Rule<unknown>, value: string | undefined): unknown {
  return value === undefined ? undefined : rule.read(value);
}

/** Shown in a message: quoted, on one line, and not longer than a line. */
function describe(value: string | undefined): string {
  if (value === undefined) {
    return "not set";
  }
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
}

function atMost(smaller: string, larger: string): boolean {
  return (quantity(smaller) ?? 0) <= (quantity(larger) ?? 0);
}

function textThat(allowed: string, holds: (value: string) => boolean): Rule<string> {
  return { allowed, read: (value) => (holds(value) ? value : undefined) };
}

function text(pattern: RegExp, allowed: string): Rule<string> {
  return textThat(allowed, (value) => pattern.test(value));
}

function ocid(...kinds: readonly [string, ...string[]]): Rule<string> {
  return text(
    new RegExp(`^ocid1\\.(${kinds.join("|")})\\.[a-z0-9-]+\\.[a-z0-9-]*\\.[a-z0-9.-]+$`),
    `the OCID of a ${kinds.join(" or ")}, e.g. ocid1.${kinds[0]}.oc1..aaaa…`,
  );
}

function anyText(): Rule<string> {
  return textThat("any text", () => true);
}

function oneOf<const Choice extends string>(...choices: readonly Choice[]): Rule<Choice> {
  return {
    allowed: choices.join(", ").replace(/, ([^,]*)$/, " or $1"),
    read: (value) => choices.find((choice) => choice === value),
  };
}

function boolean(): Rule<boolean> {
  return { allowed: "true or false", read: (value) => ({ true: true, false: false })[value] };
}

function integer(minimum: number, maximum: number): Rule<number> {
  return {
    allowed: `a whole number from ${minimum} to ${maximum}`,
    read: (value) => {
      const number = /^-?\d{1,15}$/.test(value) ? Number(value) : NaN;
      return number >= minimum && number <= maximum ? number : undefined;
    },
  };
}

/** A number that stays text, as PostgreSQL takes it. */
function decimal(minimum: number, maximum: number): Rule<string> {
  return textThat(`a number from ${minimum} to ${maximum}`, (value) => {
    const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : NaN;
    return number >= minimum && number <= maximum;
  });
}

function quantityOf(allowed: string, minimum: number): Rule<string> {
  return textThat(allowed, (value) => (quantity(value) ?? 0) >= minimum);
}

function listOf(rule: Rule<string>): Rule<readonly string[]> {
  return {
    allowed: `a list of one or more, each once, each ${rule.allowed}`,
    read: (value) => {
      const list = parseJson(value);
      if (!Array.isArray(list) || list.length === 0 || new Set(list).size !== list.length) {
        return undefined;
      }
      const items = list.map((item: unknown) => (typeof item === "string" ? rule.read(item) : undefined));
      return items.every((item) => item !== undefined) ? items : undefined;
    },
  };
}

/** Any of these, each once, or none. */
function someOf<const Choice extends string>(...choices: readonly Choice[]): Rule<readonly Choice[]> {
  return {
    allowed: `a list of none or more of ${choices.join(", ")}, each once`,
    read: (value) => {
      const list = parseJson(value);
      if (!Array.isArray(list) || new Set(list).size !== list.length) {
        return undefined;
      }
      const items = list.map((item: unknown) => choices.find((choice) => choice === item));
      return items.every((item) => item !== undefined) ? items : undefined;
    },
  };
}

/** Labels as Kubernetes takes them. */
function labels(): Rule<Readonly<Record<string, string>>> {
  const name = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?$/;
  const content = /^([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?$/;
  return {
    allowed: 'an object of label names and texts, e.g. {"release": "prometheus"}',
    read: (value) => {
      const object = parseJson(value);
      if (typeof object !== "object" || object === null || Array.isArray(object)) {
        return undefined;
      }
      const entries = Object.entries(object);
      return entries.every(
        (entry): entry is [string, string] =>
          name.test(entry[0]) && typeof entry[1] === "string" && content.test(entry[1]),
      )
        ? Object.fromEntries(entries)
        : undefined;
    },
  };
}

/** Parameter names as CNPG's webhook takes them; those that it keeps for itself, or that have keys of their own, are out. */
function parameters(): Rule<Readonly<Record<string, string>>> {
  const name = /^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$/;
  return {
    allowed: `an object of names and texts, without ${parametersWithKeys[0] ?? ""} and the others that have keys of their own`,
    read: (value) => {
      const object = parseJson(value);
      if (typeof object !== "object" || object === null || Array.isArray(object)) {
        return undefined;
      }
      const entries = Object.entries(object);
      return entries.every(
        (entry): entry is [string, string] =>
          typeof entry[1] === "string" && name.test(entry[0]) && !parametersWithKeys.includes(entry[0]),
      )
        ? Object.fromEntries(entries)
        : undefined;
    },
  };
}

function parseJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}
