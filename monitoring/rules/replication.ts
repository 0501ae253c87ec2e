import type { MonitoringSettings } from "../settings";
import { kubectl, psql, selectors, type Alert, type Group } from "./rule";

/** Whether what is committed lies on more than one instance. A cluster of one instance has nothing to ask. */
export function replication(settings: MonitoringSettings): Group {
  const { watched, thresholds } = settings;
  const { instance } = selectors(settings);
  const replicas = `application_name=~"${watched.cluster}-[0-9]+"`;
  const primary = `cnpg_pg_replication_in_recovery{${instance}} == 0`;
  const senders = `${psql(settings)} -c "SELECT application_name, state, sync_state, replay_lag, sent_lsn, replay_lsn FROM pg_stat_replication"`;
  const synchronous: Alert[] = [
    {
      name: "PostgreSQLSynchronousReplicaMissing",
      severity: watched.dataDurability === "required" ? "page" : "ticket",
      // Counted by the replicas' names: a base backup and a joining instance are WAL senders too. Where there is no primary another alert speaks.
      expr: `
        (
          count(count by (application_name) (cnpg_pg_stat_replication_write_diff_bytes{${instance},${replicas}}))
          or count(${primary}) * 0
        ) < ${watched.synchronousReplicas}`,
      for: "2m",
      summary: `{{ $value }} of ${watched.synchronousReplicas} synchronous replicas are connected to the primary.`,
      atStake:
        watched.dataDurability === "required"
          ? "Every commit hangs until a replica confirms it: the shop is down for whoever writes."
          : "Commits are confirmed though only the primary has them: its loss now loses orders.",
      firstCommand: senders,
    },
    {
      name: "PostgreSQLSynchronousReplicationRelaxed",
      severity: "ticket",
      // "observed" is what the server's synchronous_standby_names ask for; on an instance that was the primary once it keeps its last value.
      expr: `
        max by (pod) (cnpg_collector_sync_replicas{${instance},value="observed"})
        < on (pod) max by (pod) (cnpg_collector_sync_replicas{${instance},value="expected"})
        and on (pod) (${primary})`,
      for: "10m",
      summary: "The primary {{ $labels.pod }} asks {{ $value }} replicas to confirm a commit, fewer than configured.",
      atStake: "A confirmed commit may be on the primary alone: its loss now loses orders.",
      firstCommand: `${psql(settings)} -c "SHOW synchronous_standby_names"`,
    },
  ];
  const alerts: Alert[] = [
    {
      name: "PostgreSQLReplicationLag",
      severity: "ticket",
      expr: `max by (pod) (cnpg_pg_replication_lag{${instance}}) > ${thresholds.replicationLagSeconds}`,
      for: "5m",
      summary: "{{ $labels.pod }} is {{ $value | humanizeDuration }} behind the primary.",
      atStake: "What is read from it is old, and a failover to it takes as long as it needs to catch up.",
      firstCommand: senders,
    },
    {
      name: "PostgreSQLReplicaNotStreaming",
      severity: "ticket",
      expr: `
        max by (pod) (cnpg_pg_replication_in_recovery{${instance}}) == 1
        and on (pod) max by (pod) (cnpg_pg_replication_is_wal_receiver_up{${instance}}) == 0`,
      for: "10m",
      summary: "{{ $labels.pod }} receives no WAL from the primary.",
      atStake: "It falls behind, and the primary keeps WAL for it until its volume or its slot's limit is full.",
      firstCommand: `${kubectl(settings)} logs {{ $labels.pod }} -c postgres --since=15m | tail -40`,
    },
    {
      name: "PostgreSQLTimelineDivergence",
      severity: "ticket",
      expr: `
        max by (pod) (cnpg_naytife_timeline_id{${instance}})
        != on () group_left () max(cnpg_naytife_timeline_id{${instance}})`,
      for: "10m",
      summary: "{{ $labels.pod }} is on timeline {{ $value }}, which is not the newest.",
      atStake:
        "It did not follow the last failover, holds none of what was written since, and cannot be promoted without losing it.",
      firstCommand: `${kubectl(settings)} logs {{ $labels.pod }} -c postgres --since=1h | grep -i -e timeline -e rewind`,
    },
    ...(watched.synchronousReplicas > 0 ? synchronous : []),
  ];
  const slots: Alert = {
    name: "PostgreSQLReplicationSlotHoldsWal",
    severity: "ticket",
    expr: `
      max by (pod, slot_name) (cnpg_pg_replication_slots_pg_wal_lsn_diff{${instance}})
      > ${Math.round((watched.volumeBytes * thresholds.slotWalPercent) / 100)}
      and on (pod) (${primary})`,
    for: "10m",
    summary: "Slot {{ $labels.slot_name }} holds {{ $value | humanize1024 }}B of WAL on {{ $labels.pod }}.",
    atStake: "WAL fills the primary's volume until PostgreSQL stops.",
    firstCommand: `${psql(settings)} -c "SELECT slot_name, slot_type, active, wal_status, pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) FROM pg_replication_slots"`,
  };
  return {
    name: "naytife-postgres-replication",
    recordings: [],
    alerts: [...(watched.instances > 1 ? alerts : []), slots],
  };
}
