import { names } from "../components/names";
import { podMonitorName } from "../components/monitoring";
import type { Values } from "../config";
import { quantity } from "../postgresql/quantity";
import type { MonitoringSettings } from "./settings";

/**
 * What to watch, and when to speak, by the stack's configuration.
 *
 * @param there - what other parts of the stack are there: they have configuration of their own
 */
export function monitoringSettings(
  config: Omit<Values, "databasePassword">,
  there: Pick<MonitoringSettings["watched"], "backups" | "drillCronJob" | "sourceWatch">,
): MonitoringSettings {
  return {
    watched: {
      stack: config.environment,
      namespace: config.namespace,
      operatorNamespace: names.operatorNamespace,
      cluster: config.clusterName,
      pooler: names.pooler,
      migrationJob: `${config.clusterName}-migration`,
      ...there,
      podMonitors: {
        operator: podMonitorName(config.clusterName, "operator"),
        plugin: podMonitorName(config.clusterName, "plugin"),
      },
      instances: config.instances,
      synchronousReplicas: config.synchronousReplicas,
      dataDurability: config.dataDurability,
      spread: config.podAntiAffinity !== "none",
      volumeBytes: quantity(config.storageSize) ?? 0,
      poolerInstances: config.poolerInstances,
      poolerMaxClientConnections: config.poolerMaxClientConnections,
      tls: config.monitoringTls,
      exporters: config.monitoringExporters,
    },
    thresholds: {
      replicationLagSeconds: config.alertReplicationLagSeconds,
      connectionsPercent: config.alertConnectionsPercent,
      connectionsCriticalPercent: config.alertConnectionsCriticalPercent,
      poolerWaitSeconds: config.alertPoolerWaitSeconds,
      walBacklogSegments: config.alertWalBacklogSegments,
      walArchiveAgeSeconds: config.alertWalArchiveAgeSeconds,
      backupAgeHours: config.alertBackupAgeHours,
      drillAgeDays: config.alertDrillAgeDays,
      volumeFreePercent: config.alertVolumeFreePercent,
      volumeFullDays: config.alertVolumeFullDays,
      slotWalPercent: config.alertSlotWalPercent,
      certificateDays: config.alertCertificateDays,
      transactionSeconds: config.alertTransactionSeconds,
      transactionIdAge: config.alertTransactionIdAge,
      migrationHours: config.alertMigrationHours,
      queryMilliseconds: config.alertQueryMilliseconds,
      availabilityPercent: Number(config.alertAvailabilityPercent),
    },
    runbooks: config.monitoringRunbooks,
  };
}
