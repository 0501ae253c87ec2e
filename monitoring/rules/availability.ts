import type { MonitoringSettings } from "../settings";
import { kubectl, psql, selectors, type Group } from "./rule";

/** Whether there is a primary, one only, and as many instances as there should be. */
export function availability(settings: MonitoringSettings): Group {
  const { watched } = settings;
  const { instance } = selectors(settings);
  const cluster = `${kubectl(settings)} get cluster ${watched.cluster}`;
  const pods = `${kubectl(settings)} get pods -l cnpg.io/cluster=${watched.cluster},cnpg.io/podRole=instance -o wide`;
  return {
    name: "naytife-postgres-availability",
    recordings: [],
    alerts: [
      {
        name: "PostgreSQLPrimaryDown",
        severity: "page",
        // Of every kind of death: the pod's, the server's, the node's, a hang. Of a switchover it is silent: that is over in less than two minutes.
        expr: `absent(cnpg_pg_replication_in_recovery{${instance}} == 0)`,
        for: "2m",
        summary: "No PostgreSQL primary answers.",
        atStake:
          "Nothing can be written, and nothing read through the pooler: the shop is down. The operator should have promoted a replica by now.",
        firstCommand: cluster,
      },
      {
        name: "PostgreSQLTwoPrimaries",
        severity: "page",
        // A switchover leaves the old primary's last answer in the exporter's cache for half a minute.
        expr: `count(count by (pod) (cnpg_pg_replication_in_recovery{${instance}} == 0)) > 1`,
        for: "2m",
        summary: "{{ $value }} instances say that they are the primary.",
        atStake: "What is written to the wrong one is lost when it rejoins.",
        firstCommand: pods,
      },
      {
        name: "PostgreSQLInstanceDown",
        severity: "ticket",
        expr: `(count(count by (pod) (cnpg_pg_replication_in_recovery{${instance}})) or vector(0)) < ${watched.instances}`,
        // A rolling update restarts one instance after the other, and a lost one may be cloned anew.
        for: "10m",
        summary: `{{ $value }} of ${watched.instances} PostgreSQL instances answer.`,
        atStake: "One failure less can be borne before the database is down, or before commits hang.",
        firstCommand: pods,
      },
      {
        name: "PostgreSQLFailover",
        severity: "ticket",
        expr: `
          count by (pod) (cnpg_pg_replication_in_recovery{${instance}} == 0)
          and on (pod) count by (pod) (cnpg_pg_replication_in_recovery{${instance}} offset 10m == 1)`,
        for: "0s",
        summary: "{{ $labels.pod }} became the primary within the last ten minutes.",
        atStake:
          "If nobody asked for it, the old primary failed. With synchronous replicas nothing that was confirmed is lost.",
        firstCommand: `${kubectl(settings)} describe cluster ${watched.cluster}`,
      },
      {
        name: "PostgreSQLInstanceFenced",
        severity: "ticket",
        expr: `max by (pod) (cnpg_collector_fencing_on{${instance}}) == 1`,
        for: "10m",
        summary: "{{ $labels.pod }} is fenced.",
        atStake:
          "Its PostgreSQL is stopped on purpose and takes no part in failover until the fence is lifted. It is easily forgotten.",
        firstCommand: `${cluster} -o jsonpath='{.metadata.annotations.cnpg\\.io/fencedInstances}'`,
      },
      ...(watched.spread && watched.instances > 1
        ? [
            {
              name: "PostgreSQLInstancesOnOneNode",
              severity: "ticket" as const,
              expr: `
                max(cnpg_collector_nodes_used{${instance}}) == 1
                and count(count by (pod) (cnpg_pg_replication_in_recovery{${instance}})) > 1`,
              for: "15m",
              summary: "All PostgreSQL instances run on one node.",
              atStake:
                "The loss of that node is the loss of the database until its volumes can be reached from another.",
              firstCommand: pods,
            },
          ]
        : []),
      {
        name: "PostgreSQLExporterFailing",
        severity: "ticket",
        expr: `
          max by (pod) (cnpg_last_error{${instance}}) == 1
          or max by (pod) (cnpg_collector_last_collection_error{${instance}}) == 1
          or time() - max by (pod) (cnpg_last_update_timestamp{${instance}}) > 300`,
        for: "10m",
        summary: "The metrics of {{ $labels.pod }} are incomplete or old.",
        atStake: "Other alerts are blind or look at what was.",
        firstCommand: `${kubectl(settings)} logs {{ $labels.pod }} -c postgres --since=15m | grep '"level":"error"' | tail -5`,
      },
      {
        name: "PostgreSQLTransactionIdAge",
        severity: "ticket",
        expr: `
          max by (datname) (cnpg_pg_database_xid_age{${instance}}) > ${settings.thresholds.transactionIdAge}
          or max by (datname) (cnpg_pg_database_mxid_age{${instance}}) > ${settings.thresholds.transactionIdAge}`,
        for: "10m",
        summary: "Database {{ $labels.datname }} has transaction ids {{ $value | humanize }} old.",
        atStake: "Vacuum does not get on. At 2.1 billion PostgreSQL refuses every write.",
        firstCommand: `${psql(settings)} -c "SELECT datname, age(datfrozenxid), mxid_age(datminmxid) FROM pg_database ORDER BY 2 DESC"`,
      },
      {
        name: "PostgreSQLTransactionIdWraparound",
        severity: "page",
        // PostgreSQL stops 3 million before 2^31.
        expr: `
          max by (datname) (cnpg_pg_database_xid_age{${instance}}) > 1.5e9
          or max by (datname) (cnpg_pg_database_mxid_age{${instance}}) > 1.5e9`,
        for: "2m",
        summary: "Database {{ $labels.datname }} has transaction ids {{ $value | humanize }} old.",
        atStake: "At 2.1 billion PostgreSQL refuses every write until a vacuum is done, which takes hours.",
        firstCommand: `${psql(settings)} -c "SELECT pid, datname, age(backend_xmin), state, query_start FROM pg_stat_activity WHERE backend_xmin IS NOT NULL ORDER BY 3 DESC LIMIT 10"`,
      },
    ],
  };
}
