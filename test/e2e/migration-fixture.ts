import { spawn } from "node:child_process";
import * as path from "node:path";
import { poolerSpec } from "../../components/pooler";
import { bringUpLegacy, takeDownLegacy } from "../../local/legacy/legacy";
import type { WalLevel } from "../../local/legacy/manifests";
import { type Settings, settingsVariable } from "../../migration/engine/settings";
import { exampleSettings } from "../migration-settings";
import { sharedCluster } from "./cluster";
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

/** What a stack tells the engine whose names are the defaults, with the dump on a volume of this StorageClass. */
export function settingsOf(where: Target & { readonly namespace: string }, storageClass: string): Settings {
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

/**
 * Makes both databases; the legacy one of `size`.
 *
 * @param parameters of the Cluster's PostgreSQL
 * @param walLevel of the legacy database
 */
export async function migrationFixture(
  name: string,
  size: string,
  parameters: Readonly<Record<string, string>> = {},
  walLevel: WalLevel = "replica",
): Promise<MigrationFixture> {
  const namespace = `${name}-${Date.now().toString(36)}`;
  const storageClass = `${namespace}-local-path`;
  const targetPassword = "target:pass\\word' \"quoted";
  const cluster = await sharedCluster();
  const target = { kubeconfig: cluster.kubeconfig, context: cluster.context };
  const k = (...args: string[]) => kubectl(target, ["-n", namespace, ...args]);
  const known = await kubectl(target, ["get", "deployments", "-n", "cnpg-system", "-o", "name", "--ignore-not-found"]);
  if (!known.includes("cnpg-controller-manager")) {
    await kubectl(target, ["apply", "--server-side", "-f", cluster.operatorManifest]);
  }
  const operator = ["rollout", "status", "deployment/cnpg-controller-manager", "--timeout=120s"];
  await kubectl(target, ["-n", "cnpg-system", ...operator]);
  await kubectl(target, ["create", "namespace", namespace]);
  const bootstrap = {
    database: "naytifedb",
    owner: "naytife",
    secret: { name: "cnpg-cluster-secret" },
    encoding: "UTF8",
    localeProvider: "builtin",
    builtinLocale: "C.UTF-8",
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
        storage: { size: "2Gi", storageClass },
      },
    },
  ];
  const manifest = objects.map((object) => JSON.stringify(object)).join("\n---\n");
  await until("the operator's webhook", 90, async () => {
    try {
      await kubectl(target, ["-n", namespace, "apply", "--server-side", "-f", "-"], manifest);
      return true;
    } catch {
      return undefined;
    }
  });
  const legacyTarget = { ...target, namespace };
  await bringUpLegacy({ ...legacyTarget, size, seed: 3, image: legacyImage, walLevel });
  await k("wait", "--for=condition=Ready", "cluster.postgresql.cnpg.io/naytife-postgres", "--timeout=180s");
  const settings = settingsOf(legacyTarget, storageClass);
  return {
    target,
    namespace,
    settings,
    targetPassword,
    k,
    primary: (sql, database = "naytifedb") =>
      psqlInPod(target, { namespace, name: "naytife-postgres-1", user: "postgres" }, database, sql),
    legacy: (sql, database = "naytifedb") =>
      psqlInPod(target, { namespace, name: "deploy/postgres", user: "naytife" }, database, sql),
    engine: (...mode) =>
      runProgram(["migration/engine/main.ts", ...mode], { [settingsVariable]: JSON.stringify(settings) }),
    takeDown: async () => {
      await k("delete", "pooler.postgresql.cnpg.io,cluster.postgresql.cnpg.io", "--all");
      await takeDownLegacy(legacyTarget);
      await kubectl(target, ["delete", "namespace", namespace, "--wait=false"]);
      await kubectl(target, ["delete", "storageclass", storageClass]);
    },
  };
}

/** Applies the Pooler as the program does; {@link poolerRuns} waits for it. */
export async function applyPooler({ target, namespace }: MigrationFixture, instances: number): Promise<void> {
  const pooler = {
    apiVersion: "postgresql.cnpg.io/v1",
    kind: "Pooler",
    metadata: { name: "naytife-postgres-pooler" },
    spec: poolerSpec({
      cluster: "naytife-postgres",
      instances,
      image: (await sharedCluster()).poolerImage,
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

/** Waits until all pods of the Pooler are there. */
export async function poolerRuns({ k }: MigrationFixture): Promise<void> {
  const pool = "deployment/naytife-postgres-pooler";
  await until("the pooler's Deployment", 60, () => k("get", pool, "-o", "name").catch(() => undefined));
  await k("rollout", "status", pool, "--timeout=120s");
}

/**
 * Runs a program of this repository to its end, with no more in its environment than it is given.
 *
 * @param onLine sees each line that it says on stderr, as it says it
 * @param kill ends it outright
 */
export function runProgram(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  onLine: (line: string) => void = () => undefined,
  kill?: AbortSignal,
): Promise<Outcome> {
  const child = spawn(process.execPath, ["--require", "./local/typescript.js", ...args], {
    cwd: path.join(__dirname, "../.."),
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
  });
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
    for (const line of chunk.toString().split("\n")) onLine(line);
  });
  kill?.addEventListener("abort", () => child.kill("SIGKILL"));
  return new Promise((resolve) => {
    child.on("close", (code) => {
      resolve({ code, output, errors });
    });
  });
}
