import { fires, quiet, type Case } from "./case";
import { instancePod, series } from "./example";

const inRecovery = (number: number): string => series.instance("cnpg_pg_replication_in_recovery", number);
const xidAge = series.instance("cnpg_pg_database_xid_age", 1, `datname="naytifedb"`);
const mxidAge = series.instance("cnpg_pg_database_mxid_age", 1, `datname="naytifedb"`);
const naytifedb = { datname: "naytifedb" };

export const availabilityCases: readonly Case[] = [
  {
    alert: "PostgreSQLPrimaryDown",
    story: "the primary dies, and the promotion takes four minutes",
    interval: "15s",
    series: { [inRecovery(1)]: "0x4 stale", [inRecovery(2)]: "1x20 0x20" },
    expect: [quiet("3m"), fires("3m30s", {}), quiet("5m30s")],
  },
  {
    alert: "PostgreSQLPrimaryDown",
    story: "a planned switchover leaves a minute without a primary",
    interval: "15s",
    series: { [inRecovery(1)]: "0x4 stale _x3 1x20", [inRecovery(2)]: "1x8 0x20" },
    expect: [quiet("2m"), quiet("3m"), quiet("4m"), quiet("6m")],
  },
  {
    alert: "PostgreSQLPrimaryDown",
    story: "a rolling update: each instance restarts, with two switchovers",
    interval: "15s",
    series: {
      [inRecovery(1)]: "0x40 stale _x4 1x60",
      [inRecovery(2)]: "1x20 stale _x4 1x19 0x60",
      [inRecovery(3)]: "1x4 stale _x4 1x100",
    },
    expect: [quiet("4m"), quiet("8m"), quiet("11m"), quiet("13m"), quiet("15m")],
  },
  {
    alert: "PostgreSQLPrimaryDown",
    story: "nothing is scraped at all",
    series: { [series.pooler("cnpg_pgbouncer_lists_pools", "a")]: "2x10" },
    expect: [quiet("1m"), fires("3m", {})],
  },
  {
    alert: "PostgreSQLTwoPrimaries",
    story: "the old primary comes back and goes on as primary",
    series: { [inRecovery(1)]: "0x20 1x10", [inRecovery(2)]: "0x30" },
    expect: [fires("3m", {}, "2"), quiet("22m")],
  },
  {
    alert: "PostgreSQLTwoPrimaries",
    story: "a switchover, and the old primary's last answer in the cache",
    interval: "15s",
    series: { [inRecovery(1)]: "0x10 1x20", [inRecovery(2)]: "1x7 0x30" },
    expect: [quiet("2m30s"), quiet("4m30s")],
  },
  {
    alert: "PostgreSQLTwoPrimaries",
    story: "a pod comes back with a new address, so that its series is there twice for a moment",
    series: {
      [inRecovery(1)]: "0x30",
      'cnpg_pg_replication_in_recovery{namespace="naytife-production",pod="naytife-postgres-1",instance="10.0.0.9:9187"}':
        "0x30",
    },
    expect: [quiet("5m")],
  },
  {
    alert: "PostgreSQLInstanceDown",
    story: "a replica is lost, and is there again after twenty minutes",
    series: { [inRecovery(1)]: "0x60", [inRecovery(2)]: "1x60", [inRecovery(3)]: "1x5 stale _x20 1x30" },
    expect: [quiet("15m"), fires("17m", {}, "2"), quiet("30m")],
  },
  {
    alert: "PostgreSQLInstanceDown",
    story: "a rolling update restarts one after the other",
    series: {
      [inRecovery(1)]: "0x60",
      [inRecovery(2)]: "1x10 stale _x3 1x40",
      [inRecovery(3)]: "1x4 stale _x3 1x40",
    },
    expect: [quiet("6m"), quiet("12m"), quiet("16m"), quiet("20m")],
  },
  {
    alert: "PostgreSQLInstanceDown",
    story: "no instance answers",
    series: { [series.pooler("cnpg_pgbouncer_lists_pools", "a")]: "2x20" },
    expect: [fires("11m", {}, "0")],
  },
  {
    alert: "PostgreSQLFailover",
    story: "a replica takes over",
    series: { [inRecovery(1)]: "0x5 stale _x5 1x40", [inRecovery(2)]: "1x7 0x40" },
    expect: [quiet("5m"), fires("11m", instancePod(2)), quiet("20m")],
  },
  {
    alert: "PostgreSQLFailover",
    story: "the primary restarts and stays the primary",
    series: { [inRecovery(1)]: "0x5 stale _x3 0x40", [inRecovery(2)]: "1x40" },
    expect: [quiet("10m"), quiet("16m"), quiet("22m")],
  },
  {
    alert: "PostgreSQLInstanceFenced",
    story: "a replica is fenced for a quarter of an hour",
    series: { [series.instance("cnpg_collector_fencing_on", 2)]: "0x2 1x15 0x10" },
    expect: [quiet("10m"), fires("14m", instancePod(2)), quiet("20m")],
  },
  {
    alert: "PostgreSQLInstanceFenced",
    story: "nobody is fenced",
    series: { [series.instance("cnpg_collector_fencing_on", 2)]: "0x30" },
    expect: [quiet("20m")],
  },
  {
    alert: "PostgreSQLInstancesOnOneNode",
    story: "all moved to one node, and then apart again",
    series: {
      [series.instance("cnpg_collector_nodes_used", 1)]: "1x30 3x10",
      [inRecovery(1)]: "0x40",
      [inRecovery(2)]: "1x40",
    },
    expect: [fires("16m", {}), quiet("33m")],
  },
  {
    alert: "PostgreSQLInstancesOnOneNode",
    story: "a lone instance that has yet to grow",
    series: { [series.instance("cnpg_collector_nodes_used", 1)]: "1x40", [inRecovery(1)]: "0x40" },
    expect: [quiet("20m")],
  },
  {
    alert: "PostgreSQLInstancesOnOneNode",
    story: "the operator cannot tell",
    series: {
      [series.instance("cnpg_collector_nodes_used", 1)]: "-1x40",
      [inRecovery(1)]: "0x40",
      [inRecovery(2)]: "1x40",
    },
    expect: [quiet("20m")],
  },
  {
    alert: "PostgreSQLExporterFailing",
    story: "a query fails, and is mended",
    series: { [series.instance("cnpg_last_error", 1)]: "1x15 0x10" },
    expect: [fires("11m", instancePod(1)), quiet("17m")],
  },
  {
    alert: "PostgreSQLExporterFailing",
    story: "the answers grow old",
    series: {
      [series.instance("cnpg_last_error", 1)]: "0x40",
      [series.instance("cnpg_last_update_timestamp", 1)]: "0x20 1200+60x20",
    },
    expect: [quiet("14m"), fires("16m", instancePod(1)), quiet("25m")],
  },
  {
    alert: "PostgreSQLExporterFailing",
    story: "all is well",
    series: {
      [series.instance("cnpg_last_error", 1)]: "0x30",
      [series.instance("cnpg_collector_last_collection_error", 1)]: "0x30",
      [series.instance("cnpg_last_update_timestamp", 1)]: "0+60x30",
    },
    expect: [quiet("25m")],
  },
  {
    alert: "PostgreSQLTransactionIdAge",
    story: "vacuum does not get on, then does",
    series: { [xidAge]: "6e8x20 1e6x10", [mxidAge]: "10x30" },
    expect: [fires("11m", naytifedb, "600M"), quiet("25m")],
  },
  {
    alert: "PostgreSQLTransactionIdAge",
    story: "multixacts alone grow old",
    series: { [xidAge]: "1e6x30", [mxidAge]: "6e8x20 10x10" },
    expect: [fires("11m", naytifedb, "600M"), quiet("25m")],
  },
  {
    alert: "PostgreSQLTransactionIdAge",
    story: "ages that autovacuum allows",
    series: { [xidAge]: "2e8x30", [mxidAge]: "4e8x30" },
    expect: [quiet("20m")],
  },
  {
    alert: "PostgreSQLTransactionIdWraparound",
    story: "three quarters of the way, then vacuumed",
    series: { [xidAge]: "16e8x10 1e6x10", [mxidAge]: "10x20" },
    expect: [fires("3m", naytifedb, "1.6G"), quiet("12m")],
  },
  {
    alert: "PostgreSQLTransactionIdWraparound",
    story: "old, but a ticket's matter",
    series: { [xidAge]: "14e8x20", [mxidAge]: "10x20" },
    expect: [quiet("10m")],
  },
];
