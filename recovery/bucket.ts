import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import type { V1EnvVar, V1Pod, V1ResourceRequirements } from "@kubernetes/client-node";
import { found, type Kubernetes, patiently, waitingFor } from "../migration/engine/kubernetes";
import { asOperandUser } from "../postgresql/operand-user";
import type { Listing } from "./archive";

/** A key of a Secret. */
interface SecretKey {
  readonly name: string;
  readonly key: string;
}

/** The parts of an ObjectStore (barmancloud.cnpg.io/v1) that say how to reach the bucket. */
export interface ObjectStore {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly configuration: {
      readonly destinationPath: string;
      readonly endpointURL?: string;
      readonly endpointCA?: SecretKey;
      readonly s3Credentials?: {
        readonly accessKeyId?: SecretKey;
        readonly secretAccessKey?: SecretKey;
        readonly sessionToken?: SecretKey;
        readonly region?: SecretKey;
      };
    };
    readonly instanceSidecarConfiguration?: {
      readonly env?: readonly V1EnvVar[];
      readonly resources?: V1ResourceRequirements;
    };
  };
}

/** How the pod is run that lists a bucket. */
export interface ListingPod {
  /** The sidecar's. */
  readonly image: string;
  /** How long it may take, its image's pull included. */
  readonly seconds: number;
}

/** The store cannot be listed, and why in its own words. */
export class StoreUnavailable extends Error {}

/**
 * What lies in the bucket, as the recovery would see it: asked from inside the cluster, with the sidecar's image and the ObjectStore's credentials, which
 * do not leave the cluster.
 *
 * @throws StoreUnavailable
 */
export async function listBucket(
  kubernetes: Kubernetes,
  namespace: string,
  store: Pick<ObjectStore, "spec">,
  { image, seconds }: ListingPod,
): Promise<Listing> {
  const script = await readFile(join(__dirname, "list-bucket.py"), "utf8");
  const { core } = kubernetes;
  const name = `naytife-postgres-bucket-${Date.now().toString(36)}`;
  await patiently(() =>
    core.createNamespacedPod({ namespace, body: listingPod(name, store, { image, seconds }, script) }),
  );
  try {
    const deadline = Date.now() + seconds * 1000;
    for (;;) {
      const pod = await patiently(() => core.readNamespacedPod({ name, namespace }));
      const phase = pod.status?.phase;
      if (phase === "Succeeded") return answerOf(await core.readNamespacedPodLog({ name, namespace }));
      if (phase === "Failed") {
        const log = await core.readNamespacedPodLog({ name, namespace, tailLines: 3 });
        throw new StoreUnavailable(`the pod that lists the bucket failed: ${log.trim()}`);
      }
      if (Date.now() > deadline) {
        throw new StoreUnavailable(
          `the pod that lists the bucket was not done within ${seconds} s: ${waitingFor(pod)}`,
        );
      }
      await sleep(500);
    }
  } finally {
    await found(patiently(() => core.deleteNamespacedPod({ name, namespace, gracePeriodSeconds: 0 })));
  }
}

/** The pod that lists a bucket. */
export function listingPod(
  name: string,
  { spec }: Pick<ObjectStore, "spec">,
  { image, seconds }: ListingPod,
  script: string,
): V1Pod {
  const { destinationPath, endpointURL = "", endpointCA, s3Credentials = {} } = spec.configuration;
  const { accessKeyId, secretAccessKey, sessionToken, region } = s3Credentials;
  const secret = (variable: string, reference: SecretKey | undefined): V1EnvVar[] =>
    reference === undefined ? [] : [{ name: variable, valueFrom: { secretKeyRef: { ...reference } } }];
  return {
    metadata: {
      name,
      labels: {
        "app.kubernetes.io/name": "naytife-postgres-recovery",
        "app.kubernetes.io/managed-by": "naytife-postgres",
      },
    },
    spec: {
      restartPolicy: "Never",
      activeDeadlineSeconds: seconds,
      automountServiceAccountToken: false,
      securityContext: asOperandUser,
      containers: [
        {
          name: "list",
          image,
          command: ["python3", "-c", script],
          env: [
            { name: "DESTINATION", value: destinationPath },
            { name: "ENDPOINT_URL", value: endpointURL },
            ...secret("AWS_ACCESS_KEY_ID", accessKeyId),
            ...secret("AWS_SECRET_ACCESS_KEY", secretAccessKey),
            ...secret("AWS_SESSION_TOKEN", sessionToken),
            ...secret("AWS_DEFAULT_REGION", region),
            ...(endpointCA === undefined ? [] : [{ name: "AWS_CA_BUNDLE", value: `/ca/${endpointCA.key}` }]),
            ...(spec.instanceSidecarConfiguration?.env ?? []),
          ],
          resources: spec.instanceSidecarConfiguration?.resources ?? {},
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ["ALL"] },
          },
          volumeMounts: [
            { name: "scratch", mountPath: "/tmp" },
            ...(endpointCA === undefined ? [] : [{ name: "ca", mountPath: "/ca", readOnly: true }]),
          ],
        },
      ],
      volumes: [
        { name: "scratch", emptyDir: {} },
        ...(endpointCA === undefined ? [] : [{ name: "ca", secret: { secretName: endpointCA.name } }]),
      ],
    },
  };
}

/** Reads what list-bucket.py printed. @throws StoreUnavailable where the store refused, or the answer broke off */
export function answerOf(log: string): Listing {
  const lines = log.trimEnd().split("\n");
  const begin = lines.lastIndexOf("begin");
  if (begin === -1 || lines.pop() !== "end") throw new StoreUnavailable("the list of the bucket broke off");
  const answer = JSON.parse(gunzipSync(Buffer.from(lines.slice(begin + 1).join(""), "base64")).toString("utf8")) as
    | {
        readonly objects: readonly [string, number, number][];
        readonly texts: Listing["texts"];
        readonly commits: Readonly<Record<string, number>>;
        readonly unreadable: Listing["unreadable"];
      }
    | { readonly error: string; readonly message: string };
  if ("error" in answer)
    throw new StoreUnavailable(`${answer.error}${answer.message === "" ? "" : `: ${answer.message}`}`);
  const { objects, texts, commits, unreadable } = answer;
  return {
    objects: objects.map(([key, bytes, seconds]) => ({ key, bytes, stored: seconds * 1000 })),
    texts,
    commits: Object.fromEntries(Object.entries(commits).map(([folder, seconds]) => [folder, seconds * 1000])),
    unreadable,
  };
}

/** The keys' prefix of a destinationPath, `s3://<bucket>/<prefix>`. */
export function prefixOf(destinationPath: string): string {
  return destinationPath.replace(/^s3:\/\/[^/]+/, "").replace(/^\/+|\/+$/g, "");
}
