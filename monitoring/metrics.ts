/** Who exports a series. */
export type Source =
  | "instance"
  | "pooler"
  | "operator"
  | "plugin"
  | "backup"
  | "prometheus"
  | "kubelet"
  | "kube-state-metrics"
  | "x509-certificate-exporter";

/** What is known of a metric. */
export interface Metric {
  readonly source: Source;
  readonly type: "counter" | "gauge" | "histogram";
  /** When there may be no such series though all is well. Of any other metric the absence is a fault, and alerted. */
  readonly absentWhen?: string;
}

const instance = (type: Metric["type"], absentWhen?: string): Metric => described("instance", type, absentWhen);
const pooler = (type: Metric["type"], absentWhen?: string): Metric => described("pooler", type, absentWhen);

function described(source: Source, type: Metric["type"], absentWhen?: string): Metric {
  return { source, type, ...(absentWhen === undefined ? {} : { absentWhen }) };
}

const noReplicas = "the cluster is one instance";
const noTraffic = "no client has come since the pooler started";
const noDrill = "no drill has ended yet";
const noJob = "no such Job has run";

/**
 * Every metric that a rule or a panel may use, and nothing else may be used: a name that nobody exports is an alert that never fires.
 *
 * Instance (port 9187) and pooler (port 9127): CloudNativePG 1.30.0, config/manager/default-monitoring.yaml,
 * pkg/management/postgres/webserver/metricserver/pg_collector.go, pkg/management/postgres/metrics/collector.go and
 * pkg/management/pgbouncer/metricsserver/; test/rules compares them with those files. Two that the exporters' own documents lead one to are left out:
 * cnpg_pgbouncer_up is declared there and never sent, and cnpg_collector_up keeps its last value while the instance manager knows that PostgreSQL is
 * down (fenced, restarting), so it says 1 of a server that does not answer. Series of the queries vanish with the server; those are what we look at.
 */
export const metrics = {
  cnpg_backends_total: instance("gauge"),
  cnpg_backends_max_tx_duration_seconds: instance("gauge"),
  cnpg_backends_waiting_total: instance("gauge"),
  cnpg_pg_database_size_bytes: instance("gauge"),
  cnpg_pg_database_xid_age: instance("gauge"),
  cnpg_pg_database_mxid_age: instance("gauge"),
  cnpg_pg_postmaster_start_time: instance("gauge"),
  cnpg_pg_replication_lag: instance("gauge"),
  cnpg_pg_replication_in_recovery: instance("gauge"),
  cnpg_pg_replication_is_wal_receiver_up: instance("gauge"),
  cnpg_pg_replication_slots_pg_wal_lsn_diff: instance("gauge", noReplicas),
  cnpg_pg_stat_archiver_archived_count: instance("counter"),
  cnpg_pg_stat_archiver_failed_count: instance("counter"),
  cnpg_pg_stat_archiver_seconds_since_last_archival: instance("gauge"),
  cnpg_pg_stat_archiver_last_archived_time: instance("gauge"),
  cnpg_pg_stat_archiver_last_failed_time: instance("gauge"),
  cnpg_pg_stat_checkpointer_checkpoints_timed: instance("counter"),
  cnpg_pg_stat_checkpointer_checkpoints_req: instance("counter"),
  cnpg_pg_stat_database_xact_commit: instance("counter"),
  cnpg_pg_stat_database_xact_rollback: instance("counter"),
  cnpg_pg_stat_database_blks_hit: instance("counter"),
  cnpg_pg_stat_database_blks_read: instance("counter"),
  cnpg_pg_stat_database_deadlocks: instance("counter"),
  cnpg_pg_stat_database_temp_bytes: instance("counter"),
  cnpg_pg_stat_replication_write_diff_bytes: instance("gauge", noReplicas),
  cnpg_pg_stat_replication_replay_diff_bytes: instance("gauge", noReplicas),
  cnpg_pg_stat_replication_replay_lag_seconds: instance("gauge", noReplicas),
  cnpg_pg_settings_setting: instance("gauge"),
  cnpg_last_error: instance("gauge"),
  cnpg_last_update_timestamp: instance("gauge"),
  cnpg_collector_sync_replicas: instance("gauge"),
  cnpg_collector_pg_wal: instance("gauge"),
  cnpg_collector_pg_wal_archive_status: instance("gauge"),
  cnpg_collector_wal_bytes: instance("gauge"),
  cnpg_collector_fencing_on: instance("gauge"),
  cnpg_collector_nodes_used: instance("gauge"),
  cnpg_collector_last_collection_error: instance("gauge"),

  // Ours: monitoring/queries.ts.
  cnpg_naytife_statements_calls: instance("counter"),
  cnpg_naytife_statements_exec_seconds: instance("counter"),
  cnpg_naytife_timeline_id: instance("gauge"),

  // The drill's: drill/metrics.yaml.
  cnpg_naytife_drill_last_success_timestamp_seconds: instance("gauge", noDrill),
  cnpg_naytife_drill_result: instance("gauge", noDrill),
  cnpg_naytife_drill_rto_seconds: instance("gauge", noDrill),
  cnpg_naytife_drill_rpo_seconds: instance("gauge", noDrill),

  cnpg_pgbouncer_lists_pools: pooler("gauge"),
  cnpg_pgbouncer_lists_used_clients: pooler("gauge"),
  cnpg_pgbouncer_pools_cl_active: pooler("gauge"),
  cnpg_pgbouncer_pools_cl_waiting: pooler("gauge"),
  cnpg_pgbouncer_pools_sv_active: pooler("gauge"),
  cnpg_pgbouncer_pools_sv_idle: pooler("gauge"),
  cnpg_pgbouncer_pools_sv_used: pooler("gauge"),
  cnpg_pgbouncer_pools_sv_tested: pooler("gauge"),
  cnpg_pgbouncer_pools_maxwait: pooler("gauge"),
  cnpg_pgbouncer_stats_total_query_count: pooler("counter", noTraffic),
  cnpg_pgbouncer_stats_total_query_time: pooler("counter", noTraffic),
  cnpg_pgbouncer_stats_total_wait_time: pooler("counter", noTraffic),

  // plugin-barman-cloud 0.14, internal/cnpgi/instance/metrics.go: on the instances' port, 0 where there is none. The operator's own
  // cnpg_collector_last_available_backup_timestamp and its like stay 0 with the plugin.
  barman_cloud_cloudnative_pg_io_last_available_backup_timestamp: described("backup", "gauge"),
  barman_cloud_cloudnative_pg_io_last_failed_backup_timestamp: described("backup", "gauge"),
  barman_cloud_cloudnative_pg_io_first_recoverability_point: described("backup", "gauge"),

  // controller-runtime.
  controller_runtime_reconcile_total: described("operator", "counter"),
  controller_runtime_reconcile_errors_total: described("operator", "counter", "no reconciliation has failed yet"),
  workqueue_depth: described("operator", "gauge"),

  // Prometheus itself makes it of each target.
  up: described("prometheus", "gauge"),
  // And this, of each alert that fires.
  ALERTS: described("prometheus", "gauge", "nothing fires"),

  // The kubelet has none for hostPath volumes, which local-path makes.
  kubelet_volume_stats_available_bytes: described("kubelet", "gauge"),
  kubelet_volume_stats_capacity_bytes: described("kubelet", "gauge"),

  kube_job_status_active: described("kube-state-metrics", "gauge", noJob),
  kube_job_status_start_time: described("kube-state-metrics", "gauge", noJob),
  kube_job_failed: described("kube-state-metrics", "gauge", noJob),
  kube_job_status_failed: described("kube-state-metrics", "gauge", noJob),
  kube_cronjob_created: described("kube-state-metrics", "gauge"),

  x509_cert_not_after: described("x509-certificate-exporter", "gauge"),
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof metrics;

/** Names in an expression of what it reads: metrics, and series that a recording rule makes. */
export function metricsIn(expr: string): string[] {
  const words = expr
    .replace(/"(?:[^"\\]|\\.)*"/g, "")
    .replace(/\{[^}]*\}/g, "")
    .replace(/\[[^\]]*\]/g, "")
    .replace(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, "");
  const found = new Set<string>();
  for (const [, word = "", after = ""] of words.matchAll(/(?<![\w:.])([a-zA-Z_:][\w:]*)\s*(\(?)/g)) {
    if (after === "" && !operators.has(word)) found.add(word);
  }
  return [...found];
}

const operators = new Set([
  "and",
  "or",
  "unless",
  "bool",
  "offset",
  "by",
  "on",
  "without",
  "ignoring",
  "group_left",
  "group_right",
  "inf",
  "Inf",
  "nan",
  "NaN",
]);
