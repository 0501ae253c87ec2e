import { up, type EmbeddedCluster } from "../../local/kubernetes/cluster";

/** The cluster that the end-to-end tests share, beside whatever else this machine runs; teardown.ts takes it down. */
export const sharedClusterName = "e2e";

export function sharedCluster(): Promise<EmbeddedCluster> {
  return up({ name: sharedClusterName });
}
