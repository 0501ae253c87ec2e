import { formatMemorySize } from "./memory-size";
import { quantity } from "./quantity";

/** PostgreSQL settings of an instance, by their names in the stack's configuration. */
export interface ParameterSettings {
  /** Memory of an instance, a Kubernetes quantity. */
  readonly memory: string;
  readonly maxConnections: number;
  /** Empty: derived from memory. */
  readonly sharedBuffers: string;
  /** Empty: derived from memory. */
  readonly effectiveCacheSize: string;
  readonly workMem: string;
  readonly maintenanceWorkMem: string;
  readonly walBuffers: string;
  readonly checkpointCompletionTarget: string;
  readonly defaultStatisticsTarget: number;
  readonly randomPageCost: string;
  readonly effectiveIoConcurrency: number;
  readonly logStatement: string;
  /** Milliseconds. */
  readonly logMinDurationStatement: number;
  readonly logCheckpoints: boolean;
  readonly logConnections: boolean;
  readonly logDisconnections: boolean;
  readonly logLockWaits: boolean;
  readonly postgresqlParameters: Readonly<Record<string, string>>;
}

/**
 * shared_buffers for an instance with this much memory: an eighth, 256MB of production's 2Gi. The kernel's page cache, which
 * the container's limit counts as well, and up to max_connections backends take the rest.
 */
export function sharedBuffersFor(memory: string): string {
  return formatMemorySize((quantity(memory) ?? 0) / 8);
}

/** effective_cache_size for an instance with this much memory: half, 1GB of production's 2Gi. A hint; nothing is allocated. */
export function effectiveCacheSizeFor(memory: string): string {
  return formatMemorySize((quantity(memory) ?? 0) / 2);
}

/**
 * `spec.postgresql.parameters` of the Cluster. All values are strings; the operator takes no others.
 *
 * Any pg_stat_statements setting makes the operator preload the library and create the extension: it refuses
 * shared_preload_libraries as a parameter (docs/src/postgresql_conf.md, "Managed extensions").
 */
export function postgresqlParameters(settings: ParameterSettings): Record<string, string> {
  return {
    max_connections: String(settings.maxConnections),
    shared_buffers: settings.sharedBuffers || sharedBuffersFor(settings.memory),
    effective_cache_size: settings.effectiveCacheSize || effectiveCacheSizeFor(settings.memory),
    work_mem: settings.workMem,
    maintenance_work_mem: settings.maintenanceWorkMem,
    wal_buffers: settings.walBuffers,
    checkpoint_completion_target: settings.checkpointCompletionTarget,
    default_statistics_target: String(settings.defaultStatisticsTarget),
    random_page_cost: settings.randomPageCost,
    effective_io_concurrency: String(settings.effectiveIoConcurrency),
    log_statement: settings.logStatement,
    log_min_duration_statement: String(settings.logMinDurationStatement),
    log_checkpoints: onOff(settings.logCheckpoints),
    log_connections: onOff(settings.logConnections),
    log_disconnections: onOff(settings.logDisconnections),
    log_lock_waits: onOff(settings.logLockWaits),
    "pg_stat_statements.max": "10000",
    "pg_stat_statements.track": "all",
    ...settings.postgresqlParameters,
  };
}

/** The parameters that have a configuration key of their own, and so may not be set through postgresqlParameters. */
export const parametersWithKeys: readonly string[] = [
  "max_connections",
  "shared_buffers",
  "effective_cache_size",
  "work_mem",
  "maintenance_work_mem",
  "wal_buffers",
  "archive_timeout",
  "checkpoint_completion_target",
  "default_statistics_target",
  "random_page_cost",
  "effective_io_concurrency",
  "log_statement",
  "log_min_duration_statement",
  "log_checkpoints",
  "log_connections",
  "log_disconnections",
  "log_lock_waits",
];

function onOff(value: boolean): string {
  return value ? "on" : "off";
}
