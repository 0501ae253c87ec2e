import { archiveFolder, names } from "../components/names";
import type { RecoverySource } from "../components/recovery-bootstrap";
import type { Configuration, Values } from "../config";
import type { Settings } from "../migration/engine/settings";
import { migrationSettings } from "../migration/settings";
import type { ConfiguredRecovery } from "./configured-recovery";
import { targetTime } from "./target-time";

/** What `npm run recover` is told by the stack. Nothing of it is a secret. */
export interface RecoverySettings {
  /** Where Kubernetes is, and which Cluster, database, owner and Secret the stack has. */
  readonly stack: Settings;
  /** The stack's whole configuration: a lost Cluster is made anew from it. */
  readonly values: Values;
  /** Folder of the archive of the stack's Cluster. */
  readonly serverName: string;
  /** Image with barman-cloud, in which the bucket is listed. */
  readonly sidecarImage: string;
  /** Seconds to wait for one answer. */
  readonly wait: number;
  /** Minutes to wait for the recovered Cluster. */
  readonly deadline: number;
}

/** What the stack's configuration says about recovery. The one place where `npm run recover` reads it. */
export function recoverySettings(values: Values): RecoverySettings {
  return {
    stack: migrationSettings(values),
    values,
    serverName: archiveFolder(values),
    sidecarImage: values.backupSidecarImage,
    wait: values.recoveryWait,
    deadline: values.recoveryDeadline,
  };
}

/** The recovery that a stack's configuration asks for. undefined: none. */
export function configuredRecovery(
  config: Omit<Configuration, "databasePassword">,
  stack: string,
): ConfiguredRecovery | undefined {
  const { recoverFrom, recoverAt, clusterName, backupSidecarImage, recoveryWait } = config;
  if (recoverFrom === "") return undefined;
  return {
    stack,
    cluster: clusterName,
    serverName: archiveFolder(config),
    from: recoverFrom,
    at: recoverAt,
    listing: { image: backupSidecarImage, seconds: recoveryWait },
  };
}

/** What a new Cluster of the stack begins with. undefined: an empty database. */
export function recoverySource(config: Pick<Configuration, "recoverFrom" | "recoverAt">): RecoverySource | undefined {
  if (config.recoverFrom === "") return undefined;
  // As the operator reads times, whatever it was written as.
  const read = targetTime(config.recoverAt, "UTC");
  const target = "instant" in read ? { target: { targetTime: read.instant.text } } : {};
  return { objectStore: names.objectStore, serverName: config.recoverFrom, ...target };
}
