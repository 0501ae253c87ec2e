import type { MonitoringSettings } from "../settings";
import { kubectl, psql, selectors, type Group } from "./rule";

/** Whether clients get a connection, and let it go. */
export function connections(settings: MonitoringSettings): Group {
  const { thresholds } = settings;
  const { instance } = selectors(settings);
  // The last few are kept for superusers: an ordinary client is refused before max_connections is reached, of 60 already at 95 %.
  const used = `
    sum by (pod) (cnpg_backends_total{${instance}})
    / on (pod) (
      max by (pod) (cnpg_pg_settings_setting{${instance},name="max_connections"})
      - on (pod) sum by (pod) (cnpg_pg_settings_setting{${instance},name=~"(superuser_)?reserved_connections"})
    )`;
  const activity = `${psql(settings)} -c "SELECT usename, application_name, client_addr, state, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC LIMIT 20"`;
  return {
    name: "naytife-postgres-connections",
    recordings: [],
    alerts: [
      {
        name: "PostgreSQLConnectionsHigh",
        severity: "ticket",
        expr: `${used} > ${thresholds.connectionsPercent / 100}`,
        for: "5m",
        summary: "{{ $value | humanizePercentage }} of the connections of {{ $labels.pod }} are in use.",
        atStake:
          "When none is left, clients that come directly are refused: schema migrations, Hydra, the metrics themselves.",
        firstCommand: activity,
      },
      {
        name: "PostgreSQLConnectionsExhausted",
        severity: "page",
        expr: `${used} > ${thresholds.connectionsCriticalPercent / 100}`,
        for: "2m",
        summary: "{{ $value | humanizePercentage }} of the connections of {{ $labels.pod }} are in use.",
        atStake: "New connections are refused, or are about to be.",
        firstCommand: activity,
      },
      {
        name: "PostgreSQLLongTransaction",
        severity: "ticket",
        // The migration's and pg_dump's are long by nature.
        expr: `
          max by (pod, datname, usename, application_name) (
            cnpg_backends_max_tx_duration_seconds{${instance},application_name!~"naytife_migration.*|pg_dump.*"}
          ) > ${thresholds.transactionSeconds}`,
        for: "1m",
        summary:
          "A transaction of {{ $labels.usename }} in {{ $labels.datname }} has been open for {{ $value | humanizeDuration }}.",
        atStake: "It holds locks, keeps vacuum from cleaning up, and so makes tables and transaction ids grow.",
        firstCommand: `${psql(settings)} -c "SELECT pid, usename, application_name, state, now() - xact_start AS open, wait_event_type FROM pg_stat_activity WHERE xact_start IS NOT NULL ORDER BY xact_start LIMIT 10"`,
      },
    ],
  };
}

/** Whether the pooler serves those who wait. */
export function pooler(settings: MonitoringSettings): Group {
  const { watched, thresholds } = settings;
  const { pool, pooler: pods } = selectors(settings);
  const sum = (metric: string): string => `sum by (pod) (${metric}{${pool}})`;
  const idle = `sum by (pod) (cnpg_pgbouncer_pools_sv_idle{${pool}} + cnpg_pgbouncer_pools_sv_used{${pool}} + cnpg_pgbouncer_pools_sv_tested{${pool}})`;
  // The pooler's image has no client for PgBouncer's console; its exporter tells the same.
  const show = (what: string): string =>
    `kubectl get --raw "/api/v1/namespaces/${watched.namespace}/pods/${watched.tls ? "https:" : ""}{{ $labels.pod }}:9127/proxy/metrics" | grep ^cnpg_pgbouncer_${what}_`;
  const list = `${kubectl(settings)} get pods -l cnpg.io/poolerName=${watched.pooler} -o wide`;
  return {
    name: "naytife-postgres-pooler",
    recordings: [],
    alerts: [
      {
        name: "PostgreSQLPoolerDown",
        severity: "page",
        // The exporter has this series only where PgBouncer answered it.
        expr: `absent(cnpg_pgbouncer_lists_pools{${pods}})`,
        for: "2m",
        summary: "No pod of the pooler answers.",
        atStake: "Every application that uses DATABASE_URL is without its database.",
        firstCommand: list,
      },
      {
        name: "PostgreSQLPoolerDegraded",
        severity: "ticket",
        expr: `count(count by (pod) (cnpg_pgbouncer_lists_pools{${pods}})) < ${watched.poolerInstances}`,
        for: "10m",
        summary: `{{ $value }} of ${watched.poolerInstances} pods of the pooler answer.`,
        atStake: "The rest carry all clients, and the loss of them is an outage.",
        firstCommand: list,
      },
      {
        name: "PostgreSQLPoolerStuck",
        severity: "page",
        expr: `${sum("cnpg_pgbouncer_pools_cl_waiting")} > 0 and on (pod) (${sum("cnpg_pgbouncer_pools_sv_active")} + on (pod) ${idle}) == 0`,
        for: "2m",
        summary: "{{ $value }} clients wait at {{ $labels.pod }}, and it has not one connection to PostgreSQL.",
        atStake: "The pooler is paused, or does not reach the primary. PgBouncer ends those that wait for two minutes.",
        firstCommand: `${kubectl(settings)} get pooler ${watched.pooler} -o jsonpath='{.spec.pgbouncer.paused} {.status.phase}'`,
      },
      {
        name: "PostgreSQLPoolerExhausted",
        severity: "ticket",
        expr: `
          ${sum("cnpg_pgbouncer_pools_cl_waiting")} > 0
          and on (pod) ${sum("cnpg_pgbouncer_pools_sv_active")} > 0
          and on (pod) ${idle} == 0`,
        for: "5m",
        summary: "{{ $value }} clients wait at {{ $labels.pod }}, whose connections are all busy.",
        atStake: "Every request waits for another one to end. Slow statements, or a pool too small.",
        firstCommand: show("pools"),
      },
      {
        name: "PostgreSQLPoolerWaiting",
        severity: "ticket",
        expr: `max by (pod) (cnpg_pgbouncer_pools_maxwait{${pool}}) > ${thresholds.poolerWaitSeconds}`,
        for: "2m",
        summary: "A client has waited {{ $value | humanizeDuration }} at {{ $labels.pod }} for a connection.",
        atStake: "Customers see slow pages, then errors.",
        firstCommand: show("pools"),
      },
      {
        name: "PostgreSQLPoolerClientsHigh",
        severity: "ticket",
        expr: `max by (pod) (cnpg_pgbouncer_lists_used_clients{${pods}}) / ${watched.poolerMaxClientConnections} > ${thresholds.connectionsPercent / 100}`,
        for: "5m",
        summary: "{{ $labels.pod }} holds {{ $value | humanizePercentage }} of the clients that it may.",
        atStake: "The next ones are refused.",
        firstCommand: show("lists"),
      },
    ],
  };
}
