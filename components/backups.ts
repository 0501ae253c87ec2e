import * as crypto from "node:crypto";
import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { pluginName } from "./barman-plugin";
import type { BucketAddress } from "./bucket-address";
import { names } from "./names";
import { retryWhileWebhookIsAway } from "./webhook-retry";

export type BackupCompression = "gzip" | "lz4" | "snappy" | "bzip2";
export type WalCompression = BackupCompression | "zstd" | "xz";
export type BackupTarget = "primary" | "prefer-standby";

/** The fields of `spec` of barmancloud.cnpg.io/v1 ObjectStore that we set; the plugin's api/v1/objectstore_types.go has them all. */
export interface ObjectStoreSpec {
  configuration: {
    destinationPath: pulumi.Input<string>;
    endpointURL: pulumi.Input<string>;
    s3Credentials: { accessKeyId: SecretKey; secretAccessKey: SecretKey };
    wal: { compression?: WalCompression; maxParallel: number };
    data: { compression?: BackupCompression; jobs: number; immediateCheckpoint: true };
  };
  retentionPolicy: string;
  instanceSidecarConfiguration: {
    env: { name: string; value: pulumi.Input<string> }[];
    resources: { requests: { memory: string; cpu: string }; limits: { memory: string; cpu: string } };
  };
}

interface SecretKey {
  name: pulumi.Input<string>;
  key: string;
}

/** The fields of `spec` of postgresql.cnpg.io/v1 ScheduledBackup that we set; api/v1/scheduledbackup_types.go has them all. */
export interface ScheduledBackupSpec extends BackupSpec {
  schedule: string;
  immediate: boolean;
  backupOwnerReference: "none";
}

/** The fields of `spec` of postgresql.cnpg.io/v1 Backup that we set. */
export interface BackupSpec {
  cluster: { name: pulumi.Input<string> };
  method: "plugin";
  pluginConfiguration: { name: string };
  target: BackupTarget;
}

/** An entry of a Cluster's `spec.plugins`. */
export interface ArchivePlugin {
  name: string;
  isWALArchiver: true;
  parameters: { barmanObjectName: pulumi.Input<string>; serverName: string };
}

/** Where and how backups are kept. */
export interface ArchiveDescription {
  readonly bucket: BucketAddress;
  /** How far back the database can be restored: `7d`, `2w`, `1m`. */
  readonly retention: string;
  readonly compression: BackupCompression | "none";
  readonly walCompression: WalCompression | "none";
  /** Parts of a base backup that are uploaded side by side. */
  readonly jobs: number;
  /** WAL segments that are archived side by side. */
  readonly walMaxParallel: number;
  readonly sidecar: {
    readonly memoryRequest: string;
    readonly memoryLimit: string;
    readonly cpuRequest: string;
    readonly cpuLimit: string;
  };
}

/**
 * PostgreSQL's archive_timeout that keeps a promise about commits that are lost with the whole cluster.
 *
 * A commit is safe outside the cluster when its WAL segment is archived. The segment is finished when 16 MB are full, or archive_timeout seconds after the
 * last one was (the checkpointer looks that often: src/backend/postmaster/checkpointer.c, CheckArchiveTimeout), whichever comes first; then it is
 * compressed and uploaded. So the oldest commit that can be lost is at most archive_timeout + upload old, and
 *
 *     archive_timeout = recoveryPoint - uploadAllowance        (60 s - 15 s = 45 s with the defaults)
 *
 * holds the promise while an upload, those that wait before it included, takes no longer than the allowance. While the archive is away, or more is written
 * than is uploaded, no archive_timeout can hold it: that is what the backlog's alert is for.
 *
 * Nor does it hold for the first checkpoint_timeout (5 min) after a server was shut down and started in place, as long as nothing wakes its checkpointer:
 * docs/decisions/backups.md.
 *
 * @param recoveryPoint - seconds
 * @param uploadAllowance - seconds
 */
export function archiveTimeout(recoveryPoint: number, uploadAllowance: number): string {
  return `${recoveryPoint - uploadAllowance}s`;
}

/** `spec` of the plugin's ObjectStore. */
export function objectStoreSpec(archive: ArchiveDescription): ObjectStoreSpec {
  const { bucket, compression, walCompression, sidecar } = archive;
  return {
    configuration: {
      destinationPath: bucket.destinationPath,
      endpointURL: bucket.endpointUrl,
      s3Credentials: {
        accessKeyId: { name: bucket.credentialsSecret, key: "ACCESS_KEY_ID" },
        secretAccessKey: { name: bucket.credentialsSecret, key: "ACCESS_SECRET_KEY" },
      },
      wal: {
        ...(walCompression === "none" ? {} : { compression: walCompression }),
        maxParallel: archive.walMaxParallel,
      },
      data: {
        ...(compression === "none" ? {} : { compression }),
        jobs: archive.jobs,
        // The ordinary one is spread over minutes, and the backup waits for it. What it has to write is at most shared_buffers, an eighth of memory.
        immediateCheckpoint: true,
      },
    },
    retentionPolicy: archive.retention,
    instanceSidecarConfiguration: {
      env: [
        { name: "AWS_DEFAULT_REGION", value: bucket.region },
        // boto3 1.36 began to send checksums in trailers, which S3-compatible stores refuse; the plugin's object_stores.md.
        { name: "AWS_REQUEST_CHECKSUM_CALCULATION", value: "when_required" },
        { name: "AWS_RESPONSE_CHECKSUM_VALIDATION", value: "when_required" },
      ],
      resources: {
        requests: { memory: sidecar.memoryRequest, cpu: sidecar.cpuRequest },
        limits: { memory: sidecar.memoryLimit, cpu: sidecar.cpuLimit },
      },
    },
  };
}

/** `spec` of a base backup. */
export function backupSpec(cluster: pulumi.Input<string>, target: BackupTarget): BackupSpec {
  return { cluster: { name: cluster }, method: "plugin", pluginConfiguration: { name: pluginName }, target };
}

/** Arguments of {@link Archive}. */
export interface ArchiveArgs extends ArchiveDescription {
  readonly namespace: pulumi.Input<string>;
  /** Folder of the cluster's archive: WAL and base backups of another one must never come into it. */
  readonly serverName: string;
  /** Leave it when the stack is destroyed, for the database that stays and goes on archiving. */
  readonly retainOnDelete: boolean;
}

/** Tells the plugin where a Cluster's backups lie. It is there before the Cluster that names it. */
export class Archive extends pulumi.ComponentResource {
  /** For the Cluster's `spec.plugins`. */
  readonly plugin: ArchivePlugin;
  /** The ObjectStore's, which no other one ever has. */
  readonly uid: pulumi.Output<string>;
  /** Another one whenever the instances' sidecars have to be made anew. */
  readonly sidecarRevision: pulumi.Output<string>;

  constructor(name: string, args: ArchiveArgs, options?: pulumi.ComponentResourceOptions) {
    super("naytife:postgres:Archive", name, {}, options);
    const spec = objectStoreSpec(args);
    const store = new kubernetes.apiextensions.CustomResource(
      names.objectStore,
      {
        apiVersion: "barmancloud.cnpg.io/v1",
        kind: "ObjectStore",
        metadata: { name: names.objectStore, namespace: args.namespace },
        spec,
      },
      { parent: this, retainOnDelete: args.retainOnDelete },
    );
    this.uid = store.metadata.uid;
    this.sidecarRevision = pulumi
      .jsonStringify(spec.instanceSidecarConfiguration)
      .apply((sidecar) => crypto.createHash("sha256").update(sidecar).digest("hex").slice(0, 16));
    this.plugin = {
      name: pluginName,
      isWALArchiver: true,
      parameters: { barmanObjectName: store.metadata.name, serverName: args.serverName },
    };
    this.registerOutputs({});
  }
}

/** Arguments of {@link BackupSchedule}. */
export interface BackupScheduleArgs {
  readonly namespace: pulumi.Input<string>;
  readonly cluster: pulumi.Input<string>;
  /** Six fields, seconds first, UTC: it is the operator's clock. */
  readonly schedule: string;
  readonly target: BackupTarget;
  /** Leave it when the stack is destroyed, for the database that stays. */
  readonly retainOnDelete: boolean;
}

/** A base backup now, and then by the schedule. Backup objects stay when the schedule goes. */
export class BackupSchedule extends pulumi.ComponentResource {
  constructor(name: string, args: BackupScheduleArgs, options?: pulumi.ComponentResourceOptions) {
    super("naytife:postgres:BackupSchedule", name, {}, options);
    const spec: ScheduledBackupSpec = {
      ...backupSpec(args.cluster, args.target),
      schedule: args.schedule,
      immediate: true,
      backupOwnerReference: "none",
    };
    new kubernetes.apiextensions.CustomResource(
      `${name}-daily`,
      {
        apiVersion: "postgresql.cnpg.io/v1",
        kind: "ScheduledBackup",
        // It is bound to one Cluster for good; another one has its own.
        metadata: { name: pulumi.interpolate`${args.cluster}-daily`, namespace: args.namespace },
        spec,
      },
      {
        parent: this,
        retainOnDelete: args.retainOnDelete,
        hooks: { onError: [retryWhileWebhookIsAway(`${name}-webhook`)] },
      },
    );
    this.registerOutputs({});
  }
}
