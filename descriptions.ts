/** What the stack's configuration says of each part, read out of it here and nowhere else: the program, the commands and the benchmark mean the same. */
import { archiveTimeout, type ArchiveDescription } from "./components/backups";
import type { BarmanPluginArgs } from "./components/barman-plugin";
import type { ClusterDescription } from "./components/cluster";
import type { PoolerDescription } from "./components/pooler";
import type { Configuration } from "./config";
import { postgresqlParameters } from "./postgresql/parameters";

type Settings = Omit<Configuration, "databasePassword">;

/** What other resources give the Cluster. */
type Given = "storageClass" | "credentialsSecret" | "archive" | "recovery";

/** The Cluster: the program's, and the one that `npm run recover` makes anew when it is lost. */
export function clusterDescription(config: Settings): Omit<ClusterDescription, Given> {
  return {
    namespaceName: config.namespace,
    instances: config.instances,
    image: config.postgresImage,
    storageSize: config.storageSize,
    memory: config.memory,
    cpuRequest: config.cpuRequest,
    cpuLimit: config.cpuLimit,
    synchronousReplicas: config.synchronousReplicas,
    dataDurability: config.dataDurability,
    podAntiAffinity: config.podAntiAffinity,
    switchoverDelay: config.switchoverDelay,
    stopDelay: config.stopDelay,
    smartShutdownTimeout: config.smartShutdownTimeout,
    startupProbePeriod: config.startupProbePeriod,
    readinessProbePeriod: config.readinessProbePeriod,
    unreadyAfter: config.unreadyAfter,
    databaseName: config.databaseName,
    databaseUser: config.databaseUser,
    schemas: config.databaseSchemas,
    searchPath: config.databaseSearchPath,
    localeProvider: config.localeProvider,
    locale: config.locale,
    parameters: {
      ...postgresqlParameters(config),
      ...(config.backupStore === "none"
        ? {}
        : { archive_timeout: archiveTimeout(config.backupRecoveryPoint, config.backupUploadAllowance) }),
    },
  };
}

export function poolerDescription(config: Settings): Omit<PoolerDescription, "cluster"> {
  return {
    instances: config.poolerInstances,
    image: config.poolerImage,
    mode: config.poolerMode,
    maxClientConnections: config.poolerMaxClientConnections,
    defaultPoolSize: config.poolerDefaultPoolSize,
    maxDatabaseConnections: config.poolerMaxDatabaseConnections,
    maxUserConnections: config.poolerMaxUserConnections,
    serverCheckDelay: config.poolerServerCheckDelay,
    serverLoginRetry: config.poolerServerLoginRetry,
    memoryRequest: config.poolerMemoryRequest,
    memoryLimit: config.poolerMemoryLimit,
    cpuRequest: config.poolerCpuRequest,
    cpuLimit: config.poolerCpuLimit,
    metricsTls: config.monitoringEnabled && config.monitoringTls,
  };
}

export function pluginDescription(config: Settings): Omit<BarmanPluginArgs, "manifest" | "retainOnDelete"> {
  return {
    image: config.backupPluginImage,
    sidecarImage: config.backupSidecarImage,
    certificates:
      config.backupPluginCertificates === "cert-manager"
        ? config.backupPluginCertificates
        : { days: config.backupCertificateDays, now: new Date() },
  };
}

export function archiveDescription(config: Settings): Omit<ArchiveDescription, "bucket"> {
  return {
    retention: config.backupRetention,
    compression: config.backupCompression,
    walCompression: config.backupWalCompression,
    jobs: config.backupJobs,
    walMaxParallel: config.backupWalMaxParallel,
    sidecar: {
      memoryRequest: config.backupSidecarMemoryRequest,
      memoryLimit: config.backupSidecarMemoryLimit,
      cpuRequest: config.backupSidecarCpuRequest,
      cpuLimit: config.backupSidecarCpuLimit,
    },
  };
}
