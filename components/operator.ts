import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { names } from "./names";
import { installManifest, type ManifestResource } from "./manifest";

/** Arguments of {@link Operator}. */
export interface OperatorArgs {
  /** Install from the upstream Helm chart, or from the objects of a release manifest. */
  readonly source: { readonly chart: OperatorChart } | { readonly manifest: readonly ManifestResource[] };
  /** Leave the operator when the stack is destroyed, for the clusters that stay. Its CRDs are always left. */
  readonly retainOnDelete: boolean;
}

/** The upstream Helm chart `cloudnative-pg`. */
export interface OperatorChart {
  /** Exact version. */
  readonly version: string;
  /** Operator image with tag and digest. */
  readonly image: string;
}

/**
 * The CloudNativePG operator. What depends on this component is created when the operator's webhooks answer: they are
 * required (failurePolicy Fail), and Pulumi does not repeat a creation that they refuse to see.
 *
 * The custom resource definitions outlive the stack, as Helm leaves them too: deleting one deletes every Cluster in the
 * Kubernetes cluster, and their volume claims.
 */
export class Operator extends pulumi.ComponentResource {
  /** For what runs beside it, and need not wait for it. */
  readonly namespace: pulumi.Resource;

  constructor(name: string, args: OperatorArgs, options?: pulumi.ComponentResourceOptions) {
    super("naytife:postgres:Operator", name, {}, options);
    const namespace = new kubernetes.core.v1.Namespace(
      names.operatorNamespace,
      {
        metadata: {
          name: names.operatorNamespace,
          labels: { "pod-security.kubernetes.io/enforce": "restricted" },
        },
      },
      { parent: this, retainOnDelete: args.retainOnDelete },
    );
    this.namespace = namespace;
    const children: pulumi.CustomResourceOptions = {
      parent: this,
      dependsOn: [namespace],
      retainOnDelete: args.retainOnDelete,
    };
    if ("chart" in args.source) {
      installChart(args.source.chart, children);
    } else {
      installManifest(args.source.manifest, children);
    }
    this.registerOutputs({});
  }
}

/** The Release is complete when the operator's Deployment is available, so when its webhook server answers its probe. */
function installChart({ version, image }: OperatorChart, options: pulumi.CustomResourceOptions): void {
  const tagAt = image.indexOf(":", image.lastIndexOf("/"));
  new kubernetes.helm.v3.Release(
    "cloudnative-pg",
    {
      name: "cloudnative-pg",
      namespace: names.operatorNamespace,
      chart: "cloudnative-pg",
      version,
      repositoryOpts: { repo: "https://cloudnative-pg.github.io/charts" },
      atomic: true,
      timeout: 600,
      values: {
        crds: { create: true },
        image: { repository: image.slice(0, tagAt), tag: image.slice(tagAt + 1) },
        // As in the release manifest, with room; the chart sets none. No CPU limit: it would slow a failover.
        resources: { requests: { cpu: "100m", memory: "200Mi" }, limits: { memory: "400Mi" } },
      },
    },
    options,
  );
}
