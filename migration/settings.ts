import { names } from "../components/names";
import type { Values } from "../config";
import type { Settings } from "./engine/settings";

/**
 * What the stack's configuration says about its migration. The one place where it is read out of it: the program's `up` and
 * `npm run migration` mean the same source, the same target and the same objects.
 */
export function migrationSettings(config: Omit<Values, "databasePassword">): Settings {
  return {
    kubeconfig: config.kubeconfig,
    context: config.kubeContext,
    namespace: config.namespace,
    source: {
      host: config.migrationSourceHost,
      port: config.migrationSourcePort,
      database: config.migrationSourceDatabase,
      user: config.migrationSourceUser,
      secretName: config.migrationSourceSecret,
      secretKey: config.migrationSourceSecretKey,
    },
    target: {
      cluster: config.clusterName,
      database: config.databaseName,
      owner: config.databaseUser,
      secretName: names.credentialsSecret,
      searchPath: [...config.databaseSearchPath],
    },
    // The Cluster's own.
    image: "",
    mode: config.migrationMode,
    jobs: config.migrationJobs,
    dump: { size: config.migrationDumpStorage, storageClass: config.storageClass },
    retainDays: config.migrationRetainDays,
    ...(config.migrationAlias ? { alias: { holdSeconds: config.migrationHoldSeconds } } : {}),
  };
}

/** Name of the CronJob that looks at the old database after the cut-over; undefined: nobody would tell what it finds, or that database is in use. */
export function sourceWatchName(
  config: Pick<
    Values,
    "clusterName" | "migrationEnabled" | "activeDatabase" | "monitoringEnabled" | "monitoringExporters"
  >,
): string | undefined {
  const told = config.monitoringEnabled && config.monitoringExporters.includes("kube-state-metrics");
  return config.migrationEnabled && config.activeDatabase === "target" && told
    ? `${config.clusterName}-source-watch`
    : undefined;
}
