import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { EmbeddedCluster } from "./kubernetes/cluster";

/**
 * What the `local` stack needs to hear about an embedded cluster: where it is, and which images and manifest it has. The
 * rest is Pulumi.local.yaml's.
 */
export async function localStackConfig(cluster: EmbeddedCluster): Promise<Record<string, string>> {
  const sum = async (path: string) =>
    createHash("sha256")
      .update(await readFile(path))
      .digest("hex");
  return {
    kubeconfig: cluster.kubeconfig,
    kubeContext: cluster.context,
    operatorManifest: cluster.operatorManifest,
    operatorManifestSha256: await sum(cluster.operatorManifest),
    backupPluginManifest: cluster.backupPluginManifest,
    backupPluginManifestSha256: await sum(cluster.backupPluginManifest),
    backupPluginImage: cluster.backupPluginImage,
    backupSidecarImage: cluster.backupSidecarImage,
    backupStoreImage: cluster.storeImage,
    postgresImage: cluster.postgresImage,
    poolerImage: cluster.poolerImage,
  };
}

/** Where the state of the stack `local` on an embedded cluster lies; it goes with the cluster. */
export function pulumiDirectory(cluster: EmbeddedCluster): string {
  return join(cluster.stateDirectory, "pulumi");
}
