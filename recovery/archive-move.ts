import { BackupFailure } from "../backup/failure";
import { pluginName } from "../components/barman-plugin";
import { names } from "../components/names";
import { type Archive, archives } from "./archive";
import { listBucket, type ListingPod, type ObjectStore, prefixOf, StoreUnavailable } from "./bucket";
import { nothingChanged } from "./failure";
import type { Objects } from "./objects";

/** Where the stack's configuration says that a Cluster's archive is. */
export interface ArchiveMove {
  /** Folder of the archive. */
  readonly serverName: string;
  readonly destinationPath: string;
  /** How to reach it, where the store is nothing of the stack's own. undefined: as the ObjectStore says that is there. */
  readonly store?: ObjectStore["spec"];
  readonly listing: ListingPod;
}

/** A Cluster that is to archive elsewhere from now on, or to begin with it. */
export interface MovingCluster {
  readonly stack: string;
  readonly cluster: string;
  /** Folder into which it archives until now; undefined where it does not archive. */
  readonly from: string | undefined;
  readonly to: ArchiveMove;
}

/**
 * Why a Cluster that is there may not archive into the folder that the stack's configuration names from now on; undefined where it may, or does so already. barman
 * itself looks into the folder only when a Cluster begins, and not when one begins to archive later.
 */
export async function refusalToMove(
  objects: Objects,
  stack: string,
  cluster: string,
  to: ArchiveMove,
): Promise<BackupFailure | undefined> {
  const living = await objects.cluster(cluster);
  if (living === undefined) return undefined;
  const parameters = living.spec.plugins?.find(({ name }) => name === pluginName)?.parameters;
  const from = parameters && (parameters.serverName ?? cluster);
  if (from === to.serverName) return undefined;
  const moving: MovingCluster = { stack, cluster, from, to };
  const store = to.store ?? (await objects.objectStore(parameters?.barmanObjectName ?? names.objectStore))?.spec;
  // A store that is not there is made, by this very update, for a Cluster that begins to archive.
  if (store === undefined) return from === undefined ? undefined : unknown(moving, "its ObjectStore is not there");
  try {
    const at = { spec: { ...store, configuration: { ...store.configuration, destinationPath: to.destinationPath } } };
    const listing = await listBucket(objects.kubernetes, objects.namespace, at, to.listing);
    return refusalToMix(moving, archives(listing, prefixOf(to.destinationPath)));
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    // So is a bucket.
    return error.message.startsWith("NoSuchBucket") ? undefined : unknown(moving, error.message);
  }
}

/**
 * Why a Cluster may not move to a folder, by all archives that lie beside it; undefined where the folder is free. That it may be the Cluster's own of former times
 * makes no difference: what was archived elsewhere since would be missing in it, and a recovered Cluster has the identity of the one that it came from.
 */
export function refusalToMix(moving: MovingCluster, stored: readonly Archive[]): BackupFailure | undefined {
  const { cluster, to } = moving;
  const there = stored.find(({ server }) => server === to.serverName);
  if (there === undefined) return undefined;
  const { backups, segments } = there;
  return new BackupFailure(
    `${to.destinationPath}/${to.serverName} holds an archive already (${backups.length} base backups, ${segments.size} WAL segments), among which Cluster ${cluster} would write its own: ${until(moving)}, and the stack's configuration says ${to.serverName} (backupServerName)`,
    nothingChanged,
    [
      `${stay(moving)}, or give the archive a name that is free there (backupServerName); these are not: ${stored.map(({ server }) => server).join(", ")}.`,
      `\`npm run recover -- --from ${to.serverName}\` recovers what lies there. Is it needed by nobody, remove it. Then run \`pulumi up\` again.`,
    ].join(" "),
  );
}

function unknown(moving: MovingCluster, why: string): BackupFailure {
  const { cluster, to } = moving;
  return new BackupFailure(
    `whether ${to.destinationPath}/${to.serverName} is free for Cluster ${cluster} is not known (${until(moving)}): ${why}`,
    nothingChanged,
    `${stay(moving)}, or mend that. Then run \`pulumi up\` again.`,
  );
}

function until({ from }: MovingCluster): string {
  return from === undefined ? "it has not archived until now" : `it archives into ${from} until now`;
}

/** How nothing moves. */
function stay({ stack, cluster, from }: MovingCluster): string {
  if (from === undefined) return `Leave it without backups (pulumi config set backupStore none --stack ${stack})`;
  const command = from === cluster ? "rm backupServerName" : `set backupServerName ${from}`;
  return `Leave the archive where it is (pulumi config ${command} --stack ${stack})`;
}
