import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";

/** Where Kubernetes is. */
export interface KubernetesProviderArgs {
  /** Path of a kubeconfig; empty: the ambient one. */
  readonly kubeconfig: string;
  /** Context in it; empty: its current one. */
  readonly context: string;
}

/**
 * The one provider of all Kubernetes resources; default providers are off, so nothing lands in whatever cluster a shell
 * happens to point at.
 *
 * - clusterIdentifier: without it, a changed server address or certificate would propose replacing everything, the
 *   database included.
 * - enableSecretMutable, enableConfigMapMutable: a rotated password updates the Secret; otherwise it would be deleted and
 *   made anew under the running operator.
 * - upsertExistingObjects: after a lost stack state, `up` adopts what is there.
 * - enablePatchForce: what the program declares is the program's. A field that somebody edited, or that our former self with
 *   the lost state applied, is set again instead of refused as a conflict; fields that the program leaves out stay others'.
 */
export function kubernetesProvider(name: string, args: KubernetesProviderArgs): kubernetes.Provider {
  return new kubernetes.Provider(name, {
    ...(args.kubeconfig === "" ? {} : { kubeconfig: args.kubeconfig }),
    ...(args.context === "" ? {} : { context: args.context }),
    clusterIdentifier: `${pulumi.getProject()}-${pulumi.getStack()}`,
    enableSecretMutable: true,
    enableConfigMapMutable: true,
    upsertExistingObjects: true,
    enablePatchForce: true,
  });
}
