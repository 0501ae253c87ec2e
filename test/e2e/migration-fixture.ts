import { spawn } from "node:child_process";
import * as path from "node:path";
import { createInterface } from "node:readline";
import type { V1Pod } from "@kubernetes/client-node";
import type { EmbeddedCluster } from "../../local/kubernetes/cluster";
import { connect, type Target as LegacyTarget } from "../../local/legacy/cluster";
import { poolerSpec } from "../../components/pooler";
import { bringUpLegacy } from "../../local/legacy/legacy";
import type { WalLevel } from "../../local/legacy/manifests";
import { type Settings, settingsVariable } from "../../migration/engine/settings";
import { exampleSettings } from "../migration-settings";
import { sharedCluster } from "./cluster";
import { type ContainerProcess, endOutright, processesOf } from "./container-processes";
import { kubectl, psqlInPod, until, type Target } from "./kubectl";

export const legacyImage = "docker.io/library/postgres:15";

/** What a process came to. */
export interface Outcome {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** A legacy database and an empty Cluster beside it, in a namespace of their own on the shared cluster. */
export interface MigrationFixture {
  readonly target: Target;
  readonly namespace: string;
  readonly settings: Settings;
  /** The password of the application's role on the target. */
  readonly targetPassword: string;
  readonly poolerImage: string;
  /** kubectl in the namespace. */
  readonly k: (...args: string[]) => Promise<string>;
  /** SQL as superuser on the target. */
  readonly primary: (sql: string, database?: string) => Promise<string>;
  /** SQL as superuser on the source. */
  readonly legacy: (sql: string, database?: string) => Promise<string>;
  /** Runs the engine as `pulumi up` does. */
  readonly engine: (...mode: string[]) => Promise<Outcome>;
  readonly takeDown: () => Promise<void>;
}

/** Where a fixture is made, if not on the shared cluster with small volumes. An empty StorageClass is the node's disk. */
export interface Place {
  readonly cluster: EmbeddedCluster;
  readonly targetStorage: Settings["dump"];
  readonly dumpStorage: Settings["dump"];
}

/** What a stack tells the engine whose names are the defaults, with the dump on a volume of this StorageClass. */
function settingsOf(where: Target & { readonly namespace: string }, storageClass: string): Settings {
  return {
    ...exampleSettings,
    kubeconfig: where.kubeconfig,
    context: where.context,
    namespace: where.namespace,
    target: { ...exampleSettings.target, searchPath: ["naytife_schema", "public"] },
    jobs: 2,
    dump: { size: "1Gi", storageClass },
  };
}

/** What the two databases are like. */
export interface FixtureOptions {
  /** Of the legacy one's data. */
  readonly size: string;
  /** Of the legacy one's server; default: replica. */
  readonly walLevel?: WalLevel;
  /** Of the Cluster's PostgreSQL. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** What is made in the Cluster's database with it. */
  readonly statements?: readonly string[];
  readonly place?: Place;
}

/** Makes both databases. */
export async function migrationFixture(
  name: string,
  { size, walLevel = "replica", parameters = {}, statements = [], place }: FixtureOptions,
): Promise<MigrationFixture> {
  const namespace = `${name}-${Date.now().toString(36)}`;
  const storageClass = `${namespace}-local-path`;
  const targetPassword = "target:pass\\word' \"quoted";
  const cluster = place?.cluster ?? (await sharedCluster());
  const target = { kubeconfig: cluster.kubeconfig, context: cluster.context };
  const storage = ({ size, storageClass: other }: Settings["dump"]) => ({ size, storageClass: other || storageClass });
  const k = (...args: string[]) => kubectl(target, ["-n", namespace, ...args]);
  const known = await kubectl(target, ["get", "deployments", "-n", "cnpg-system", "-o", "name", "--ignore-not-found"]);
  if (!known.includes("cnpg-controller-manager")) {
    await kubectl(target, ["apply", "--server-side", "-f", cluster.operatorManifest]);
  }
  const operator = ["rollout", "status", "deployment/cnpg-controller-manager", "--timeout=300s"];
  await kubectl(target, ["-n", "cnpg-system", ...operator]);
  await kubectl(target, ["create", "namespace", namespace]);
  const bootstrap = {
    database: "naytifedb",
    owner: "naytife",
    secret: { name: "cnpg-cluster-secret" },
    encoding: "UTF8",
    localeProvider: "builtin",
    builtinLocale: "C.UTF-8",
    postInitApplicationSQL: statements,
  };
  const objects = [
    {
      apiVersion: "storage.k8s.io/v1",
      kind: "StorageClass",
      metadata: { name: storageClass },
      provisioner: "rancher.io/local-path",
      volumeBindingMode: "WaitForFirstConsumer",
    },
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "cnpg-cluster-secret" },
      type: "kubernetes.io/basic-auth",
      stringData: { username: "naytife", password: targetPassword },
    },
    {
      apiVersion: "postgresql.cnpg.io/v1",
      kind: "Cluster",
      metadata: { name: "naytife-postgres" },
      spec: {
        instances: 1,
        imageName: cluster.postgresImage,
        bootstrap: { initdb: bootstrap },
        postgresql: { parameters, pg_hba: ["hostnossl all all all reject"] },
        storage: storage(place?.targetStorage ?? { size: "2Gi", storageClass }),
        // Else it is looked at each ten seconds.
        probes: { startup: { periodSeconds: 1 }, readiness: { periodSeconds: 2 } },
      },
    },
  ];
  const manifest = objects.map((object) => JSON.stringify(object)).join("\n---\n");
  await until("the operator's webhook", 180, async () => {
    try {
      await kubectl(target, ["-n", namespace, "apply", "--server-side", "-f", "-"], manifest);
      return true;
    } catch {
      return undefined;
    }
  });
  const legacyTarget = { ...target, namespace };
  await bringUpLegacy({ ...legacyTarget, size, seed: 3, image: legacyImage, walLevel });
  await k("wait", "--for=condition=Ready", "cluster.postgresql.cnpg.io/naytife-postgres", "--timeout=300s");
  const made = settingsOf(legacyTarget, storageClass);
  const settings = place === undefined ? made : { ...made, dump: storage(place.dumpStorage) };
  return {
    target,
    namespace,
    settings,
    targetPassword,
    poolerImage: cluster.poolerImage,
    k,
    primary: (sql, database = "naytifedb") =>
      psqlInPod(target, { namespace, name: "naytife-postgres-1", user: "postgres" }, database, sql),
    legacy: (sql, database = "naytifedb") =>
      psqlInPod(target, { namespace, name: "deploy/postgres", user: "naytife" }, database, sql),
    engine: (...mode) =>
      runProgram(["migration/engine/main.ts", ...mode], { [settingsVariable]: JSON.stringify(settings) }),
    // All of it goes by itself, and nobody has to wait for that.
    takeDown: async () => {
      await kubectl(target, ["delete", "namespace", namespace, "--wait=false"]);
      await kubectl(target, ["delete", "storageclass", storageClass]);
    },
  };
}

/** A program that runs. */
export interface Running {
  readonly outcome: Promise<Outcome>;
  /** When nothing of it is left. */
  readonly ended: Promise<void>;
  readonly end: (signal: NodeJS.Signals) => void;
  /** Reads no more of what it says, as when whoever started it is gone: that is its outcome, whatever it does then. */
  readonly leave: () => void;
}

/** Applies the Pooler as the program does; {@link poolerRuns} waits for it. */
export async function applyPooler(
  { target, namespace, poolerImage }: MigrationFixture,
  instances: number,
): Promise<void> {
  const pooler = {
    apiVersion: "postgresql.cnpg.io/v1",
    kind: "Pooler",
    metadata: { name: "naytife-postgres-pooler" },
    spec: poolerSpec({
      cluster: "naytife-postgres",
      instances,
      image: poolerImage,
      mode: "transaction",
      maxClientConnections: 1000,
      defaultPoolSize: 20,
      maxDatabaseConnections: 25,
      maxUserConnections: 25,
      serverCheckDelay: 30,
      serverLoginRetry: 1,
      memoryRequest: "32Mi",
      memoryLimit: "128Mi",
      cpuRequest: "10m",
      cpuLimit: "500m",
    }),
  };
  await kubectl(target, ["-n", namespace, "apply", "--server-side", "-f", "-"], JSON.stringify(pooler));
}

/** The application's role logs in to the target by the password that it has on the source, as clients of the old host name need it. */
export async function takeSourcePassword({ k, primary }: MigrationFixture): Promise<void> {
  const encoded = await k("get", "secret", "postgres-secret", "-o", "jsonpath={.data.POSTGRES_PASSWORD}");
  await primary(`ALTER ROLE naytife PASSWORD '${Buffer.from(encoded, "base64").toString()}'`);
  await k("patch", "secret", "cnpg-cluster-secret", "-p", JSON.stringify({ data: { password: encoded } }));
}

/** Waits until all pods of the Pooler are there. */
export async function poolerRuns({ k }: MigrationFixture): Promise<void> {
  const pool = "deployment/naytife-postgres-pooler";
  await until("the pooler's Deployment", 180, () => k("get", pool, "-o", "name").catch(() => undefined));
  await k("rollout", "status", pool, "--timeout=300s");
}

/**
 * Starts a program of this repository, with no more in its environment than it is given.
 *
 * @param onLine sees each line that it says on stderr, as it says it
 */
export function startProgram(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  onLine: (line: string) => void = () => undefined,
): Running {
  const loader = args[0]?.endsWith(".ts") === true ? ["--require", "./local/typescript.js"] : [];
  const child = spawn(process.execPath, [...loader, ...args], {
    cwd: path.join(__dirname, "../.."),
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
  });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (errors += chunk));
  createInterface({ input: child.stderr }).on("line", onLine);
  let settle: (code: number | null) => void = () => undefined;
  const outcome = new Promise<Outcome>((resolve) => {
    settle = (code) => {
      resolve({ code, output, errors });
    };
  });
  const ended = new Promise<void>((resolve) => {
    child.on("close", (code) => {
      settle(code);
      resolve();
    });
  });
  return {
    outcome,
    ended,
    end: (signal) => child.kill(signal),
    leave: () => {
      settle(null);
      child.stdout.destroy();
      child.stderr.destroy();
    },
  };
}

/** {@link startProgram}, to its end. @param kill ends it outright */
export function runProgram(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  onLine?: (line: string) => void,
  kill?: AbortSignal,
): Promise<Outcome> {
  const { outcome, end } = startProgram(args, environment, onLine);
  kill?.addEventListener("abort", () => {
    end("SIGKILL");
  });
  return outcome;
}

/** The pods of a migration's Job. */
export async function jobPods(target: LegacyTarget): Promise<V1Pod[]> {
  const labelSelector = "batch.kubernetes.io/job-name=naytife-postgres-migration";
  return (await connect(target).core.listNamespacedPod({ namespace: target.namespace, labelSelector })).items;
}

/** The processes of a migration's Job: an embedded node's are this machine's. */
export async function jobProcesses(target: LegacyTarget): Promise<ContainerProcess[]> {
  const pods = await jobPods(target);
  return pods
    .flatMap(({ metadata }) => processesOf(metadata?.uid ?? ""))
    .filter(({ command }) => command[0] !== "/pause");
}

/** Ends everything in the Job's container at one blow, as a lost node would. By its processes: the API asks politely first. @throws Error where the Job had ended before */
export async function killJob(target: LegacyTarget): Promise<void> {
  if (!endOutright(await jobProcesses(target))) throw new Error("the Job had ended before it could be killed");
}
