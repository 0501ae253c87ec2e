import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";

/** The StorageClasses that a stack can choose from. */
export type StorageClassName = "cnpg-local-storage" | "cnpg-oci-storage";

interface StorageClassSpec {
  readonly provisioner: string;
  readonly parameters?: Record<string, string>;
  readonly volumeBindingMode: "WaitForFirstConsumer";
  readonly reclaimPolicy: "Delete" | "Retain";
  readonly allowVolumeExpansion: boolean;
}

/**
 * A volume is made where its instance is scheduled (WaitForFirstConsumer), or it may lie in a zone with no room for the pod.
 *
 * The plan's `replicaCount` is no parameter of OCI's driver, and PostgreSQL replicates by itself; its `fsType` is the
 * spelling of an older provisioner. local-path can neither grow a volume nor enforce its size.
 */
export const storageClasses: Readonly<Record<StorageClassName, StorageClassSpec>> = {
  "cnpg-local-storage": {
    provisioner: "rancher.io/local-path",
    volumeBindingMode: "WaitForFirstConsumer",
    reclaimPolicy: "Delete",
    allowVolumeExpansion: false,
  },
  "cnpg-oci-storage": {
    provisioner: "blockvolume.csi.oraclecloud.com",
    parameters: { "csi.storage.k8s.io/fstype": "ext4" },
    volumeBindingMode: "WaitForFirstConsumer",
    reclaimPolicy: "Retain",
    allowVolumeExpansion: true,
  },
};

/** Arguments of {@link Storage}. */
export interface StorageArgs {
  /** Which StorageClass to make. */
  readonly storageClass: StorageClassName;
  /** Leave the class when the stack is destroyed, for the volumes that stay. */
  readonly retainOnDelete: boolean;
}

/** The StorageClass of the instances' volumes. */
export class Storage extends pulumi.ComponentResource {
  /** Name of the StorageClass, known once it exists. */
  readonly storageClass: pulumi.Output<string>;

  constructor(name: string, args: StorageArgs, options?: pulumi.ComponentResourceOptions) {
    super("naytife:postgres:Storage", name, {}, options);
    const storageClass = new kubernetes.storage.v1.StorageClass(
      args.storageClass,
      { metadata: { name: args.storageClass }, ...storageClasses[args.storageClass] },
      { parent: this, retainOnDelete: args.retainOnDelete },
    );
    this.storageClass = storageClass.metadata.name;
    this.registerOutputs({ storageClass: this.storageClass });
  }
}
