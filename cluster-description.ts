import { archiveTimeout } from "./components/backups";
import type { ClusterDescription } from "./components/cluster";
import type { Configuration } from "./config";
import { postgresqlParameters } from "./postgresql/parameters";

/** What other resources give the Cluster. */
type Given = "storageClass" | "credentialsSecret" | "archive" | "recovery";

/**
 * What the stack's configuration says about its Cluster. The one place where it is read out of it: the program and `npm run recover`, which makes a lost one
 * anew, mean the same Cluster.
 */
export function clusterDescription(config: Omit<Configuration, "databasePassword">): Omit<ClusterDescription, Given> {
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
