import { fires, quiet, type Case } from "./case";
import { instancePod, series } from "./example";

const archiver = (metric: string, number = 1): string => series.instance(`cnpg_pg_stat_archiver_${metric}`, number);
const ready = (number: number): string =>
  series.instance("cnpg_collector_pg_wal_archive_status", number, `value="ready"`);
const inRecovery = (number: number): string => series.instance("cnpg_pg_replication_in_recovery", number);
const backup = (metric: string, number = 1): string =>
  series.instance(`barman_cloud_cloudnative_pg_io_${metric}`, number);
const lastGood = (number = 1): string => backup("last_available_backup_timestamp", number);
const lastFailed = backup("last_failed_backup_timestamp");
const lastDrill = series.instance("cnpg_naytife_drill_last_success_timestamp_seconds", 1);
const drillResult = series.instance("cnpg_naytife_drill_result", 1);
const drillMade = series.cronJob("kube_cronjob_created");

/** Prometheus begins these cases at time 0: what lies before it is negative. */
export const backupCases: readonly Case[] = [
  {
    alert: "PostgreSQLWalArchivingFailing",
    story: "the store refuses, then takes it",
    series: { [archiver("last_failed_time")]: "60x20", [archiver("last_archived_time")]: "0x6 420x10" },
    expect: [fires("3m", instancePod(1)), quiet("8m")],
  },
  {
    alert: "PostgreSQLWalArchivingFailing",
    story: "one attempt failed, the next did not",
    series: { [archiver("last_failed_time")]: "-1x2 130x20", [archiver("last_archived_time")]: "100x3 190x20" },
    expect: [quiet("3m"), quiet("6m")],
  },
  {
    alert: "PostgreSQLWalArchivingFailing",
    story: "the statistics are reset after a failure: both times are unknown",
    series: { [archiver("last_failed_time")]: "60x1 -1x20", [archiver("last_archived_time")]: "0x1 -1x20" },
    expect: [quiet("5m")],
  },
  {
    alert: "PostgreSQLWalArchivingStalled",
    story: "the upload hangs for ten minutes",
    series: { [archiver("seconds_since_last_archival")]: "310+60x10 1x10", [ready(1)]: "3x10 0x10" },
    expect: [fires("3m", instancePod(1)), quiet("12m")],
  },
  {
    alert: "PostgreSQLWalArchivingStalled",
    story: "a new primary has archived nothing since it was promoted",
    series: { [archiver("seconds_since_last_archival", 2)]: "-1x10 1x10", [ready(2)]: "1x10 0x10" },
    expect: [fires("3m", instancePod(2)), quiet("12m")],
  },
  {
    alert: "PostgreSQLWalArchivingStalled",
    story: "nobody writes: nothing to archive",
    series: { [archiver("seconds_since_last_archival")]: "5000+60x20", [ready(1)]: "0x20" },
    expect: [quiet("15m")],
  },
  {
    alert: "PostgreSQLWalArchivingStalled",
    story: "a segment is seen on its way, now and then",
    series: { [archiver("seconds_since_last_archival")]: "400 1 400 1 400 1 400 1", [ready(1)]: "1 0 1 0 1 0 1 0" },
    expect: [quiet("4m"), quiet("6m")],
  },
  {
    alert: "PostgreSQLWalBacklog",
    story: "fifteen files wait, then none",
    series: { [inRecovery(1)]: "0x40", [ready(1)]: "15x15 0x10" },
    expect: [fires("11m", instancePod(1), "15"), quiet("18m")],
  },
  {
    alert: "PostgreSQLWalBacklog",
    story: "a replica archives nothing, and the primary has few",
    series: { [inRecovery(1)]: "0x40", [ready(1)]: "5x40", [inRecovery(2)]: "1x40", [ready(2)]: "40x40" },
    expect: [quiet("20m")],
  },
  {
    alert: "PostgreSQLBackupNeverMade",
    story: "an hour without a first backup, then one",
    series: { [lastGood(1)]: "0x70 4200x10", [lastGood(2)]: "0x70 4200x10" },
    expect: [quiet("50m"), fires("1h1m", {}), quiet("1h15m")],
  },
  {
    alert: "PostgreSQLBackupNeverMade",
    story: "a new cluster makes its first backup within minutes",
    series: { [lastGood()]: "0x20 1200x60" },
    expect: [quiet("15m"), quiet("1h10m")],
  },
  {
    alert: "PostgreSQLBackupStale",
    story: "a night without a backup, then one",
    interval: "4m",
    series: { [lastGood(1)]: "3600x410 98400x10", [lastGood(2)]: "3600x410 98400x10" },
    expect: [quiet("26h"), fires("27h12m", {}, "1d 2h 12m 0s"), quiet("27h32m")],
  },
  {
    alert: "PostgreSQLBackupStale",
    story: "none was ever made, which is another alert's matter",
    interval: "4m",
    series: { [lastGood()]: "0x430" },
    expect: [quiet("28h")],
  },
  {
    alert: "PostgreSQLBackupFailed",
    story: "the night's backup fails, the repeated one does not",
    series: { [lastFailed]: "500x20", [lastGood()]: "100x10 700x10" },
    expect: [fires("3m", {}), quiet("13m")],
  },
  {
    alert: "PostgreSQLBackupFailed",
    story: "none failed",
    series: { [lastFailed]: "0x20", [lastGood()]: "100x20" },
    expect: [quiet("10m")],
  },
  {
    alert: "PostgreSQLDrillStale",
    story: "no drill for more than eight days, then one",
    interval: "4m",
    series: { [lastDrill]: "3600x2910 698000x15", [drillMade]: "0x2930" },
    expect: [quiet("192h"), fires("193h12m", {}, "8d 0h 12m 0s"), quiet("194h32m")],
  },
  {
    alert: "PostgreSQLDrillStale",
    story: "none has succeeded since the CronJob was made nine days ago, whatever the first results say",
    series: { [lastDrill]: "0x10", [drillMade]: "-777600x10" },
    expect: [fires("6m", {}, "9d 0h 6m 0s")],
  },
  {
    alert: "PostgreSQLDrillStale",
    story: "the CronJob is new",
    series: { [drillMade]: "0x20" },
    expect: [quiet("15m")],
  },
  {
    alert: "PostgreSQLDrillFailed",
    story: "a drill fails, the next one succeeds",
    series: { [drillResult]: "1x5 0x10 1x10" },
    expect: [quiet("5m"), fires("8m", {}), quiet("17m")],
  },
  {
    alert: "PostgreSQLDrillFailed",
    story: "no drill has ended yet",
    series: { [drillMade]: "0x20" },
    expect: [quiet("10m")],
  },
];
