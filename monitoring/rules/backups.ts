import { drillNames } from "../../drill/names";
import type { MonitoringSettings } from "../settings";
import { kubectl, psql, selectors, type Alert, type Group } from "./rule";

const day = 86_400;

/** Whether what would be lost with the whole cluster lies in the object store, and whether it was seen to come back. */
export function backups(settings: MonitoringSettings): Group {
  const { watched, thresholds } = settings;
  const { instance } = selectors(settings);
  const primary = `cnpg_pg_replication_in_recovery{${instance}} == 0`;
  const ready = `max by (pod) (cnpg_collector_pg_wal_archive_status{${instance},value="ready"})`;
  const lastGood = `max(barman_cloud_cloudnative_pg_io_last_available_backup_timestamp{${instance}})`;
  const lastFailed = `max(barman_cloud_cloudnative_pg_io_last_failed_backup_timestamp{${instance}})`;
  const archiver = `${psql(settings)} -c "SELECT * FROM pg_stat_archiver" -x`;
  const list = `${kubectl(settings)} get backups,scheduledbackups`;
  const alerts: Alert[] = [
    {
      name: "PostgreSQLWalArchivingFailing",
      severity: "page",
      expr: `
        max by (pod) (cnpg_pg_stat_archiver_last_failed_time{${instance}})
        > on (pod) max by (pod) (cnpg_pg_stat_archiver_last_archived_time{${instance}})`,
      for: "2m",
      summary: "{{ $labels.pod }} cannot archive its WAL.",
      atStake:
        "What is written now cannot be recovered if the cluster is lost, and the volume fills with the WAL that is kept.",
      firstCommand: archiver,
    },
    {
      name: "PostgreSQLWalArchivingStalled",
      severity: "page",
      // A hang reports no failure. -1: nothing was archived yet, by this primary.
      expr: `
        (
          max by (pod) (cnpg_pg_stat_archiver_seconds_since_last_archival{${instance}}) > ${thresholds.walArchiveAgeSeconds}
          or max by (pod) (cnpg_pg_stat_archiver_seconds_since_last_archival{${instance}}) < 0
        )
        and on (pod) ${ready} > 0`,
      for: "2m",
      summary: "{{ $labels.pod }} has WAL to archive, and has archived none for long.",
      atStake: "What is written now cannot be recovered if the cluster is lost.",
      firstCommand: archiver,
    },
    {
      name: "PostgreSQLWalBacklog",
      severity: "ticket",
      expr: `${ready} > ${thresholds.walBacklogSegments} and on (pod) (${primary})`,
      for: "10m",
      summary: "{{ $value }} WAL files of {{ $labels.pod }} wait to be archived.",
      atStake: "More than the promised minute would be lost with the cluster: the store is slower than the writers.",
      firstCommand: archiver,
    },
    {
      name: "PostgreSQLBackupNeverMade",
      severity: "ticket",
      expr: `${lastGood} == 0`,
      for: "1h",
      summary: "There is no base backup.",
      atStake: "WAL without a base backup restores nothing: the loss of the cluster is the loss of everything.",
      firstCommand: list,
    },
    {
      name: "PostgreSQLBackupStale",
      severity: "ticket",
      expr: `time() - (${lastGood} > 0) > ${thresholds.backupAgeHours * 3600}`,
      for: "5m",
      summary: "The last base backup is {{ $value | humanizeDuration }} old.",
      atStake:
        "A restore replays all WAL since, and takes longer each day; once retention removes the last backup there is none.",
      firstCommand: list,
    },
    {
      name: "PostgreSQLBackupFailed",
      severity: "ticket",
      expr: `${lastFailed} > ${lastGood}`,
      for: "1m",
      summary: "The last base backup failed.",
      atStake: "The one before it still restores. The next failure makes it stale.",
      firstCommand: list,
    },
  ];
  return { name: "naytife-postgres-backups", recordings: [], alerts: watched.backups ? alerts : [] };
}

/** Whether a restore was seen to work, by the weekly drill, which leaves its results in a database of its own for the primary's exporter to read. */
export function drills(settings: MonitoringSettings): Group {
  const { watched, thresholds } = settings;
  const { instance, drill } = selectors(settings);
  const lastGood = `max(cnpg_naytife_drill_last_success_timestamp_seconds{${instance}} > 0)`;
  const jobs = `${kubectl(settings)} get cronjobs,jobs | grep drill`;
  const report = `${kubectl(settings)} get configmap ${drillNames.report} -o jsonpath='{.data.report\\.json}'`;
  const alerts: Alert[] = [
    {
      name: "PostgreSQLDrillStale",
      severity: "ticket",
      // Where none has succeeded yet: since the CronJob was made, which kube-state-metrics knows.
      expr: `
        time() - (
          ${watched.exporters.includes("kube-state-metrics") ? `${lastGood} or max(kube_cronjob_created{${drill}})` : lastGood}
        ) > ${thresholds.drillAgeDays * day}`,
      for: "5m",
      summary: "No restore drill has succeeded for {{ $value | humanizeDuration }}.",
      atStake: "Nobody knows that the backups restore, nor how long it takes.",
      firstCommand: jobs,
    },
    {
      name: "PostgreSQLDrillFailed",
      severity: "ticket",
      expr: `max(cnpg_naytife_drill_result{${instance}}) == 0`,
      for: "1m",
      summary: "The last restore drill failed, or was killed.",
      atStake:
        "The backups may not restore. Take it for a failure of the backups until it is known to be one of the drill.",
      // Its log goes with its Job, within the hour.
      firstCommand: report,
    },
  ];
  return { name: "naytife-postgres-drills", recordings: [], alerts: watched.drillCronJob === undefined ? [] : alerts };
}
