import { createHash } from "node:crypto";
import { up, type EmbeddedCluster } from "../../local/kubernetes/cluster";

/** A cluster's name that is this checkout's own, so that two checkouts on one machine do not take each other's down. */
export function clusterName(purpose: string): string {
  const checkout = createHash("sha256").update(__dirname).digest("hex").slice(0, 4);
  return `e2e-${purpose}-${checkout}`;
}

/** The cluster that the end-to-end tests share, beside whatever else this machine runs; teardown.ts takes it down. */
export const sharedClusterName = clusterName("shared");

export function sharedCluster(): Promise<EmbeddedCluster> {
  return up({ name: sharedClusterName });
}
