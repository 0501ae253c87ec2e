import type * as pulumi from "@pulumi/pulumi";
import type { Configuration } from "../config";
import type { BucketAddress } from "./bucket-address";
import { LocalBucket } from "./local-bucket";
import { destinationPath, OciBucket } from "./oci-bucket";

/** What a bucket needs to know beside the configuration. */
export interface BucketPlace {
  readonly namespace: pulumi.Input<string>;
  readonly storageClass: pulumi.Input<string>;
}

/** The bucket that the configuration chooses, made where it is ours to make; undefined without backups. */
export function backupBucket(
  name: string,
  config: Configuration,
  { namespace, storageClass }: BucketPlace,
  options: pulumi.ComponentResourceOptions,
): BucketAddress | undefined {
  const { backupBucket: bucket, backupRegion: region, protect, retainOnDelete } = config;
  const prefix = config.backupPrefix || config.environment;
  switch (config.backupStore) {
    case "none":
      return undefined;
    case "existing":
      return {
        destinationPath: destinationPath(bucket, prefix),
        endpointUrl: config.backupEndpointUrl,
        region,
        credentialsSecret: config.backupCredentialsSecret,
      };
    case "local":
      return new LocalBucket(
        name,
        {
          namespace,
          namespaceName: config.namespace,
          bucket,
          prefix,
          region,
          image: config.backupStoreImage,
          shellImage: config.postgresImage,
          storageClass,
          size: config.backupStoreSize,
          retainOnDelete,
        },
        options,
      );
    case "oci":
      return new OciBucket(
        name,
        {
          namespace,
          tenancy: config.backupOciTenancy,
          compartment: config.backupOciCompartment,
          objectStorageNamespace: config.backupOciNamespace,
          region,
          homeRegion: config.backupOciHomeRegion || region,
          bucket,
          prefix,
          userEmail: config.backupOciUserEmail,
          previousVersionsDays: config.backupOciPreviousVersionsDays,
          abandonedUploadsDays: config.backupOciAbandonedUploadsDays,
          protect,
          retainOnDelete,
        },
        options,
      );
  }
}
