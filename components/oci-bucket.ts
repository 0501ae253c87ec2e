import * as kubernetes from "@pulumi/kubernetes";
import { CustomerSecretKey, Group, Policy, User, UserGroupMembership } from "@pulumi/oci/identity";
import { Bucket, ObjectLifecyclePolicy } from "@pulumi/oci/objectstorage";
import * as pulumi from "@pulumi/pulumi";
import type { BucketAddress } from "./bucket-address";
import { names } from "./names";
import { ociProvider } from "./oci-provider";
import { retryWhile } from "./retry-while";
import { secretData } from "./secret-data";

/** What a bucket of OCI Object Storage is made of. */
export interface OciBucketDescription {
  /** OCID of the tenancy, where users and groups live. */
  readonly tenancy: string;
  /** OCID of the compartment that gets the bucket and the policy. */
  readonly compartment: string;
  /** The tenancy's Object Storage namespace. */
  readonly objectStorageNamespace: string;
  /** Where the bucket is, for instance eu-frankfurt-1. */
  readonly region: string;
  /** The tenancy's home region: the only one that takes changes of users, groups and policies. */
  readonly homeRegion: string;
  /** Also the name of user, group and policy. Lower case: policies compare without regard to case. */
  readonly bucket: string;
  /** Path in the bucket, without a slash at either end; empty: none. */
  readonly prefix: string;
  /** E-mail address of the user, which tenancies with identity domains ask for; empty: none. */
  readonly userEmail: string;
  /** Days that an object which was overwritten or deleted can be had back. */
  readonly previousVersionsDays: number;
  /** Days after which the parts of an upload that was never completed are removed. */
  readonly abandonedUploadsDays: number;
}

/** `s3://<bucket>/<prefix>`, as barman takes it. */
export function destinationPath(bucket: string, prefix: string): string {
  return `s3://${bucket}/${prefix}`;
}

/** The S3 API of a namespace in a region of Oracle's commercial realm. It takes path-style requests that are signed for the region. */
export function s3Endpoint(objectStorageNamespace: string, region: string): string {
  return `https://${objectStorageNamespace}.compat.objectstorage.${region}.oraclecloud.com`;
}

/**
 * What the group may do: read and write the objects of this one bucket. It may delete them, as barman's retention does, but
 * not their previous versions: who steals the key cannot destroy what was there.
 *
 * @param group - OCID
 */
export function groupStatements(
  group: string,
  { bucket, compartment }: Pick<OciBucketDescription, "bucket" | "compartment">,
): string[] {
  const permissions = ["OBJECT_INSPECT", "OBJECT_READ", "OBJECT_CREATE", "OBJECT_OVERWRITE", "OBJECT_DELETE"];
  const where = `target.bucket.name = '${bucket}'`;
  return [
    `Allow group id ${group} to read buckets in compartment id ${compartment} where ${where}`,
    `Allow group id ${group} to manage objects in compartment id ${compartment} where all {${where}, ${anyOf(permissions)}}`,
  ];
}

/**
 * What Object Storage itself may do to keep the lifecycle rules, which it refuses to take otherwise. The permissions are those of
 * Oracle's "Object Storage Object Lifecycle Management", Service Permissions.
 */
export function lifecycleStatement({
  bucket,
  compartment,
  region,
}: Pick<OciBucketDescription, "bucket" | "compartment" | "region">): string {
  const permissions = [
    "BUCKET_INSPECT",
    "BUCKET_READ",
    "OBJECT_INSPECT",
    "OBJECT_UPDATE_TIER",
    "OBJECT_DELETE",
    "OBJECT_VERSION_DELETE",
  ];
  return (
    `Allow service objectstorage-${region} to manage object-family in compartment id ${compartment} ` +
    `where all {target.bucket.name = '${bucket}', ${anyOf(permissions)}}`
  );
}

function anyOf(permissions: readonly string[]): string {
  return `any {${permissions.map((permission) => `request.permission = '${permission}'`).join(", ")}}`;
}

/** One rule of a lifecycle policy. */
export interface LifecycleRule {
  readonly name: string;
  readonly target: "previous-object-versions" | "multipart-uploads";
  readonly action: "DELETE" | "ABORT";
  /** A whole number, as OCI's provider takes it. */
  readonly timeAmount: string;
  readonly timeUnit: "DAYS";
  readonly isEnabled: true;
}

/** None has live objects as its target: when those go is barman's to say, who knows which WAL a backup needs. */
export function lifecycleRules({
  previousVersionsDays,
  abandonedUploadsDays,
}: Pick<OciBucketDescription, "previousVersionsDays" | "abandonedUploadsDays">): LifecycleRule[] {
  return [
    {
      name: "delete-previous-versions",
      target: "previous-object-versions",
      action: "DELETE",
      timeAmount: String(previousVersionsDays),
      timeUnit: "DAYS",
      isEnabled: true,
    },
    {
      name: "abort-abandoned-uploads",
      target: "multipart-uploads",
      action: "ABORT",
      timeAmount: String(abandonedUploadsDays),
      timeUnit: "DAYS",
      isEnabled: true,
    },
  ];
}

/**
 * Whether Object Storage refused the lifecycle rules because it does not know of its permission: a new policy takes a while
 * to reach every service.
 *
 * @param error - the provider's message
 */
export function isPermissionOnItsWay(error: string): boolean {
  return error.includes("InsufficientServicePermissions");
}

/** Arguments of {@link OciBucket}. */
export interface OciBucketArgs extends OciBucketDescription {
  /** Kubernetes namespace of the cluster, which gets the credentials. */
  readonly namespace: pulumi.Input<string>;
  /** Refuse to delete the bucket, and what the archiving needs. */
  readonly protect: boolean;
  /** Leave it all when the stack is destroyed, for the database that stays and goes on archiving. */
  readonly retainOnDelete: boolean;
}

/**
 * A private bucket of OCI Object Storage for backups, a user that can do nothing but read and write its objects, and that
 * user's S3 credentials in a Secret.
 */
export class OciBucket extends pulumi.ComponentResource implements BucketAddress {
  /** Known once the bucket can be written to. */
  readonly destinationPath: pulumi.Output<string>;
  readonly endpointUrl: pulumi.Output<string>;
  readonly region: pulumi.Output<string>;
  /** Name of the Secret, known once it exists. */
  readonly credentialsSecret: pulumi.Output<string>;

  constructor(name: string, args: OciBucketArgs, options?: pulumi.ComponentResourceOptions) {
    super("naytife:postgres:OciBucket", name, {}, options);
    const { protect, retainOnDelete } = args;
    const regional = ociProvider(`${name}-oci`, args.region, { parent: this });
    const home =
      args.homeRegion === args.region ? regional : ociProvider(`${name}-oci-home`, args.homeRegion, { parent: this });
    const inRegion = { parent: this, provider: regional, protect, retainOnDelete };
    const atHome = { parent: this, provider: home, protect, retainOnDelete };

    const bucket = new Bucket(
      `${name}-bucket`,
      {
        name: args.bucket,
        namespace: args.objectStorageNamespace,
        compartmentId: args.compartment,
        accessType: "NoPublicAccess",
        storageTier: "Standard",
        versioning: "Enabled",
      },
      inRegion,
    );
    const purpose = `PostgreSQL backups in the bucket ${args.bucket}`;
    const user = new User(
      `${name}-user`,
      {
        name: args.bucket,
        compartmentId: args.tenancy,
        description: `Writes ${purpose}`,
        ...(args.userEmail === "" ? {} : { email: args.userEmail }),
      },
      atHome,
    );
    const group = new Group(
      `${name}-group`,
      { name: args.bucket, compartmentId: args.tenancy, description: `May write ${purpose}` },
      atHome,
    );
    const membership = new UserGroupMembership(`${name}-membership`, { groupId: group.id, userId: user.id }, atHome);
    const policy = new Policy(
      `${name}-policy`,
      {
        name: args.bucket,
        compartmentId: args.compartment,
        description: `Who may do what with ${purpose}`,
        statements: group.id.apply((id) => [...groupStatements(id, args), lifecycleStatement(args)]),
      },
      atHome,
    );
    const lifecycle = new ObjectLifecyclePolicy(
      `${name}-lifecycle`,
      { namespace: bucket.namespace, bucket: bucket.name, rules: lifecycleRules(args) },
      {
        ...inRegion,
        dependsOn: [policy],
        hooks: {
          onError: [retryWhile(`${name}-permission`, isPermissionOnItsWay, { pause: 5_000, attempts: 60 })],
        },
      },
    );
    // OCI shows the key once, when it makes it. Its id is the access key, and lies in the state as every resource's id does: in clear.
    // Not protected, so that it can be replaced; a destroy comes to the Secret first.
    const key = new CustomerSecretKey(
      `${name}-key`,
      { displayName: args.bucket, userId: user.id },
      { ...atHome, protect: false, additionalSecretOutputs: ["key"] },
    );
    const secret = new kubernetes.core.v1.Secret(
      names.backupSecret,
      {
        metadata: { name: names.backupSecret, namespace: args.namespace },
        type: "Opaque",
        data: secretData({ ACCESS_KEY_ID: pulumi.secret(key.id), ACCESS_SECRET_KEY: pulumi.secret(key.key) }),
      },
      { parent: this, protect, retainOnDelete },
    );

    this.destinationPath = pulumi
      .all([bucket.name, membership.id, policy.id, lifecycle.id])
      .apply(([made]) => destinationPath(made, args.prefix));
    this.endpointUrl = bucket.namespace.apply((made) => s3Endpoint(made, args.region));
    this.region = pulumi.output(args.region);
    this.credentialsSecret = secret.metadata.name;
    this.registerOutputs({
      destinationPath: this.destinationPath,
      endpointUrl: this.endpointUrl,
      region: this.region,
      credentialsSecret: this.credentialsSecret,
    });
  }
}
