import { names } from "../components/names";
import { type Archive, archives } from "./archive";
import { listBucket, type ListingPod, prefixOf, StoreUnavailable } from "./bucket";
import { RecoveryFailure, refusal } from "./failure";
import type { Objects } from "./objects";
import { freeName, planRecovery } from "./plan";
import { targetOf } from "./preflight";

/** The recovery that the stack's configuration asks for: the Cluster that `pulumi up` makes is to begin with what an archive holds. */
export interface ConfiguredRecovery {
  readonly stack: string;
  /** Name of the new Cluster. */
  readonly cluster: string;
  /** Folder of its own archive. */
  readonly serverName: string;
  /** Folder of the archive that it begins with. */
  readonly from: string;
  /** Up to when, with its zone. Empty: everything that was archived. */
  readonly at: string;
  readonly listing: ListingPod;
}

const untouched = "The Cluster was not made, and the bucket is as it was.";

/**
 * Why the Cluster may not begin as it is configured, by what lies in the bucket now; undefined where it may, or is there already.
 *
 * @throws StoreUnavailable where that cannot be known yet
 */
export async function refusalOf(objects: Objects, recovery: ConfiguredRecovery): Promise<RecoveryFailure | undefined> {
  if ((await objects.cluster(recovery.cluster)) !== undefined) return undefined;
  const store = await objects.objectStore(names.objectStore);
  if (store === undefined) throw new StoreUnavailable(`there is no ObjectStore ${names.objectStore}`);
  const { destinationPath } = store.spec.configuration;
  const listing = await listBucket(objects.kubernetes, objects.namespace, store, recovery.listing);
  return refusalToBegin(recovery, destinationPath, archives(listing, prefixOf(destinationPath)));
}

/** The same by the archives that lie at `destinationPath`. The operator would try what cannot be for ever, and an archive that is taken would be noticed after all was restored. */
export function refusalToBegin(
  { stack, cluster, serverName, from, at }: ConfiguredRecovery,
  destinationPath: string,
  stored: readonly Archive[],
): RecoveryFailure | undefined {
  const problems: string[] = [];
  const servers = stored.map(({ server }) => server);
  if (servers.includes(serverName)) {
    problems.push(
      `${destinationPath} holds an archive ${serverName} already, of a Cluster ${cluster} that is not there any more. ` +
        `To go on with what that one had: clusterName ${freeName(cluster, servers)}, recoverFrom ${serverName}`,
    );
  }
  const archive = stored.find(({ server }) => server === from);
  const target = targetOf({ at: at === "" ? undefined : at, backup: undefined }, (problem) => problems.push(problem));
  if (archive === undefined) {
    problems.push(
      `recoverFrom is ${from}, and ${destinationPath} holds no archive of that name; it holds ${servers.join(", ") || "none"}`,
    );
  } else if (target !== undefined) {
    const planned = planRecovery(archive, target);
    if ("problem" in planned) problems.push(`${at === "" ? "recoverFrom" : "recoverAt"}: ${planned.problem}`);
  }
  if (problems.length === 0) return undefined;
  return refusal(
    problems,
    `Say what can be recovered: pulumi config set recoverFrom, recoverAt, clusterName --stack ${stack}; then run \`pulumi up\` again.`,
    untouched,
  );
}

/** The store did not answer as long as it was waited for. */
export function storeUnread(why: string): RecoveryFailure {
  return new RecoveryFailure(
    `what is to be recovered is not known: ${why}`,
    untouched,
    "Mend the store or its credentials, then run `pulumi up` again.",
  );
}
