import type { MonitoringSettings } from "../settings";
import { kubectl, selectors, type Alert, type Group } from "./rule";

/** Whether those that keep the database alive are alive: the operator, and the backup plugin. */
export function operator(settings: MonitoringSettings): Group {
  const { watched } = settings;
  const { operator: target, plugin } = selectors(settings);
  const inOperatorNamespace = `kubectl -n ${watched.operatorNamespace}`;
  const pluginDown: Alert = {
    name: "PostgreSQLBackupPluginDown",
    severity: "ticket",
    expr: `absent(up{${plugin}} == 1)`,
    for: "10m",
    summary: "The backup plugin does not answer.",
    atStake: "No base backup is made, and the operator cannot change or repair the cluster until the plugin is back.",
    firstCommand: `${inOperatorNamespace} get pods -l app=barman-cloud`,
  };
  return {
    name: "naytife-postgres-operator",
    recordings: [],
    alerts: [
      {
        name: "PostgreSQLOperatorDown",
        severity: "ticket",
        expr: `absent(up{${target}} == 1)`,
        for: "10m",
        summary: "The CloudNativePG operator does not answer.",
        atStake:
          "PostgreSQL goes on, but nothing fails over: the loss of the primary is an outage until the operator is back.",
        firstCommand: `${inOperatorNamespace} get pods -l app.kubernetes.io/name=cloudnative-pg`,
      },
      {
        name: "PostgreSQLOperatorErrors",
        severity: "ticket",
        expr: `sum by (controller) (increase(controller_runtime_reconcile_errors_total{${target}}[15m])) > 10`,
        for: "15m",
        summary:
          "The operator's controller {{ $labels.controller }} failed {{ $value | humanize }} times in a quarter of an hour.",
        atStake: "What was asked for is not done: a replica not made, a certificate not renewed, a backup not begun.",
        firstCommand: `${inOperatorNamespace} logs -l app.kubernetes.io/name=cloudnative-pg --since=15m | grep '"level":"error"' | tail -5`,
      },
      ...(watched.backups ? [pluginDown] : []),
    ],
  };
}

/** Whether the migration's Job gets on, and whether the old database stays closed after it, by kube-state-metrics. */
export function migration(settings: MonitoringSettings): Group {
  const { watched, thresholds } = settings;
  const { migration: job, sourceWatch } = selectors(settings);
  const status = `npm run migration -- status --stack ${watched.stack}`;
  const sourceOpen: Alert = {
    name: "PostgreSQLSourceOpen",
    severity: "page",
    // It ended with an error of its own: one that was ended, or did not start, knows nothing.
    expr: `max(kube_job_status_failed{${sourceWatch},reason="BackoffLimitExceeded"}) > 0`,
    for: "0s",
    summary: "The old database takes connections again, though the migration sealed it.",
    atStake: "Whoever still has the old address writes there, and nobody reads it: those orders are lost.",
    firstCommand: `${status}; ${kubectl(settings)} logs -l app.kubernetes.io/name=${watched.sourceWatch ?? ""} --tail=1 --prefix`,
  };
  const alerts: Alert[] = [
    {
      name: "PostgreSQLMigrationStuck",
      severity: "ticket",
      expr: `
        time() - max by (job_name) (
          kube_job_status_start_time{${job}} and on (job_name) kube_job_status_active{${job}} > 0
        ) > ${thresholds.migrationHours * 3600}`,
      for: "5m",
      summary: "The migration has run for {{ $value | humanizeDuration }}.",
      atStake:
        "An offline migration keeps the shop closed; an online one keeps WAL on the old database's volume until it is full.",
      firstCommand: status,
    },
    {
      name: "PostgreSQLMigrationFailed",
      severity: "ticket",
      expr: `max by (job_name) (kube_job_failed{${job},condition="true"}) == 1`,
      for: "1m",
      summary: "The migration's Job failed.",
      atStake: "Nothing was switched, but the old database may still be frozen, and then the shop cannot write.",
      firstCommand: `${status}; ${kubectl(settings)} logs job/${watched.migrationJob} --tail=40`,
    },
  ];
  const there = watched.exporters.includes("kube-state-metrics");
  return {
    name: "naytife-postgres-migration",
    recordings: [],
    alerts: there ? [...alerts, ...(watched.sourceWatch === undefined ? [] : [sourceOpen])] : [],
  };
}
