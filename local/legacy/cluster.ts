/** The few things that the legacy asks of a Kubernetes cluster. */
import type { EventEmitter } from "node:events";
import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import {
  ApiException,
  AppsV1Api,
  BatchV1Api,
  CoreV1Api,
  Exec,
  KubeConfig,
  KubernetesObjectApi,
  V1ObjectMeta,
  VersionApi,
  type V1Status,
} from "@kubernetes/client-node";
import { names, type Manifest } from "./manifests";

/** Where: a kubeconfig file (empty: as kubectl finds it), one of its contexts (empty: the current one), a namespace. */
export interface Target {
  kubeconfig: string;
  context: string;
  namespace: string;
}

export interface Cluster {
  config: KubeConfig;
  core: CoreV1Api;
  apps: AppsV1Api;
  batch: BatchV1Api;
}

/** @throws Error where the kubeconfig cannot be read or has no such context; nothing was asked of any cluster then */
export function connect(target: Target): Cluster {
  const config = new KubeConfig();
  try {
    if (target.kubeconfig) config.loadFromFile(target.kubeconfig);
    else config.loadFromDefault();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`The kubeconfig ${target.kubeconfig} cannot be read (${reason}). Nothing was changed.`, {
      cause: error,
    });
  }
  if (target.context) {
    if (!config.getContextObject(target.context)) {
      const known = config
        .getContexts()
        .map((context) => context.name)
        .join(", ");
      throw new Error(
        `The kubeconfig has no context "${target.context}"; it has: ${known || "none"}. Nothing was changed.`,
      );
    }
    config.setCurrentContext(target.context);
  }
  return {
    config,
    core: config.makeApiClient(CoreV1Api),
    apps: config.makeApiClient(AppsV1Api),
    batch: config.makeApiClient(BatchV1Api),
  };
}

/** @throws Error where the cluster does not answer, or not to these credentials */
export async function expectAnswer(cluster: Cluster): Promise<void> {
  try {
    await cluster.config.makeApiClient(VersionApi).getCode();
  } catch (error) {
    const server = cluster.config.getCurrentCluster()?.server ?? "(none)";
    const reason =
      error instanceof ApiException ? `HTTP ${error.code}` : error instanceof Error ? error.message : String(error);
    throw new Error(`The cluster ${server} does not answer (${reason}). Nothing was changed.`, { cause: error });
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof ApiException && error.code === 404;
}

/** Creates an object; one that is there stays as it is. @returns whether it was created */
export async function createIfAbsent(cluster: Cluster, object: Manifest): Promise<boolean> {
  try {
    await KubernetesObjectApi.makeApiClient(cluster.config).create({
      ...object,
      metadata: Object.assign(new V1ObjectMeta(), object.metadata),
    });
    return true;
  } catch (error) {
    if (error instanceof ApiException && error.code === 409) return false;
    throw error;
  }
}

/** The name of the ready pod of the Deployment `postgres`. @throws Error after `patience` milliseconds, with the pod's state */
export async function readyPod(cluster: Cluster, namespace: string, patience = 0): Promise<string> {
  const until = Date.now() + patience;
  for (;;) {
    const { items } = await cluster.core.listNamespacedPod({ namespace, labelSelector: "app=postgres" });
    const pods = items.filter((pod) => !pod.metadata?.deletionTimestamp);
    const ready = pods.find((pod) => pod.status?.conditions?.some((c) => c.type === "Ready" && c.status === "True"));
    if (ready?.metadata?.name) return ready.metadata.name;
    if (Date.now() >= until) {
      const waiting = pods[0]?.status?.containerStatuses?.[0]?.state?.waiting;
      const state = waiting ? `${waiting.reason ?? ""} ${waiting.message ?? ""}` : (pods[0]?.status?.phase ?? "no pod");
      throw new Error(
        `The legacy pod in namespace ${namespace} is not ready (${state.trim()}). What was made was left in place.`,
      );
    }
    await sleep(500);
  }
}

/**
 * Asks the legacy database, as its superuser, from within its pod; for small answers only.
 *
 * @returns rows of columns as text; NULL is the empty string
 * @throws Error with what psql said
 */
export async function podQuery(
  cluster: Cluster,
  namespace: string,
  sql: string,
  database: string = names.database,
): Promise<string[][]> {
  const pod = await readyPod(cluster, namespace, 30_000);
  // Control characters separate: no value that is asked for here holds them.
  const psql = `PGPASSWORD="$POSTGRES_PASSWORD" exec psql -XAtq -v ON_ERROR_STOP=1 -F "$(printf '\\037')" -R "$(printf '\\036')" -h 127.0.0.1 -U "$POSTGRES_USER" -d "$0" -c "$1"`;
  const [out, err] = [new PassThrough(), new PassThrough()];
  const [chunks, complaints]: [Buffer[], Buffer[]] = [[], []];
  out.on("data", (chunk: Buffer) => chunks.push(chunk));
  err.on("data", (chunk: Buffer) => complaints.push(chunk));
  const status = await new Promise<V1Status>((resolve, reject) => {
    new Exec(cluster.config)
      .exec(namespace, pod, "postgres", ["sh", "-c", psql, database, sql], out, err, null, false, resolve)
      .then((socket: unknown) => {
        // Without a status the stream was cut: an answer that may be short is no answer.
        (socket as EventEmitter).on("close", () => {
          setTimeout(() => {
            reject(new Error(`The connection to pod ${namespace}/${pod} was cut before the answer ended.`));
          }, 100);
        });
      }, reject);
  });
  if (status.status !== "Success")
    throw new Error(
      `The legacy database refused a query: ${Buffer.concat(complaints).toString().trim() || (status.message ?? "")}`,
    );
  const text = Buffer.concat(chunks).toString().replace(/\n$/, "");
  return text === "" ? [] : text.split("\x1e").map((row) => row.split("\x1f"));
}
