import { StorageV1Api } from "@kubernetes/client-node";
import { connect, expectAnswer, isNotFound, type Cluster } from "./legacy/cluster";
import { step } from "./progress";

/** What the local stack's StorageClass asks for volumes; kind, k3d and the embedded cluster have it. */
const provisioner = "rancher.io/local-path";

/** What is looked at of a StorageClass. */
interface StorageClass {
  readonly metadata?: { readonly name?: string };
  readonly provisioner: string;
}

/** Where the local stack runs: a cluster that was there before. */
export interface ContextOptions {
  readonly context: string;
  /** Path; empty: as kubectl finds it. */
  readonly kubeconfig: string;
  readonly namespace: string;
}

/**
 * Looks at a cluster of the user's before the stack touches it.
 * @returns the stack's configuration for it
 * @throws when there is no such context, when the cluster does not answer, or when nothing there makes the stack's volumes;
 *   nothing was changed then
 */
export async function contextConfig(options: ContextOptions): Promise<Record<string, string>> {
  const { context, kubeconfig, namespace } = options;
  const cluster = connect(options);
  await expectAnswer(cluster);
  const { items } = await cluster.config.makeApiClient(StorageV1Api).listStorageClass();
  requireProvisioner(items);
  const legacy = await hasLegacy(cluster, namespace);
  step(
    legacy
      ? `context ${context}: there is a Deployment ${namespace}/postgres, its data is moved`
      : `context ${context}: there is no Deployment ${namespace}/postgres, so nothing is migrated`,
  );
  return {
    kubeContext: context,
    ...(kubeconfig === "" ? {} : { kubeconfig }),
    migrationEnabled: String(legacy),
  };
}

/** @throws when none of these classes shows that the provisioner of the local stack's volumes is there */
export function requireProvisioner(classes: readonly StorageClass[]): void {
  if (classes.some((storageClass) => storageClass.provisioner === provisioner)) return;
  const there = classes.map(({ metadata, provisioner }) => `${metadata?.name ?? "?"} (${provisioner})`);
  throw new Error(
    `No StorageClass of this cluster has the provisioner ${provisioner}, which makes the local stack's volumes; ` +
      `there is: ${there.join(", ") || "none"}. Nothing was changed. Install local-path-provisioner there, or use the embedded cluster.`,
  );
}

async function hasLegacy(cluster: Cluster, namespace: string): Promise<boolean> {
  try {
    await cluster.apps.readNamespacedDeployment({ name: "postgres", namespace });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
