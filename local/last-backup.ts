import { CustomObjectsApi } from "@kubernetes/client-node";
import { names } from "../components/names";
import { connect, isNotFound, type Target } from "./legacy/cluster";

/** The part of the plugin's ObjectStore that is read. */
interface ObjectStore {
  readonly status?: {
    readonly serverRecoveryWindow?: Readonly<
      Record<string, { readonly firstRecoverabilityPoint?: string; readonly lastSuccessfulBackupTime?: string }>
    >;
  };
}

/** When the last base backup under a name was made, and from when on the database can be restored, in words. */
export function inWords({ status }: ObjectStore, serverName: string): string {
  const window = status?.serverRecoveryWindow?.[serverName];
  if (window?.lastSuccessfulBackupTime === undefined) return "none is completed yet; the first is under way";
  return `${window.lastSuccessfulBackupTime}, any time from ${window.firstRecoverabilityPoint ?? "then"} on can be restored`;
}

/** {@link inWords} of a cluster's ObjectStore. */
export async function lastBackup(target: Target, serverName: string): Promise<string> {
  const objects = connect(target).config.makeApiClient(CustomObjectsApi);
  try {
    const store = (await objects.getNamespacedCustomObject({
      group: "barmancloud.cnpg.io",
      version: "v1",
      plural: "objectstores",
      namespace: target.namespace,
      name: names.objectStore,
    })) as ObjectStore;
    return inWords(store, serverName);
  } catch (error) {
    if (isNotFound(error)) return "none";
    throw error;
  }
}
