import { fires, quiet, type Case } from "./case";
import { instancePod, series } from "./example";

const inRecovery = (number: number): string => series.instance("cnpg_pg_replication_in_recovery", number);
const walReceiver = (number: number): string => series.instance("cnpg_pg_replication_is_wal_receiver_up", number);
const lag = series.instance("cnpg_pg_replication_lag", 2);
const timeline = (number: number): string => series.instance("cnpg_naytife_timeline_id", number);
const sender = (name: string): string =>
  series.instance("cnpg_pg_stat_replication_write_diff_bytes", 1, `application_name="${name}"`);
const synchronous = (number: number, value: "observed" | "expected"): string =>
  series.instance("cnpg_collector_sync_replicas", number, `value="${value}"`);
const slot = (number: number): string =>
  series.instance("cnpg_pg_replication_slots_pg_wal_lsn_diff", number, `slot_name="_cnpg_naytife_postgres_3"`);

export const replicationCases: readonly Case[] = [
  {
    alert: "PostgreSQLReplicationLag",
    story: "a replica falls behind and catches up",
    series: { [lag]: "12x10 0x10" },
    expect: [quiet("4m"), fires("6m", instancePod(2), "12s"), quiet("12m")],
  },
  {
    alert: "PostgreSQLReplicationLag",
    story: "a burst of three minutes, and ten seconds exactly",
    series: { [lag]: "60x3 0x5 10x20" },
    expect: [quiet("4m"), quiet("8m"), quiet("20m")],
  },
  {
    alert: "PostgreSQLReplicaNotStreaming",
    story: "a replica loses its primary, and finds it",
    series: { [inRecovery(2)]: "1x40", [walReceiver(2)]: "0x15 1x20" },
    expect: [fires("11m", instancePod(2)), quiet("17m")],
  },
  {
    alert: "PostgreSQLReplicaNotStreaming",
    story: "a primary has no receiver; a replica that restarts has none for a while",
    series: {
      [inRecovery(1)]: "0x40",
      [walReceiver(1)]: "0x40",
      [inRecovery(2)]: "1x40",
      [walReceiver(2)]: "1x5 0x4 1x30",
    },
    expect: [quiet("8m"), quiet("20m")],
  },
  {
    alert: "PostgreSQLTimelineDivergence",
    story: "a replica does not follow a failover until it is cloned anew",
    series: { [timeline(1)]: "3x40", [timeline(2)]: "2x15 3x20", [timeline(3)]: "3x40" },
    expect: [fires("11m", instancePod(2), "2"), quiet("17m")],
  },
  {
    alert: "PostgreSQLTimelineDivergence",
    story: "all follow a failover within three minutes",
    series: { [timeline(1)]: "2x5 stale _x2 3x30", [timeline(2)]: "2x7 3x30", [timeline(3)]: "2x10 3x30" },
    expect: [quiet("9m"), quiet("12m"), quiet("20m")],
  },
  {
    alert: "PostgreSQLSynchronousReplicaMissing",
    story: "both replicas go; a base backup that runs on is none",
    series: {
      [inRecovery(1)]: "0x40",
      [sender("naytife-postgres-2")]: "0x5 stale _x10 0x10",
      [sender("naytife-postgres-3")]: "0x3 stale",
      [sender("pg_basebackup")]: "0x40",
    },
    expect: [quiet("7m"), fires("9m", {}, "0"), quiet("18m")],
  },
  {
    alert: "PostgreSQLSynchronousReplicaMissing",
    story: "a rolling update: one replica is always there",
    series: {
      [inRecovery(1)]: "0x40",
      [sender("naytife-postgres-2")]: "0x5 stale _x5 0x10",
      [sender("naytife-postgres-3")]: "0x40",
    },
    expect: [quiet("8m"), quiet("10m")],
  },
  {
    alert: "PostgreSQLSynchronousReplicaMissing",
    story: "without a primary there is nothing to count at",
    series: { [inRecovery(2)]: "1x40" },
    expect: [quiet("10m")],
  },
  {
    alert: "PostgreSQLSynchronousReplicationRelaxed",
    story: "the operator lets commits go on without a replica, then not",
    series: {
      [inRecovery(1)]: "0x40",
      [synchronous(1, "observed")]: "0x15 1x20",
      [synchronous(1, "expected")]: "1x40",
    },
    expect: [fires("11m", instancePod(1), "0"), quiet("17m")],
  },
  {
    alert: "PostgreSQLSynchronousReplicationRelaxed",
    story: "a replica that never was the primary observes none",
    series: {
      [inRecovery(1)]: "0x40",
      [synchronous(1, "observed")]: "1x40",
      [synchronous(1, "expected")]: "1x40",
      [inRecovery(2)]: "1x40",
      [synchronous(2, "observed")]: "0x40",
      [synchronous(2, "expected")]: "1x40",
    },
    expect: [quiet("20m")],
  },
  {
    alert: "PostgreSQLReplicationSlotHoldsWal",
    story: "a replica that is gone keeps twelve gigabytes on the primary",
    series: { [inRecovery(1)]: "0x40", [slot(1)]: "12e9x15 0x10" },
    expect: [fires("11m", { ...instancePod(1), slot_name: "_cnpg_naytife_postgres_3" }, "11.18Gi"), quiet("18m")],
  },
  {
    alert: "PostgreSQLReplicationSlotHoldsWal",
    story: "the copies of slots on a replica lag, and the primary's hold little",
    series: { [inRecovery(1)]: "0x40", [slot(1)]: "1e9x40", [inRecovery(2)]: "1x40", [slot(2)]: "12e9x40" },
    expect: [quiet("20m")],
  },
];
