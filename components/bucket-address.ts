import type * as pulumi from "@pulumi/pulumi";

/** Where backups lie: what every object store gives, whichever it is. */
export interface BucketAddress {
  /** `s3://<bucket>/<prefix>`, barman's destinationPath. */
  destinationPath: pulumi.Input<string>;
  /** The store's S3 endpoint, with scheme. */
  endpointUrl: pulumi.Input<string>;
  region: pulumi.Input<string>;
  /** Secret in the cluster's namespace with the keys ACCESS_KEY_ID and ACCESS_SECRET_KEY (the plan's). */
  credentialsSecret: pulumi.Input<string>;
}
