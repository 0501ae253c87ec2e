import type { Values } from "../config";
import { quantity } from "../postgresql/quantity";
import type { DrillDescription } from "./manifests";

/** What the stack's configuration says about its restore drill. */
export function drillDescription(config: Omit<Values, "databasePassword">): DrillDescription {
  return {
    namespace: config.namespace,
    cluster: config.clusterName,
    database: config.databaseName,
    image: config.postgresImage,
    schedule: config.drillSchedule,
    startingDeadlineMinutes: config.drillStartingDeadlineMinutes,
    deadlineMinutes: config.drillDeadlineMinutes,
    keepMinutes: config.drillKeepMinutes,
    hashLimit: quantity(config.drillHashLimit) ?? 0,
    recoveryTime: config.drillRecoveryTime,
    recoveryPoint: config.backupRecoveryPoint,
    memory: config.drillMemory,
    cpuRequest: config.drillCpuRequest,
  };
}
