import * as crypto from "node:crypto";
import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import type { BucketAddress } from "./bucket-address";
import { names, serviceHost } from "./names";
import { secretData } from "./secret-data";

const port = 7070;
const healthPath = "/health";
const labels = { app: names.localStore };
/** Both images can run as anyone; the operand's user is what a namespace's rules are most likely to know. */
const user = 26;

/** Arguments of {@link LocalBucket}. */
export interface LocalBucketArgs {
  readonly namespace: pulumi.Input<string>;
  /** By name, for the address. */
  readonly namespaceName: string;
  readonly bucket: string;
  /** Path in the bucket. */
  readonly prefix: string;
  readonly region: string;
  /** Image of versitygw, with tag. */
  readonly image: string;
  /** Image with a shell, which makes the bucket: the operand's. */
  readonly shellImage: string;
  readonly storageClass: pulumi.Input<string>;
  /** Size of the volume, a Kubernetes quantity. */
  readonly size: string;
  /** Leave the store and its backups when the stack is destroyed. */
  readonly retainOnDelete: boolean;
}

/** A bucket on an S3 store of the namespace's own (versitygw), on one volume. It is lost with the cluster: for trying things out. */
export class LocalBucket extends pulumi.ComponentResource implements BucketAddress {
  /** Known once the store answers. */
  readonly destinationPath: pulumi.Output<string>;
  readonly endpointUrl: pulumi.Output<string>;
  readonly region: pulumi.Output<string>;
  readonly credentialsSecret: pulumi.Output<string>;

  constructor(name: string, args: LocalBucketArgs, options?: pulumi.ComponentResourceOptions) {
    super("naytife:postgres:LocalBucket", name, {}, options);
    const { retainOnDelete } = args;
    const children: pulumi.CustomResourceOptions = { parent: this, retainOnDelete };
    const metadata = { name: names.localStore, namespace: args.namespace, labels };
    const accessKey = new random.RandomPassword(`${name}-access-key`, { length: 20, special: false }, { parent: this });
    const secretKey = new random.RandomPassword(`${name}-secret-key`, { length: 40, special: false }, { parent: this });
    const secret = new kubernetes.core.v1.Secret(
      names.backupSecret,
      {
        metadata: { name: names.backupSecret, namespace: args.namespace },
        type: "Opaque",
        data: secretData({ ACCESS_KEY_ID: accessKey.result, ACCESS_SECRET_KEY: secretKey.result }),
      },
      children,
    );
    const fingerprint = pulumi.unsecret(
      pulumi
        .all([accessKey.result, secretKey.result])
        .apply((keys) => crypto.createHash("sha256").update(keys.join()).digest("hex").slice(0, 16)),
    );
    const claim = new kubernetes.core.v1.PersistentVolumeClaim(
      names.localStore,
      {
        metadata: {
          ...metadata,
          // It is bound when the pod is there.
          annotations: { "pulumi.com/skipAwait": "true" },
        },
        spec: {
          accessModes: ["ReadWriteOnce"],
          storageClassName: args.storageClass,
          resources: { requests: { storage: args.size } },
        },
      },
      children,
    );
    const fromSecret = (key: string) => ({ secretKeyRef: { name: secret.metadata.name, key } });
    const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };
    const volumeMounts = [{ name: "store", mountPath: "/store" }];
    const deployment = new kubernetes.apps.v1.Deployment(
      names.localStore,
      {
        metadata,
        spec: {
          replicas: 1,
          // The volume is for one pod at a time.
          strategy: { type: "Recreate" },
          selector: { matchLabels: labels },
          template: {
            // The store reads its keys when it starts.
            metadata: { labels, annotations: { "naytife.com/keys": fingerprint } },
            spec: {
              securityContext: {
                runAsNonRoot: true,
                runAsUser: user,
                runAsGroup: user,
                fsGroup: user,
                seccompProfile: { type: "RuntimeDefault" },
              },
              initContainers: [
                {
                  // barman makes no bucket (since 3.16), and a bucket is a folder.
                  name: "bucket",
                  image: args.shellImage,
                  command: ["mkdir", "-p", `/store/buckets/${args.bucket}`, "/store/metadata"],
                  volumeMounts,
                  securityContext,
                },
              ],
              containers: [
                {
                  name: "versitygw",
                  image: args.image,
                  command: [
                    "/usr/local/bin/versitygw",
                    `--port=:${port}`,
                    `--region=${args.region}`,
                    `--health=${healthPath}`,
                    "--quiet",
                    "posix",
                    "--sidecar=/store/metadata",
                    "/store/buckets",
                  ],
                  env: [
                    { name: "ROOT_ACCESS_KEY_ID", valueFrom: fromSecret("ACCESS_KEY_ID") },
                    { name: "ROOT_SECRET_ACCESS_KEY", valueFrom: fromSecret("ACCESS_SECRET_KEY") },
                  ],
                  ports: [{ name: "s3", containerPort: port }],
                  readinessProbe: { httpGet: { path: healthPath, port }, periodSeconds: 2 },
                  volumeMounts,
                  resources: { requests: { cpu: "50m", memory: "64Mi" }, limits: { memory: "256Mi" } },
                  securityContext: { ...securityContext, readOnlyRootFilesystem: true },
                },
              ],
              volumes: [{ name: "store", persistentVolumeClaim: { claimName: claim.metadata.name } }],
            },
          },
        },
      },
      children,
    );
    const service = new kubernetes.core.v1.Service(
      names.localStore,
      { metadata, spec: { selector: labels, ports: [{ name: "s3", port, targetPort: port }] } },
      // Pulumi waits until a pod answers behind it.
      pulumi.mergeOptions(children, { dependsOn: [deployment] }),
    );
    this.destinationPath = service.metadata.apply(() => `s3://${args.bucket}/${args.prefix}`);
    this.endpointUrl = service.metadata.apply(
      () => `http://${serviceHost(names.localStore, args.namespaceName)}:${port}`,
    );
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
