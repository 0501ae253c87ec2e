import type { Settings } from "../migration/engine/settings";
import type { ArchiveMove } from "./archive-move";
import type { ConfiguredRecovery } from "./configured-recovery";
import type { NamedCluster } from "./promotion";

/** What `pulumi up` asks before it registers anything. */
export interface Asked {
  readonly stack: string;
  /** Where Kubernetes is. */
  readonly settings: Settings;
  readonly values: NamedCluster;
  /** Where the Cluster's archive is to be; undefined without backups. */
  readonly archive?: ArchiveMove;
  /** undefined: a new Cluster begins empty. */
  readonly recovery?: ConfiguredRecovery;
}

/** The environment variable that carries {@link Asked} as JSON. */
export const askedVariable = "NAYTIFE_UPDATE";

/** What it asks before it makes a Cluster that is to begin with an archive. */
export interface CheckedRecovery {
  readonly recovery: ConfiguredRecovery;
  /** Seconds in which the store has to answer. */
  readonly deadline: number;
}

/** The environment variable that carries {@link CheckedRecovery} as JSON. */
export const recoveryVariable = "NAYTIFE_RECOVERY";
