import { available, unavailable, withinObjective } from "../rules/service-level";
import { recorded, selectors, where } from "../rules/rule";
import type { MonitoringSettings } from "../settings";
import type { Panel, Row } from "./panel";

/** How far back rates look: four scrapes, and twice the half minute for which the exporter keeps its answers. */
const span = "[2m]";

/** All that is shown, the plan's three panels first. No question reads more than the few series that it shows. */
export function rows(settings: MonitoringSettings): Row[] {
  const { watched } = settings;
  return [
    status(settings),
    serviceLevel(settings),
    instances(settings),
    ...(watched.instances > 1 ? [replication(settings)] : []),
    pooler(settings),
    backups(settings),
    storage(settings),
    statements(settings),
    ...(watched.exporters.includes("kube-state-metrics") ? [migration(settings)] : []),
    operator(settings),
  ].filter(({ panels }) => panels.length > 0);
}

function status(settings: MonitoringSettings): Row {
  const { watched, thresholds } = settings;
  const { instance } = selectors(settings);
  const { namespace, service } = where(settings);
  return {
    title: "PostgreSQL",
    panels: [
      {
        title: "Cluster status",
        description: "A primary answers, and nobody waits long at the pooler.",
        kind: "stat",
        unit: "none",
        queries: [{ expr: recorded(settings, available) }],
        words: { "0": { text: "away", color: "red" }, "1": { text: "serves", color: "green" } },
      },
      {
        title: "Connections",
        description: "Server connections in use, by instance. The pooler keeps those of the primary few.",
        kind: "lines",
        unit: "none",
        queries: [
          { expr: `sum by (pod) (cnpg_backends_total{${instance}})`, legend: "{{pod}}" },
          { expr: `max(cnpg_pg_settings_setting{${instance},name="max_connections"})`, legend: "max_connections" },
        ],
      },
      {
        title: "Replication lag",
        description: "How long ago the primary wrote what each replica replays. 0 while there is nothing to replay.",
        kind: "lines",
        unit: "s",
        limits: { amber: thresholds.replicationLagSeconds / 2, red: thresholds.replicationLagSeconds },
        queries: [{ expr: `max by (pod) (cnpg_pg_replication_lag{${instance}})`, legend: "{{pod}}" }],
      },
      {
        title: "Instances that answer",
        description: `Of ${watched.instances}.`,
        kind: "stat",
        unit: "none",
        limits: { amber: watched.instances, red: watched.instances - 1 },
        // Of nothing there is no count, and "No data" is not the red nought that it should be.
        queries: [{ expr: `count(count by (pod) (cnpg_pg_replication_in_recovery{${instance}})) or vector(0)` }],
      },
      {
        title: "Roles",
        description: "Who is the primary.",
        kind: "values",
        unit: "none",
        queries: [{ expr: `max by (pod) (cnpg_pg_replication_in_recovery{${instance}})`, legend: "{{pod}}" }],
        words: { "0": { text: "primary", color: "green" }, "1": { text: "replica", color: "green" } },
      },
      {
        title: "Alerts that fire",
        description: "Empty is good.",
        kind: "values",
        unit: "none",
        limits: { amber: 1, red: 1 },
        queries: [
          {
            expr: `count by (alertname, severity) (ALERTS{alertstate="firing",namespace="${namespace}",service="${service}"})`,
            legend: "{{severity}}: {{alertname}}",
          },
        ],
      },
    ],
  };
}

function serviceLevel(settings: MonitoringSettings): Row {
  const { thresholds } = settings;
  const { pool } = selectors(settings);
  const promise = thresholds.availabilityPercent / 100;
  const budget = Number((1 - promise).toPrecision(6));
  const share = (window: Parameters<typeof unavailable>[0]): string => recorded(settings, unavailable(window));
  return {
    title: "Service level",
    panels: [
      {
        title: "Availability, 30 days",
        description: `Promised: ${thresholds.availabilityPercent} %. Inferred from the exporters, not probed from outside.`,
        kind: "stat",
        unit: "percentunit",
        decimals: 3,
        limits: { amber: promise + budget / 2, red: promise },
        queries: [{ expr: `1 - ${share("30d")}` }],
      },
      {
        title: "Error budget left, 30 days",
        description: "1 is all of it, 0 none. Below 0 the promise is broken.",
        kind: "stat",
        unit: "percentunit",
        decimals: 1,
        limits: { amber: 0.5, red: 0 },
        queries: [{ expr: `1 - ${share("30d")} / ${budget}` }],
      },
      {
        title: "Burn rate",
        description: "How many times faster than allowed the budget is used. 1 lasts exactly a month.",
        kind: "lines",
        unit: "none",
        queries: (["1h", "6h", "3d"] as const).map((window) => ({
          expr: `${share(window)} / ${budget}`,
          legend: window,
        })),
      },
      {
        title: `Calls within ${thresholds.queryMilliseconds} ms`,
        description:
          "Share of calls that belong to statements whose mean over five minutes is within it. Promised: 95 %. Not a percentile of single calls, which nobody keeps.",
        kind: "lines",
        unit: "percentunit",
        decimals: 1,
        limits: { amber: 0.99, red: 0.95 },
        queries: [{ expr: recorded(settings, withinObjective) }],
      },
      {
        title: "Mean query, at the pooler",
        description: "Time in which a server connection was busy with a query, without the wait for one.",
        kind: "lines",
        unit: "µs",
        queries: [
          {
            expr: `sum(rate(cnpg_pgbouncer_stats_total_query_time{${pool}}${span})) / sum(rate(cnpg_pgbouncer_stats_total_query_count{${pool}}${span}))`,
          },
        ],
      },
    ],
  };
}

function instances(settings: MonitoringSettings): Row {
  const { instance } = selectors(settings);
  const perSecond = (metric: string): string => `sum by (pod) (rate(${metric}{${instance}}${span}))`;
  return {
    title: "Instances",
    panels: [
      {
        title: "Transactions",
        description: "Committed and rolled back, a second.",
        kind: "lines",
        unit: "ops",
        queries: [
          { expr: perSecond("cnpg_pg_stat_database_xact_commit"), legend: "{{pod}} commits" },
          { expr: perSecond("cnpg_pg_stat_database_xact_rollback"), legend: "{{pod}} rollbacks" },
        ],
      },
      {
        title: "Reads from memory",
        description: "Share of blocks found in shared_buffers. The rest may still come from the page cache.",
        kind: "lines",
        unit: "percentunit",
        queries: [
          {
            expr: `${perSecond("cnpg_pg_stat_database_blks_hit")} / (${perSecond("cnpg_pg_stat_database_blks_hit")} + ${perSecond("cnpg_pg_stat_database_blks_read")})`,
            legend: "{{pod}}",
          },
        ],
      },
      {
        title: "Sessions by state",
        description: "idle in transaction should be none, or short.",
        kind: "lines",
        unit: "none",
        queries: [{ expr: `sum by (state) (cnpg_backends_total{${instance}})`, legend: "{{state}}" }],
      },
      {
        title: "Longest transaction",
        description: "Holds locks, and keeps vacuum from cleaning up.",
        kind: "lines",
        unit: "s",
        queries: [
          { expr: `max by (usename) (cnpg_backends_max_tx_duration_seconds{${instance}})`, legend: "{{usename}}" },
        ],
      },
      {
        title: "Blocked sessions",
        description: "That wait for another one's lock.",
        kind: "lines",
        unit: "none",
        queries: [{ expr: `max by (pod) (cnpg_backends_waiting_total{${instance}})`, legend: "{{pod}}" }],
      },
      {
        title: "Deadlocks",
        description: "A second. Each ended somebody's transaction.",
        kind: "lines",
        unit: "ops",
        queries: [{ expr: perSecond("cnpg_pg_stat_database_deadlocks"), legend: "{{pod}}" }],
      },
      {
        title: "Temporary files",
        description: "Sorts and hashes that did not fit into work_mem: bytes a second.",
        kind: "lines",
        unit: "Bps",
        queries: [{ expr: perSecond("cnpg_pg_stat_database_temp_bytes"), legend: "{{pod}}" }],
      },
      {
        title: "Age of transaction ids",
        description: "Autovacuum freezes from 200 million on. PostgreSQL refuses writes at 2.1 billion.",
        kind: "lines",
        unit: "short",
        limits: { amber: settings.thresholds.transactionIdAge, red: 1.5e9 },
        queries: [{ expr: `max by (datname) (cnpg_pg_database_xid_age{${instance}})`, legend: "{{datname}}" }],
      },
      {
        title: "Running since",
        description: "A restart that nobody asked for shows here.",
        kind: "values",
        unit: "dateTimeFromNow",
        queries: [{ expr: `max by (pod) (cnpg_pg_postmaster_start_time{${instance}}) * 1000`, legend: "{{pod}}" }],
      },
      {
        title: "Checkpoints",
        description: "Requested ones mean that max_wal_size is small for what is written.",
        kind: "lines",
        unit: "ops",
        queries: [
          { expr: perSecond("cnpg_pg_stat_checkpointer_checkpoints_timed"), legend: "{{pod}} timed" },
          { expr: perSecond("cnpg_pg_stat_checkpointer_checkpoints_req"), legend: "{{pod}} requested" },
        ],
      },
    ],
  };
}

function replication(settings: MonitoringSettings): Row {
  const { instance } = selectors(settings);
  const by = "application_name";
  return {
    title: "Replication",
    panels: [
      {
        title: "Behind the primary",
        description: "WAL that each replica has yet to replay.",
        kind: "lines",
        unit: "bytes",
        queries: [
          { expr: `max by (${by}) (cnpg_pg_stat_replication_replay_diff_bytes{${instance}})`, legend: `{{${by}}}` },
        ],
      },
      {
        title: "Time until replayed",
        description: "Between a write on the primary and its being visible on the replica.",
        kind: "lines",
        unit: "s",
        queries: [
          { expr: `max by (${by}) (cnpg_pg_stat_replication_replay_lag_seconds{${instance}})`, legend: `{{${by}}}` },
        ],
      },
      {
        title: "Synchronous replicas",
        description: "That must confirm a commit: as configured, and as the server asks.",
        kind: "lines",
        unit: "none",
        queries: [
          { expr: `max(cnpg_collector_sync_replicas{${instance},value="expected"})`, legend: "configured" },
          {
            expr: `max(cnpg_collector_sync_replicas{${instance},value="observed"} and on (pod) cnpg_pg_replication_in_recovery{${instance}} == 0)`,
            legend: "asked by the primary",
          },
        ],
      },
      {
        title: "WAL receivers",
        description: "1 on each replica, 0 on the primary.",
        kind: "lines",
        unit: "none",
        queries: [{ expr: `max by (pod) (cnpg_pg_replication_is_wal_receiver_up{${instance}})`, legend: "{{pod}}" }],
      },
      {
        title: "Timelines",
        description: "All should be on the same one. Each promotion begins a new one.",
        kind: "values",
        unit: "none",
        queries: [{ expr: `max by (pod) (cnpg_naytife_timeline_id{${instance}})`, legend: "{{pod}}" }],
      },
      {
        title: "WAL held by slots",
        description: "On the primary.",
        kind: "lines",
        unit: "bytes",
        queries: [
          {
            expr: `max by (slot_name) (cnpg_pg_replication_slots_pg_wal_lsn_diff{${instance}} and on (pod) cnpg_pg_replication_in_recovery{${instance}} == 0)`,
            legend: "{{slot_name}}",
          },
        ],
      },
    ],
  };
}

function pooler(settings: MonitoringSettings): Row {
  const { pool, pooler: pods } = selectors(settings);
  const sum = (metric: string, legend: string) => ({ expr: `sum(cnpg_pgbouncer_pools_${metric}{${pool}})`, legend });
  return {
    title: "Pooler",
    panels: [
      {
        title: "Clients",
        description: "Waiting ones have sent a query and have no server connection yet.",
        kind: "lines",
        unit: "none",
        queries: [
          sum("cl_active", "active"),
          sum("cl_waiting", "waiting"),
          { expr: `sum(cnpg_pgbouncer_lists_used_clients{${pods}})`, legend: "connected" },
        ],
      },
      {
        title: "Connections to PostgreSQL",
        description: "All busy and clients waiting: the pool is too small, or statements are too slow.",
        kind: "lines",
        unit: "none",
        queries: [sum("sv_active", "busy"), sum("sv_idle", "idle"), sum("sv_used", "idle, to be checked")],
      },
      {
        title: "Longest wait",
        description: "Of the client that has waited longest now.",
        kind: "lines",
        unit: "s",
        limits: { amber: 1, red: settings.thresholds.poolerWaitSeconds },
        queries: [{ expr: `max by (pod) (cnpg_pgbouncer_pools_maxwait{${pool}})`, legend: "{{pod}}" }],
      },
      {
        title: "Queries",
        description: "A second, by pod of the pooler.",
        kind: "lines",
        unit: "ops",
        queries: [
          { expr: `sum by (pod) (rate(cnpg_pgbouncer_stats_total_query_count{${pool}}${span}))`, legend: "{{pod}}" },
        ],
      },
      {
        title: "Time spent waiting",
        description: "By all clients together, a second: 1 s is one client that waits always.",
        kind: "lines",
        unit: "µs",
        queries: [
          { expr: `sum by (pod) (rate(cnpg_pgbouncer_stats_total_wait_time{${pool}}${span}))`, legend: "{{pod}}" },
        ],
      },
    ],
  };
}

function backups(settings: MonitoringSettings): Row {
  const { watched, thresholds } = settings;
  const { instance } = selectors(settings);
  const plugin = (metric: string): string => `max(barman_cloud_cloudnative_pg_io_${metric}{${instance}} > 0)`;
  const drillPanels: Panel[] = [
    {
      title: "Last good drill",
      description: "When a restore was last seen to work.",
      kind: "stat",
      unit: "s",
      limits: { amber: thresholds.drillAgeDays * 86_400 - 86_400, red: thresholds.drillAgeDays * 86_400 },
      queries: [{ expr: `time() - max(cnpg_naytife_drill_last_success_timestamp_seconds{${instance}} > 0)` }],
    },
    {
      title: "Recovery time, by the last drill",
      description: "From the order to restore to the first query that was answered. Promised: 15 minutes.",
      kind: "stat",
      unit: "s",
      limits: { amber: 600, red: 900 },
      queries: [{ expr: `max(cnpg_naytife_drill_rto_seconds{${instance}})` }],
    },
    {
      title: "Loss, by the last drill",
      description: "From a commit to its arrival in the object store. Promised: a minute.",
      kind: "stat",
      unit: "s",
      limits: { amber: 60, red: 300 },
      queries: [{ expr: `max(cnpg_naytife_drill_rpo_seconds{${instance}})` }],
    },
  ];
  const panels: Panel[] = [
    {
      title: "What would be lost now",
      description:
        "Seconds since the last WAL file was archived: an upper bound of what the loss of the whole cluster costs. It grows, for nothing, while nobody writes. Promised: a minute.",
      kind: "lines",
      unit: "s",
      limits: { amber: thresholds.walArchiveAgeSeconds, red: 3 * thresholds.walArchiveAgeSeconds },
      queries: [{ expr: `max(cnpg_pg_stat_archiver_seconds_since_last_archival{${instance}})` }],
    },
    {
      title: "Last base backup",
      description: "Its age.",
      kind: "stat",
      unit: "s",
      limits: { amber: thresholds.backupAgeHours * 3600 - 3600, red: thresholds.backupAgeHours * 3600 },
      queries: [{ expr: `time() - ${plugin("last_available_backup_timestamp")}` }],
    },
    {
      title: "Recoverable back to",
      description: "The oldest moment that a restore can reach.",
      kind: "stat",
      unit: "dateTimeAsIso",
      queries: [{ expr: `${plugin("first_recoverability_point")} * 1000` }],
    },
    {
      title: "WAL files that wait",
      description: "To be archived, on the primary.",
      kind: "lines",
      unit: "none",
      limits: { amber: thresholds.walBacklogSegments / 2, red: thresholds.walBacklogSegments },
      queries: [
        {
          expr: `max by (pod) (cnpg_collector_pg_wal_archive_status{${instance},value="ready"} and on (pod) cnpg_pg_replication_in_recovery{${instance}} == 0)`,
          legend: "{{pod}}",
        },
      ],
    },
    {
      title: "WAL archived and failed",
      description: "Files a second.",
      kind: "lines",
      unit: "ops",
      queries: [
        { expr: `sum(rate(cnpg_pg_stat_archiver_archived_count{${instance}}${span}))`, legend: "archived" },
        { expr: `sum(rate(cnpg_pg_stat_archiver_failed_count{${instance}}${span}))`, legend: "failed" },
      ],
    },
    {
      title: "WAL written",
      description: "Bytes a second, by the primary.",
      kind: "lines",
      unit: "Bps",
      queries: [{ expr: `max by (pod) (rate(cnpg_collector_wal_bytes{${instance}}${span}))`, legend: "{{pod}}" }],
    },
  ];
  const drills = watched.drillCronJob !== undefined;
  return { title: "WAL and backups", panels: watched.backups ? [...panels, ...(drills ? drillPanels : [])] : [] };
}

function storage(settings: MonitoringSettings): Row {
  const { instance, volume, certificate } = selectors(settings);
  const claim = "max by (persistentvolumeclaim)";
  const kubelet: Panel = {
    title: "Volumes, free",
    description: "Share that is left.",
    kind: "lines",
    unit: "percentunit",
    limits: { amber: 0.2, red: settings.thresholds.volumeFreePercent / 100 },
    queries: [
      {
        expr: `${claim} (kubelet_volume_stats_available_bytes{${volume}}) / ${claim} (kubelet_volume_stats_capacity_bytes{${volume}})`,
        legend: "{{persistentvolumeclaim}}",
      },
    ],
  };
  const certificates: Panel = {
    title: "Certificates end in",
    description: "The operator renews its own a week before.",
    kind: "values",
    unit: "s",
    limits: { amber: 7 * 86_400, red: settings.thresholds.certificateDays * 86_400 },
    queries: [
      { expr: `min by (secret_name) (x509_cert_not_after{${certificate}}) - time()`, legend: "{{secret_name}}" },
    ],
  };
  const has = (exporter: (typeof settings.watched.exporters)[number]): boolean =>
    settings.watched.exporters.includes(exporter);
  return {
    title: "Storage and certificates",
    panels: [
      {
        title: "Databases",
        description: "Size on the primary.",
        kind: "lines",
        unit: "bytes",
        queries: [{ expr: `max by (datname) (cnpg_pg_database_size_bytes{${instance}})`, legend: "{{datname}}" }],
      },
      {
        title: "WAL directory",
        description: "Grows while a slot or the archive holds it back.",
        kind: "lines",
        unit: "bytes",
        queries: [{ expr: `max by (pod) (cnpg_collector_pg_wal{${instance},value="size"})`, legend: "{{pod}}" }],
      },
      ...(has("kubelet") ? [kubelet] : []),
      ...(has("x509-certificate-exporter") ? [certificates] : []),
    ],
  };
}

function statements(settings: MonitoringSettings): Row {
  const { instance } = selectors(settings);
  const rate = (metric: string): string =>
    `sum by (queryid) (rate(cnpg_naytife_statements_${metric}{${instance}}[5m]))`;
  return {
    title: "Statements",
    panels: [
      {
        title: "By time",
        description:
          "The ten that took most time: seconds of execution a second. Their texts: pg_stat_statements, by queryid.",
        kind: "lines",
        unit: "s",
        queries: [{ expr: `topk(10, ${rate("exec_seconds")})`, legend: "{{queryid}}" }],
      },
      {
        title: "By calls",
        description: "The ten that were called most, a second.",
        kind: "lines",
        unit: "ops",
        queries: [{ expr: `topk(10, ${rate("calls")})`, legend: "{{queryid}}" }],
      },
      {
        title: "Slowest on average",
        description: "Mean over five minutes of the ten slowest.",
        kind: "lines",
        unit: "s",
        limits: { amber: settings.thresholds.queryMilliseconds / 1000, red: 1 },
        queries: [
          { expr: `topk(10, ${rate("exec_seconds")} / on (queryid) (${rate("calls")} > 0))`, legend: "{{queryid}}" },
        ],
      },
    ],
  };
}

function migration(settings: MonitoringSettings): Row {
  const { migration: job } = selectors(settings);
  return {
    title: "Migration",
    panels: [
      {
        title: "Running for",
        description: "The migration's Job. Empty when none runs. `npm run migration -- status` says how far it is.",
        kind: "stat",
        unit: "s",
        queries: [
          {
            expr: `time() - max(kube_job_status_start_time{${job}} and on (job_name) kube_job_status_active{${job}} > 0)`,
          },
        ],
      },
      {
        title: "Failed",
        description: "Whether the last run of the Job failed. Empty when there is none.",
        kind: "stat",
        unit: "none",
        queries: [{ expr: `max(kube_job_failed{${job},condition="true"})` }],
        words: { "0": { text: "no", color: "green" }, "1": { text: "yes", color: "red" } },
      },
    ],
  };
}

function operator(settings: MonitoringSettings): Row {
  const { operator: target, plugin } = selectors(settings);
  return {
    title: "Operator",
    panels: [
      {
        title: "Answers",
        description: "The operator's and the backup plugin's metrics.",
        kind: "values",
        unit: "none",
        queries: [
          { expr: `max(up{${target}})`, legend: "operator" },
          ...(settings.watched.backups ? [{ expr: `max(up{${plugin}})`, legend: "backup plugin" }] : []),
        ],
        words: { "0": { text: "no", color: "red" }, "1": { text: "yes", color: "green" } },
      },
      {
        title: "Reconciliations",
        description: "A second, and those that failed.",
        kind: "lines",
        unit: "ops",
        queries: [
          {
            expr: `sum by (controller) (rate(controller_runtime_reconcile_total{${target}}${span}))`,
            legend: "{{controller}}",
          },
          {
            expr: `sum by (controller) (rate(controller_runtime_reconcile_errors_total{${target}}${span}))`,
            legend: "{{controller}} failed",
          },
        ],
      },
      {
        title: "Waiting to be reconciled",
        description: "0 nearly always.",
        kind: "lines",
        unit: "none",
        queries: [{ expr: `max by (name) (workqueue_depth{${target}})`, legend: "{{name}}" }],
      },
    ],
  };
}
