import { fires, quiet, type Case } from "./case";
import { series } from "./example";

const operatorUp = series.operator("up");
const pluginUp = series.plugin("up");
const errors = series.operator("controller_runtime_reconcile_errors_total", `controller="cluster"`);
const migrationJob = (metric: string, labels = ""): string => series.job(metric, "naytife-postgres-migration", labels);
const watchJob = (at: string, reason: string): string =>
  series.job("kube_job_status_failed", `naytife-postgres-source-watch-${at}`, `reason="${reason}"`);
const migration = { job_name: "naytife-postgres-migration" };

export const machineryCases: readonly Case[] = [
  {
    alert: "PostgreSQLOperatorDown",
    story: "it crashes for a quarter of an hour",
    series: { [operatorUp]: "1x3 0x15 1x10" },
    expect: [quiet("10m"), fires("15m", {}), quiet("21m")],
  },
  {
    alert: "PostgreSQLOperatorDown",
    story: "its target is gone",
    series: { [pluginUp]: "1x20" },
    expect: [fires("11m", {})],
  },
  {
    alert: "PostgreSQLOperatorDown",
    story: "it is updated: three minutes",
    series: { [operatorUp]: "1x3 0x2 1x20" },
    expect: [quiet("5m"), quiet("12m"), quiet("18m")],
  },
  {
    alert: "PostgreSQLOperatorErrors",
    story: "two failures a minute, for forty minutes",
    series: { [errors]: "0+2x40 80x40" },
    expect: [fires("30m", { controller: "cluster" }, "30"), quiet("1h")],
  },
  {
    alert: "PostgreSQLOperatorErrors",
    story: "a restart resets a high counter",
    series: { [errors]: "500x20 0x40" },
    expect: [quiet("25m"), quiet("40m")],
  },
  {
    alert: "PostgreSQLOperatorErrors",
    story: "a few conflicts, as they come with every update",
    series: { [errors]: "0x5 0+1x8 8x40" },
    expect: [quiet("20m"), quiet("30m")],
  },
  {
    alert: "PostgreSQLBackupPluginDown",
    story: "it crashes for a quarter of an hour",
    series: { [pluginUp]: "1x3 0x15 1x10", [operatorUp]: "1x40" },
    expect: [quiet("10m"), fires("15m", {}), quiet("21m")],
  },
  {
    alert: "PostgreSQLBackupPluginDown",
    story: "it is replaced: its Deployment stops the old one first",
    series: { [pluginUp]: "1x3 0x2 1x20" },
    expect: [quiet("5m"), quiet("16m")],
  },
  {
    alert: "PostgreSQLMigrationStuck",
    story: "it has run for twelve hours, and ends",
    series: {
      [migrationJob("kube_job_status_start_time")]: "-43000x30",
      [migrationJob("kube_job_status_active")]: "1x20 0x10",
    },
    expect: [quiet("5m"), fires("10m", migration, "12h 6m 40s"), quiet("22m")],
  },
  {
    alert: "PostgreSQLMigrationStuck",
    story: "it began an hour ago; an older one has ended",
    series: {
      [migrationJob("kube_job_status_start_time")]: "-3600x30",
      [migrationJob("kube_job_status_active")]: "1x30",
      [series.job("kube_job_status_start_time", "naytife-postgres-other")]: "-90000x30",
      [series.job("kube_job_status_active", "naytife-postgres-other")]: "1x30",
    },
    expect: [quiet("20m")],
  },
  {
    alert: "PostgreSQLMigrationFailed",
    story: "it fails, and the next run takes its place",
    series: { [migrationJob("kube_job_failed", `condition="true"`)]: "1x5 stale" },
    expect: [fires("3m", migration), quiet("7m")],
  },
  {
    alert: "PostgreSQLSourceOpen",
    story: "somebody opens the old database, for two looks; the Jobs that found it are swept later",
    series: {
      [watchJob("29000001", "BackoffLimitExceeded")]: "_x4 1x7 stale",
      [watchJob("29000005", "BackoffLimitExceeded")]: "_x8 1x7 stale",
    },
    expect: [quiet("3m"), fires("5m", {}), fires("14m", {}), quiet("17m")],
  },
  {
    alert: "PostgreSQLSourceOpen",
    story: "a look was ended since it hung, and another CronJob's failed",
    series: {
      [watchJob("29000001", "DeadlineExceeded")]: "1x10",
      [watchJob("29000001", "BackoffLimitExceeded")]: "0x10",
      [series.job(
        "kube_job_status_failed",
        "naytife-postgres-restore-drill-29000001",
        `reason="BackoffLimitExceeded"`,
      )]: "1x10",
    },
    expect: [quiet("8m")],
  },
  {
    alert: "PostgreSQLMigrationFailed",
    story: "it runs",
    series: {
      [migrationJob("kube_job_failed", `condition="true"`)]: "0x10",
      [migrationJob("kube_job_failed", `condition="false"`)]: "1x10",
    },
    expect: [quiet("8m")],
  },
];
