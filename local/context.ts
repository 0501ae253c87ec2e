import { StorageV1Api } from "@kubernetes/client-node";
import { storageClasses, type StorageClassName } from "../components/storage";
import { readPlan } from "./kubernetes/cluster";
import { apiServerUrl, contextName } from "./kubernetes/plan";
import { connect, expectAnswer, isNotFound, type Cluster } from "./legacy/cluster";
import { step } from "./progress";

/** Where the local stack runs: a cluster that was there before. */
export interface ContextOptions {
  readonly context: string;
  /** Path; empty: as kubectl finds it. */
  readonly kubeconfig: string;
  readonly namespace: string;
  readonly storageClass: StorageClassName;
}

/** A cluster that answers and that the stack can run on. */
export interface Foreign {
  /** The stack's configuration for it. */
  readonly config: Record<string, string>;
  /** Its own identity: another cluster may come to have the same context one day. */
  readonly uid: string;
  /** It is an embedded one of this machine, after all. */
  readonly embedded: boolean;
}

/**
 * Looks at a cluster of the user's before the stack touches it.
 * @throws when there is no such context, when the cluster does not answer, or when nothing there makes the stack's volumes;
 *   nothing was changed then
 */
export async function lookAt(options: ContextOptions): Promise<Foreign> {
  const { context, kubeconfig, namespace } = options;
  const cluster = connect(options);
  await expectAnswer(cluster);
  requireProvisioner(storageClasses[options.storageClass].provisioner, await provisioners(cluster));
  const legacy = await isThere(cluster.apps.readNamespacedDeployment({ name: "postgres", namespace }));
  step(
    legacy
      ? `context ${context}: there is a Deployment ${namespace}/postgres, its data is moved`
      : `context ${context}: there is no Deployment ${namespace}/postgres, so nothing is migrated`,
  );
  const { metadata } = await cluster.core.readNamespace({ name: "kube-system" });
  return {
    config: {
      kubeContext: context,
      ...(kubeconfig === "" ? {} : { kubeconfig }),
      migrationEnabled: String(legacy),
    },
    uid: metadata?.uid ?? "",
    embedded: await isEmbedded(context, cluster.config.getCurrentCluster()?.server),
  };
}

/** Who makes volumes here, as far as the API tells: storage classes, CSI drivers, and local-path's own Deployment. */
async function provisioners(cluster: Cluster): Promise<string[]> {
  const storage = cluster.config.makeApiClient(StorageV1Api);
  const classes = await storage.listStorageClass();
  const drivers = await storage.listCSIDriver();
  const localPath = cluster.apps.readNamespacedDeployment({
    name: "local-path-provisioner",
    namespace: "local-path-storage",
  });
  return [
    ...classes.items.map(({ provisioner }) => provisioner),
    ...drivers.items.flatMap(({ metadata }) => metadata?.name ?? []),
    ...((await isThere(localPath)) ? [storageClasses["cnpg-local-storage"].provisioner] : []),
  ];
}

/** @throws when nobody there makes the volumes that the stack's StorageClass asks for */
export function requireProvisioner(wanted: string, there: readonly string[]): void {
  if (there.includes(wanted)) return;
  throw new Error(
    `Nothing in this cluster shows that ${wanted} is there, which makes the stack's volumes; ` +
      `there is: ${[...new Set(there)].join(", ") || "none"}. Nothing was changed. ` +
      "Install it there, choose another --config storageClass=…, or use the embedded cluster.",
  );
}

async function isEmbedded(context: string, server: string | undefined): Promise<boolean> {
  const prefix = contextName("");
  if (!context.startsWith(prefix)) return false;
  const plan = await readPlan(context.slice(prefix.length));
  return plan !== undefined && apiServerUrl(plan) === server;
}

async function isThere(read: Promise<unknown>): Promise<boolean> {
  try {
    await read;
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
