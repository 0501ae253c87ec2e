import { PassThrough, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import {
  ApiException,
  AppsV1Api,
  BatchV1Api,
  CoreV1Api,
  CustomObjectsApi,
  DiscoveryV1Api,
  Exec,
  KubeConfig,
  Log,
  StorageV1Api,
  type V1Pod,
  type V1Status,
} from "@kubernetes/client-node";
import type { BackupSpec } from "../../components/backups";
import { MigrationFailure, nothingChanged } from "./failure";
import type { Settings } from "./settings";

/** The parts of a CloudNativePG Cluster that the migration reads. */
export interface ClusterObject {
  readonly spec: {
    readonly imageName?: string;
    readonly storage?: { readonly size?: string };
    readonly resources?: { readonly limits?: { readonly memory?: string | number; readonly cpu?: string | number } };
    readonly postgresql?: { readonly synchronous?: { readonly number: number } };
  };
  readonly status?: {
    readonly currentPrimary?: string;
    readonly image?: string;
    readonly phase?: string;
    readonly readyInstances?: number;
    readonly instanceNames?: readonly string[];
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
  };
}

/** The parts of a CloudNativePG Backup that the migration reads. */
export interface BackupObject {
  readonly metadata: { readonly name: string; readonly creationTimestamp: string };
  readonly spec: { readonly cluster: { readonly name: string } };
  readonly status?: { readonly phase?: string; readonly error?: string };
}

/** The part of a CloudNativePG Pooler that the migration reads. */
export interface PoolerObject {
  readonly spec: { readonly pgbouncer: { readonly paused?: boolean } };
}

/** How long the API server may take for its first answer, in milliseconds. */
const answerLimit = 15_000;

/** The clients, for the context that the settings name. */
export class Kubernetes {
  readonly core: CoreV1Api;
  readonly batch: BatchV1Api;
  readonly apps: AppsV1Api;
  readonly custom: CustomObjectsApi;
  private readonly discovery: DiscoveryV1Api;
  private readonly storage: StorageV1Api;
  private readonly config = new KubeConfig();

  constructor(private readonly settings: Settings) {
    const { kubeconfig, context } = settings;
    try {
      if (kubeconfig === "") {
        this.config.loadFromDefault();
      } else {
        this.config.loadFromFile(kubeconfig);
      }
    } catch (error) {
      throw new MigrationFailure(
        `the kubeconfig${kubeconfig === "" ? "" : ` ${kubeconfig}`} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
        nothingChanged,
        "Check kubeconfig.",
      );
    }
    if (context !== "") {
      if (this.config.getContextObject(context) === null) {
        const known = this.config.getContexts().map(({ name }) => name);
        throw new MigrationFailure(
          `the kubeconfig has no context ${context}; it has: ${known.join(", ")}`,
          nothingChanged,
          "Check kubeContext.",
        );
      }
      this.config.setCurrentContext(context);
    }
    this.core = this.config.makeApiClient(CoreV1Api);
    this.batch = this.config.makeApiClient(BatchV1Api);
    this.apps = this.config.makeApiClient(AppsV1Api);
    this.custom = this.config.makeApiClient(CustomObjectsApi);
    this.storage = this.config.makeApiClient(StorageV1Api);
    this.discovery = this.config.makeApiClient(DiscoveryV1Api);
  }

  /**
   * The first thing that is asked of the API server, which gets no second chance here, so that a wrong address is told at once.
   *
   * @throws MigrationFailure where nothing answers
   */
  async reach(): Promise<void> {
    const { namespace } = this.settings;
    const server = this.config.getCurrentCluster()?.server ?? "the kubeconfig names none";
    try {
      await within(answerLimit, this.core.listNamespacedPod({ namespace, limit: 1 }));
    } catch (error) {
      throw error instanceof ApiException
        ? new MigrationFailure(
            `the cluster (${server}) refuses to list the pods of namespace ${namespace}: ${refusal(error)}`,
            nothingChanged,
            "Check the credentials and the rights of the kubeconfig's context.",
          )
        : new MigrationFailure(
            `the cluster does not answer (${server}): ${error instanceof Error ? error.message : String(error)}`,
            nothingChanged,
            "Check kubeconfig and kubeContext.",
          );
    }
  }

  /**
   * The target's Cluster.
   *
   * @throws MigrationFailure where nothing answers, where the operator is not installed, and where there is no such Cluster
   */
  async presentCluster(): Promise<ClusterObject> {
    await this.reach();
    const { namespace, target } = this.settings;
    let cluster;
    try {
      cluster = await patiently(() => this.readCluster());
    } catch (error) {
      if (!(error instanceof ApiException && error.code === 404)) throw error;
      // The path of a kind that is not known answers in plain text, that of a missing object with a Status.
      throw String(error.body).includes('"Status"')
        ? new MigrationFailure(
            `there is no Cluster ${target.cluster} in namespace ${namespace}`,
            nothingChanged,
            "The program makes it before the migration; run `pulumi up`.",
          )
        : new MigrationFailure(
            "the operator is not installed: the cluster knows no clusters.postgresql.cnpg.io",
            nothingChanged,
            "The program installs it before the migration; run `pulumi up`.",
          );
    }
    return cluster;
  }

  /** The target's Cluster, or undefined if there is none. */
  async cluster(): Promise<ClusterObject | undefined> {
    return found(patiently(() => this.readCluster()));
  }

  /** A Pooler, or undefined if there is none. */
  async pooler(name: string): Promise<PoolerObject | undefined> {
    const object: unknown = await found(patiently(() => this.custom.getNamespacedCustomObject(this.poolerPath(name))));
    return object as PoolerObject | undefined;
  }

  /** Clients of a Pooler wait from here on, or go on. */
  async pausePooler(name: string, paused: boolean): Promise<void> {
    const body = [{ op: "add", path: "/spec/pgbouncer/paused", value: paused }];
    await patiently(() => this.custom.patchNamespacedCustomObject({ ...this.poolerPath(name), body }));
  }

  /** The base backups of the target's Cluster, finished or not. */
  async backups(): Promise<BackupObject[]> {
    const { items } = (await patiently(() => this.custom.listNamespacedCustomObject(this.backupsPath()))) as {
      items: BackupObject[];
    };
    return items.filter(({ spec }) => spec.cluster.name === this.settings.target.cluster);
  }

  /** Asks for a base backup, and returns its name. */
  async createBackup(spec: BackupSpec): Promise<string> {
    const name = `${this.settings.target.cluster}-${new Date().toISOString().replace(/\.\d+Z$|\D/g, "")}`;
    const body = { apiVersion: "postgresql.cnpg.io/v1", kind: "Backup", metadata: { name }, spec };
    await patiently(() => this.custom.createNamespacedCustomObject({ ...this.backupsPath(), body }));
    return name;
  }

  /** What the primary's backup sidecar said in the latest seconds; empty where there is none yet. */
  async sidecarLog(sinceSeconds: number): Promise<string> {
    const { namespace } = this.settings;
    const name = (await this.cluster())?.status?.currentPrimary ?? "";
    const log = this.core.readNamespacedPodLog({ name, namespace, container: "plugin-barman-cloud", sinceSeconds });
    return log.catch(() => "");
  }

  private backupsPath() {
    return { group: "postgresql.cnpg.io", version: "v1", plural: "backups", namespace: this.settings.namespace };
  }

  private poolerPath(name: string) {
    return { group: "postgresql.cnpg.io", version: "v1", plural: "poolers", namespace: this.settings.namespace, name };
  }

  private async readCluster(): Promise<ClusterObject> {
    const { namespace, target } = this.settings;
    const object: unknown = await this.custom.getNamespacedCustomObject({
      group: "postgresql.cnpg.io",
      version: "v1",
      plural: "clusters",
      namespace,
      name: target.cluster,
    });
    return object as ClusterObject;
  }

  /** Address of the pod behind a Service, ready or not; undefined where the name is no Service of the namespace or has no pod. */
  async addressBehind(service: string): Promise<string | undefined> {
    const labelSelector = `kubernetes.io/service-name=${service}`;
    const { namespace } = this.settings;
    const { items } = await patiently(() => this.discovery.listNamespacedEndpointSlice({ namespace, labelSelector }));
    return items
      .flatMap(({ endpoints }) => (endpoints as typeof endpoints | null) ?? [])
      .flatMap(({ addresses }) => addresses)[0];
  }

  /** Whether there is a StorageClass of this name. */
  async hasStorageClass(name: string): Promise<boolean> {
    return (await found(patiently(() => this.storage.readStorageClass({ name })))) !== undefined;
  }

  /** The pods with a label that have not started, and why, in Kubernetes' own words. */
  async unready(labelSelector: string): Promise<string[]> {
    const { namespace } = this.settings;
    const { items } = await patiently(() => this.core.listNamespacedPod({ namespace, labelSelector }));
    return items
      .filter(({ status }) => status?.phase === "Pending")
      .map((pod) => `${pod.metadata?.name ?? ""}: ${waitingFor(pod)}`);
  }

  /**
   * Runs SQL in the primary as postgres, over its own socket, and returns what it printed. For bookkeeping alone: no data comes this way.
   * The statements share one session, in which nothing is written to the server's log. They go by standard input: a command stands in the API server's audit log.
   */
  async control(...statements: string[]): Promise<string> {
    return this.controlIn("postgres", ...statements);
  }

  /** {@link control} in another database. */
  async controlIn(database: string, ...statements: string[]): Promise<string> {
    const end = "end-of-answer";
    const quiet =
      "SET log_statement = 'none'; SET log_min_duration_statement = -1; SET log_min_error_statement = panic";
    const command = [
      "psql",
      "-X",
      "-A",
      "-t",
      "-q",
      "-v",
      "ON_ERROR_STOP=1",
      "-v",
      "VERBOSITY=terse",
      "-v",
      "SHOW_CONTEXT=never",
      "-d",
      database,
    ];
    const script = `${[quiet, ...statements, `SELECT '${end}'`].join(";\n")};\n\\q\n`;
    return patiently(async () => {
      const primary = (await this.cluster())?.status?.currentPrimary;
      if (primary === undefined) {
        throw new Error(`Cluster ${this.settings.target.cluster} has no primary`);
      }
      const { output, errors, status } = await this.exec({ pod: primary, container: "postgres" }, command, script);
      // A stream that breaks off may still be reported as a success.
      if (status?.status !== "Success" || !output.trimEnd().endsWith(end)) {
        throw new Error(
          `psql in pod ${primary}: ${[errors.trim(), status?.message ?? "", "the answer broke off"].find((text) => text !== "") ?? ""}`,
        );
      }
      return output.trimEnd().slice(0, -end.length).trim();
    });
  }

  /** What a command prints that ends by itself, in a container that runs. For a look alone. */
  async printed(where: { readonly pod: string; readonly container: string }, command: string[]): Promise<string> {
    const { output, errors, status } = await within(answerLimit, this.exec(where, command, ""));
    if (status?.status === "Success") return output;
    throw new Error(
      `${command.join(" ")} in pod ${where.pod}: ${errors.trim() || (status?.message ?? "it broke off")}`,
    );
  }

  private async exec(
    { pod, container }: { readonly pod: string; readonly container: string },
    command: string[],
    script: string,
  ): Promise<{ output: string; errors: string; status?: V1Status }> {
    // Never ended from here, which would close the answer's stream too: the script ends psql.
    const input = new PassThrough();
    input.write(script);
    const output = collector();
    const errors = collector();
    return new Promise((resolve, reject) => {
      let status: V1Status | undefined;
      const run = new Exec(this.config).exec(
        this.settings.namespace,
        pod,
        container,
        command,
        output.stream,
        errors.stream,
        input,
        false,
        (result) => {
          status = result;
        },
      );
      run.then((socket: { onclose: (() => void) | null; onerror: ((event: { message: string }) => void) | null }) => {
        socket.onclose = () => {
          resolve({ output: output.text(), errors: errors.text(), ...(status === undefined ? {} : { status }) });
        };
        socket.onerror = (event: { message: string }) => {
          reject(new Error(event.message));
        };
      }, reject);
    });
  }

  /** Follows the log of a pod's container from after `since` until the stream ends, line by line with the line's time. */
  async followLog(
    { pod, container }: { readonly pod: string; readonly container: string },
    since: string | undefined,
    line: (time: string, text: string) => void,
  ): Promise<void> {
    let rest = "";
    const stream = new Writable({
      write(chunk: Buffer, _encoding, done) {
        rest += chunk.toString("utf8");
        const lines = rest.split("\n");
        rest = lines.pop() ?? "";
        for (const text of lines) {
          const space = text.indexOf(" ");
          line(text.slice(0, space), text.slice(space + 1));
        }
        done();
      },
    });
    const ended = new Promise<void>((resolve) => {
      stream
        .on("finish", resolve)
        .on("close", resolve)
        .on("error", () => {
          resolve();
        });
    });
    await new Log(this.config).log(this.settings.namespace, pod, container, stream, {
      follow: true,
      timestamps: true,
      ...(since === undefined ? {} : { sinceTime: since }),
    });
    await ended;
  }
}

function collector(): { stream: Writable; text: () => string } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  return { stream, text: () => Buffer.concat(chunks).toString("utf8") };
}

/** What is asked, or an error after so many milliseconds. */
export async function within<T>(limit: number, request: Promise<T>): Promise<T> {
  const late = new AbortController();
  const timer = sleep(limit, undefined, { signal: late.signal }).then(() => {
    throw new Error(`no answer within ${limit / 1000} s`);
  });
  try {
    return await Promise.race([request, timer]);
  } finally {
    timer.catch(() => undefined);
    late.abort();
  }
}

/** The API server's own words for a refusal. */
export function refusal({ code, body }: ApiException<unknown>): string {
  const words = /"message":"((?:[^"\\]|\\.)*)"/.exec(typeof body === "string" ? body : JSON.stringify(body))?.[1];
  return `HTTP ${code}${words === undefined ? "" : `, ${words.replaceAll('\\"', '"')}`}`;
}

/** Why a pod has not started, in Kubernetes' own words. */
export function waitingFor(pod: V1Pod): string {
  const waiting = pod.status?.containerStatuses?.[0]?.state?.waiting;
  const scheduled = pod.status?.conditions?.find(({ type, status }) => type === "PodScheduled" && status === "False");
  const reason = waiting?.reason ?? scheduled?.reason ?? "Pending";
  const message = waiting?.message ?? scheduled?.message;
  return `${reason}${message === undefined ? "" : ` (${message})`}`;
}

/** The object, or undefined where the API server answers that there is none. */
export async function found<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof ApiException && error.code === 404) {
      return undefined;
    }
    throw error;
  }
}

/** Tries again, for two minutes, what fails for a lost connection or a server that is busy; an answer that is a refusal is thrown at once. */
export async function patiently<T>(request: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await request();
    } catch (error) {
      const refusal = error instanceof ApiException && error.code < 500 && error.code !== 429;
      const mistake =
        error instanceof MigrationFailure || (error instanceof Error && /ERROR: |FATAL: /.test(error.message));
      if (refusal || mistake || attempt >= 12) {
        throw error;
      }
      await sleep(Math.min(attempt * 1000, 15_000));
    }
  }
}
