import type { Settings } from "../migration/engine/settings";
import type { ArchiveMove } from "./archive-move";
import type { NamedCluster } from "./promotion";

/** What `pulumi up` asks before it registers anything. */
export interface Asked {
  readonly stack: string;
  /** Where Kubernetes is. */
  readonly settings: Settings;
  readonly values: NamedCluster;
  /** Where the Cluster's archive is to be; undefined without backups. */
  readonly archive?: ArchiveMove;
}

/** The environment variable that carries {@link Asked} as JSON. */
export const askedVariable = "NAYTIFE_UPDATE";
