/** Brings the legacy database up in a cluster, seeds it, says how it is, and takes it down. */
import { randomBytes } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { V1Job } from "@kubernetes/client-node";
import { step } from "../progress";
import {
  connect,
  createIfAbsent,
  expectAnswer,
  isNotFound,
  podQuery,
  readyPod,
  type Cluster,
  type Target,
} from "./cluster";
import {
  connectionSecretManifest,
  deploymentManifest,
  names,
  namespaceManifest,
  secretManifest,
  seedConfigMap,
  seedJob,
  serviceManifest,
  type WalLevel,
} from "./manifests";
import { parseSize, planOf, type SeedPlan } from "./plan";

export interface LegacyOptions extends Target {
  /** For example `100MB`; 10MB to 10GB. */
  size: string;
  /** Same seed and same size, same rows. A whole number of at most 12 digits. */
  seed: number;
  /** Of PostgreSQL 15, with an entry point that honours POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB. */
  image: string;
  /** COPY pipes at a time; default 2. */
  streams?: number;
  /** Default `replica`, the server's own. One that is there stays as it is. */
  walLevel?: WalLevel;
}

/** What the seed's own record says. */
export interface SeedRecord {
  size: string;
  seed: number;
  finished: boolean;
}

/**
 * Brings the legacy `postgres` Deployment up and seeds it. Does nothing to one that is there and seeded: an emptyDir
 * survives no restart. A seed that never finished is dropped and made again.
 *
 * @throws Error where the size or the seed is wrong, the cluster does not answer, the pod does not become ready within
 *   3 minutes, or the database holds relations that no seed made
 */
export async function bringUpLegacy(options: LegacyOptions): Promise<void> {
  const plan = planOf(parseSize(options.size));
  if (!Number.isSafeInteger(options.seed) || options.seed < 0 || options.seed > 1e12)
    throw new Error(`The seed must be a whole number from 0 to 1000000000000, not ${options.seed}.`);
  const cluster = connect(options);
  const { namespace } = options;
  await expectAnswer(cluster);
  await createIfAbsent(cluster, namespaceManifest(namespace));
  await createIfAbsent(cluster, secretManifest(namespace, randomBytes(18).toString("base64url")));
  await createIfAbsent(cluster, serviceManifest(namespace));
  if (await createIfAbsent(cluster, deploymentManifest(namespace, options.image, options.walLevel ?? "replica")))
    step(`legacy: Deployment ${namespace}/${names.deployment} made, image ${options.image}`);
  await readyPod(cluster, namespace, 180_000);

  const record = await seedRecord(cluster, namespace);
  if (record?.finished) {
    const asked =
      record.size === options.size && record.seed === options.seed
        ? ""
        : `; ${options.size} of seed ${options.seed} was asked for, run \`down\` first to have that`;
    step(`legacy: is there, ${record.size} of seed ${record.seed}, left as it is${asked}`);
    return;
  }
  await runSeed(cluster, options, plan);
}

/**
 * A Secret that holds the legacy database's URL under the key `url`, for writers; made from the database's own Secret.
 */
export async function connectionSecret(target: Target): Promise<{ secret: string; key: string }> {
  const cluster = connect(target);
  const { data } = await cluster.core.readNamespacedSecret({ name: names.secret, namespace: target.namespace });
  const read = (key: string) => encodeURIComponent(Buffer.from(data?.[key] ?? "", "base64").toString());
  const url = `postgresql://${read("POSTGRES_USER")}:${read("POSTGRES_PASSWORD")}@${names.service}:5432/${read("POSTGRES_DB")}?sslmode=prefer`;
  await ifThere(cluster.core.deleteNamespacedSecret({ name: names.connection, namespace: target.namespace }));
  await createIfAbsent(cluster, connectionSecretManifest(target.namespace, url));
  return { secret: names.connection, key: "url" };
}

/** Runs the seed's Job, or follows the one that runs already, to its end. */
async function runSeed(cluster: Cluster, options: LegacyOptions, plan: SeedPlan): Promise<void> {
  const { namespace } = options;
  const running = await jobState(cluster, namespace, names.seed);
  if (running !== "active") {
    if (running !== undefined) await deleteJob(cluster, namespace, names.seed);
    await deleteConfigMap(cluster, namespace);
    await createIfAbsent(cluster, seedConfigMap(namespace, await seedFiles(plan)));
    const settings = { size: options.size, seed: options.seed, rows: plan.rows, streams: options.streams ?? 2 };
    await createIfAbsent(cluster, seedJob(namespace, options.image, settings));
    step(
      `legacy: seeding ${options.size} of seed ${options.seed}: ${plan.totalRows} rows in ${plan.chunks.length} pieces`,
    );
  } else step("legacy: a seed runs already, following it");

  const follower = new SeedFollower(plan);
  for (;;) {
    const state = await jobState(cluster, namespace, names.seed);
    const log = await jobLog(cluster, namespace, names.seed);
    follower.read(log);
    if (state === "succeeded") break;
    if (state !== "active") {
      const refused = /^refused (.*)$/m.exec(log)?.[1];
      throw new Error(
        refused
          ? `The legacy database was not seeded: ${refused}. Use another --namespace, or empty the database yourself.`
          : `The seed failed in namespace ${namespace}. Run \`up\` again to drop it and start over. Its last lines:\n${log.trimEnd().split("\n").slice(-8).join("\n")}`,
      );
    }
    await sleep(500);
  }
  step(`legacy: seeded in ${follower.seconds()} s`);
}

/** Turns the seed's log into progress lines: what was loaded, of how much, how fast, how long still. */
class SeedFollower {
  private readonly started = Date.now();
  private loadStarted: number | undefined;
  private lines = 0;
  private loaded = 0;
  private reported = 0;

  constructor(private readonly plan: SeedPlan) {}

  seconds(): string {
    return ((Date.now() - this.started) / 1000).toFixed(1);
  }

  read(log: string): void {
    const complete = log
      .slice(0, log.lastIndexOf("\n") + 1)
      .split("\n")
      .slice(0, -1);
    let table = "";
    for (const line of complete.slice(this.lines)) {
      const [word, ...rest] = line.split(" ");
      if (word === "step") {
        step(`legacy: ${rest.join(" ")}`);
        if (rest[0] === "rows") this.loadStarted = Date.now();
      } else if (word === "loaded") {
        table = rest[0] ?? "";
        this.loaded += Number(rest[1]);
      }
    }
    this.lines = complete.length;
    // One line a second is enough, and the last one.
    if (table && (Date.now() - this.reported > 1000 || this.loaded >= this.plan.totalRows)) this.report(table);
  }

  private report(table: string): void {
    this.reported = Date.now();
    const share = Math.min(1, this.loaded / this.plan.totalRows);
    const seconds = Math.max(0.001, (Date.now() - (this.loadStarted ?? this.started)) / 1000);
    const megabytes = (share * this.plan.size) / 1e6;
    const left = share > 0 ? (seconds / share) * (1 - share) : NaN;
    step(
      `legacy: ${table}: ${this.loaded} of ${this.plan.totalRows} rows, about ${megabytes.toFixed(0)} MB, ` +
        `${(megabytes / seconds).toFixed(0)} MB/s, ${left.toFixed(0)} s left`,
    );
  }
}

async function seedFiles(plan: SeedPlan): Promise<Record<string, string>> {
  const files: Record<string, string> = {
    "seed.sh": await readFile(join(__dirname, "seed.sh"), "utf8"),
    // A ConfigMap's keys know no folders.
    chunks: plan.chunks.map(({ table, from, to }) => `${table} ${from} ${to}\n`).join(""),
  };
  for (const [folder, prefix] of [
    ["sql", ""],
    ["sql/load", "load-"],
  ] as const)
    for (const file of await readdir(join(__dirname, folder)))
      if (file.endsWith(".sql")) files[prefix + file] = await readFile(join(__dirname, folder, file), "utf8");
  return files;
}

/** The seed's own record inside the server (its database `postgres`), or undefined where no seed ever ran. */
export async function seedRecord(cluster: Cluster, namespace: string): Promise<SeedRecord | undefined> {
  const there = await podQuery(cluster, namespace, "SELECT to_regclass('naytife_legacy.seed') IS NOT NULL", "postgres");
  if (there[0]?.[0] !== "t") return undefined;
  const [row] = await podQuery(
    cluster,
    namespace,
    "SELECT size, seed, finished_at IS NOT NULL FROM naytife_legacy.seed",
    "postgres",
  );
  return row && { size: row[0] ?? "", seed: Number(row[1]), finished: row[2] === "t" };
}

export interface LegacyStatus {
  /** False where no Deployment is there. */
  exists: boolean;
  ready: boolean;
  record?: SeedRecord | undefined;
  /** Set once the migration is done: the database takes no connections any more. */
  sealed?: true;
  /** Tables, indexes, TOAST and large objects of the application's database. */
  bytes?: number;
}

/** What the application's database takes, in bytes, without the system's own catalogs. */
export async function databaseBytes(cluster: Cluster, namespace: string): Promise<number> {
  const [row] = await podQuery(
    cluster,
    namespace,
    `SELECT sum(pg_total_relation_size(oid)) + pg_total_relation_size('pg_largeobject') FROM pg_class
     WHERE relkind IN ('r', 'm') AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)`,
  );
  return Number(row?.[0]);
}

/** How the legacy database is; asks, changes nothing. */
export async function legacyStatus(target: Target): Promise<LegacyStatus> {
  const cluster = connect(target);
  try {
    const deployment = await cluster.apps.readNamespacedDeployment({
      name: names.deployment,
      namespace: target.namespace,
    });
    if (!deployment.status?.readyReplicas) return { exists: true, ready: false };
  } catch (error) {
    if (isNotFound(error)) return { exists: false, ready: false };
    throw error;
  }
  const record = await seedRecord(cluster, target.namespace);
  const [row] = await podQuery(
    cluster,
    target.namespace,
    `SELECT datallowconn FROM pg_database WHERE datname = '${names.database}'`,
    "postgres",
  );
  if (row?.[0] === "f") return { exists: true, ready: true, record, sealed: true };
  return { exists: true, ready: true, record, bytes: await databaseBytes(cluster, target.namespace) };
}

/**
 * Takes down what {@link bringUpLegacy} made, data and password included. The namespace stays: others may live in it.
 */
export async function takeDownLegacy(target: Target): Promise<void> {
  const cluster = connect(target);
  const { namespace } = target;
  const gone = { namespace, propagationPolicy: "Foreground" } as const;
  await deleteJob(cluster, namespace, names.seed);
  await deleteConfigMap(cluster, namespace);
  await ifThere(cluster.apps.deleteNamespacedDeployment({ name: names.deployment, ...gone }));
  await ifThere(cluster.core.deleteNamespacedService({ name: names.service, namespace }));
  await ifThere(cluster.core.deleteNamespacedSecret({ name: names.secret, namespace }));
  await ifThere(cluster.core.deleteNamespacedSecret({ name: names.connection, namespace }));
  for (let waited = 0; waited < 120; waited++) {
    const pods = await cluster.core.listNamespacedPod({ namespace, labelSelector: "app=postgres" });
    if (pods.items.length === 0) {
      step(`legacy: gone from ${namespace}; the namespace itself was left`);
      return;
    }
    await sleep(500);
  }
  throw new Error(
    `The legacy pod in ${namespace} is still there after a minute. Everything else of it was deleted; run \`down\` again.`,
  );
}

async function ifThere(deletion: Promise<unknown>): Promise<void> {
  try {
    await deletion;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

async function deleteConfigMap(cluster: Cluster, namespace: string): Promise<void> {
  await ifThere(cluster.core.deleteNamespacedConfigMap({ name: names.seed, namespace }));
}

/** Deletes a Job with its pods, and waits until its name is free. */
export async function deleteJob(cluster: Cluster, namespace: string, name: string): Promise<void> {
  await ifThere(cluster.batch.deleteNamespacedJob({ name, namespace, propagationPolicy: "Foreground" }));
  while ((await jobState(cluster, namespace, name)) !== undefined) await sleep(300);
}

export type JobState = "active" | "succeeded" | "failed";

/** The state of a Job; undefined where it does not exist. */
export async function jobState(cluster: Cluster, namespace: string, name: string): Promise<JobState | undefined> {
  let job: V1Job;
  try {
    job = await cluster.batch.readNamespacedJob({ name, namespace });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
  const holds = (type: string) => job.status?.conditions?.some((c) => c.type === type && c.status === "True") ?? false;
  if (holds("Complete")) return "succeeded";
  return holds("Failed") ? "failed" : "active";
}

/** The log of a Job's newest pod; empty while there is none. */
export async function jobLog(cluster: Cluster, namespace: string, name: string): Promise<string> {
  const pods = await cluster.core.listNamespacedPod({ namespace, labelSelector: `job-name=${name}` });
  const pod = pods.items[0];
  if (!pod?.metadata?.name || !pod.status?.containerStatuses?.some((c) => c.state?.running ?? c.state?.terminated))
    return "";
  return await cluster.core.readNamespacedPodLog({ name: pod.metadata.name, namespace });
}
