/** What the ways are measured on: an embedded cluster with the operator, a source with its data, and a target that is made anew for each measurement. */
import { setTimeout as sleep } from "node:timers/promises";
import { type ArchiveDescription, backupSpec, objectStoreSpec } from "../../components/backups";
import { pluginName } from "../../components/barman-plugin";
import { bootstrapStatements, clusterSpec, type ClusterDescription, type ClusterSpec } from "../../components/cluster";
import { names as targetNames } from "../../components/names";
import type { Values } from "../../config";
import { archiveDescription, clusterDescription } from "../../descriptions";
import { withCheckpointsAtOnce } from "../../local/checkpoints";
import type { EmbeddedCluster } from "../../local/kubernetes/cluster";
import { connect, createIfAbsent, podQuery, readyPod, type Cluster } from "../../local/legacy/cluster";
import { bringUpLegacy } from "../../local/legacy/legacy";
import {
  deploymentManifest,
  namespaceManifest,
  names as sourceNames,
  secretManifest,
  serviceManifest,
  type Manifest,
} from "../../local/legacy/manifests";
import { parseSize } from "../../local/legacy/plan";
import { during } from "../../local/progress";
import { run } from "../../local/run";
import { FirstBackup } from "../../migration/engine/first-backup";
import { Kubernetes } from "../../migration/engine/kubernetes";
import { literal, type Settings } from "../../migration/engine/settings";
import { settle } from "../../migration/engine/settle";
import { migrationSettings } from "../../migration/settings";
import { quoteIdentifier } from "../../postgresql/identifier";
import { kubectl } from "../kubectl";
import { valuesOf } from "../../local/stack-values";
import type { Store } from "./foundation";
import type { ShapeFacts, ShapeName } from "./results";
import { shapes } from "./shapes";

const storageClass = "cnpg-local-storage";

/** How long a Cluster may take to come, and its remains to go, in milliseconds. */
const patience = 20 * 60_000;

/** Where one shape's measurements are made. */
export interface Ground {
  readonly cluster: EmbeddedCluster;
  readonly api: Cluster;
  readonly kubernetes: Kubernetes;
  /** What the migration is told. */
  readonly settings: Settings;
  readonly namespace: string;
  /** Of a whole target. */
  readonly instances: number;
  readonly jobs: number;
  /** What a target is made of, but for its size. */
  readonly target: ClusterDescription;
  /** Where targets archive; undefined: nowhere. */
  readonly store: Store | undefined;
  /** How the program archives. */
  readonly archive: ProgramArchive;
}

type ProgramArchive = Omit<ArchiveDescription, "bucket">;

/**
 * The values of the stack `production`, with what the embedded cluster has not, and without what is none of a copy's business: one node, local volumes, as many cores
 * for an instance as the machine has, no synchronous replication.
 */
export function production(
  cluster: Pick<EmbeddedCluster, "kubeconfig" | "context" | "postgresImage">,
  namespace: string,
  instances: number,
  jobs: number,
  cores: number,
  archives: boolean,
): Values {
  const overrides: Record<string, string> = {
    // One node and no standby that confirms are refused in production.
    environment: "local",
    kubeconfig: cluster.kubeconfig,
    kubeContext: cluster.context,
    namespace,
    instances: String(instances),
    postgresImage: cluster.postgresImage,
    storageClass,
    storageSize: "20Gi",
    cpuRequest: "100m",
    cpuLimit: String(cores),
    synchronousReplicas: "0",
    podAntiAffinity: "none",
    migrationJobs: String(jobs),
    // Nobody is connected when a target is taken away.
    smartShutdownTimeout: "1",
    backupStore: archives ? "local" : "none",
  };
  return valuesOf("production", overrides);
}

/** The ground for one shape; nothing is made yet. */
export function groundOf(cluster: EmbeddedCluster, values: Values, store: Store | undefined): Ground {
  const settings = migrationSettings(values);
  return {
    cluster,
    api: connect(settings),
    kubernetes: new Kubernetes(settings),
    settings,
    namespace: values.namespace,
    instances: values.instances,
    jobs: values.migrationJobs,
    target: {
      ...values,
      ...clusterDescription(values),
      credentialsSecret: targetNames.credentialsSecret,
      archive: undefined,
      recovery: undefined,
    },
    store,
    archive: archiveDescription(values),
  };
}

/** The plan's archive: gzip for both, and of the rest what the plugin does where nothing is said. */
const planned = { compression: "gzip", walCompression: "gzip", walMaxParallel: 1 } as const;

/** The ground for one target, which archives into a folder of its own, as the program would or as the plan would, if there is a store. */
export async function archiving(ground: Ground, as: "program" | "plan" | "nobody"): Promise<Ground> {
  const { api, namespace, store, archive, target } = ground;
  if (store === undefined || as === "nobody") return ground;
  const { bucket, keys } = store;
  await createIfAbsent(api, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: bucket.credentialsSecret, namespace },
    data: keys,
  });
  // The sidecar believes for a while what it once read of an ObjectStore, so each has a name of its own.
  const name = `bench-${Date.now()}`;
  const spec = objectStoreSpec({ ...archive, ...(as === "plan" ? planned : {}), bucket });
  await createIfAbsent(api, {
    apiVersion: "barmancloud.cnpg.io/v1",
    kind: "ObjectStore",
    metadata: { name, namespace },
    spec,
  });
  const parameters = { barmanObjectName: name, serverName: name };
  return { ...ground, target: { ...target, archive: { name: pluginName, isWALArchiver: true, parameters } } };
}

/** The source in a namespace of its own, with the shape's rows, settled: vacuumed, analyzed, written to disk. */
export async function makeSource(ground: Ground, shape: ShapeName, size: string): Promise<ShapeFacts> {
  const { api, cluster, namespace } = ground;
  if (shape === "legacy") {
    await bringUpLegacy({ ...ground.settings, size, seed: 1, image: cluster.legacyImage });
  } else {
    for (const manifest of [
      namespaceManifest(namespace),
      secretManifest(namespace, "a-password-of-the-bench"),
      serviceManifest(namespace),
      deploymentManifest(namespace, cluster.legacyImage, "replica"),
    ]) {
      await createIfAbsent(api, manifest);
    }
    await readyPod(api, namespace, 180_000);
    await during(`${shape}: making ${size} of rows`, async () => {
      for (const statement of shapes[shape].statements(parseSize(size))) await podQuery(api, namespace, statement);
    });
  }
  for (const statement of ["VACUUM (ANALYZE)", "CHECKPOINT"]) await podQuery(api, namespace, statement);
  await createIfAbsent(api, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: targetNames.credentialsSecret, namespace },
    type: "kubernetes.io/basic-auth",
    stringData: { username: ground.settings.target.owner, password: "another-password-of-the-bench" },
  });
  const ours = "oid >= 16384 AND relnamespace::regnamespace::text NOT LIKE 'pg\\_toast%'";
  const [counted] = await podQuery(
    api,
    namespace,
    `SELECT count(*) FILTER (WHERE relkind = 'r'), sum(pg_table_size(oid)) FILTER (WHERE relkind IN ('r', 'm')), count(*) FILTER (WHERE relkind = 'i'), sum(pg_relation_size(oid)) FILTER (WHERE relkind = 'i') FROM pg_class WHERE ${ours}`,
  );
  const [tables, tableBytes, indexes, indexBytes] = (counted ?? []).map(Number);
  return {
    shape,
    description:
      shape === "legacy" ? "The shop of local/legacy with all its peculiarities." : shapes[shape].description,
    tables: tables ?? 0,
    tableBytes: tableBytes ?? 0,
    indexes: indexes ?? 0,
    indexBytes: indexBytes ?? 0,
  };
}

/** Opens the source that a migration has sealed, so that it can be read again. */
export async function openSource({ api, namespace }: Ground): Promise<void> {
  for (const change of ["WITH ALLOW_CONNECTIONS true", "RESET default_transaction_read_only"])
    await podQuery(api, namespace, `ALTER DATABASE ${sourceNames.database} ${change}`, "postgres");
}

/** A Cluster as the program declares it, but that its superuser may log in: the ways that are compared are given that. */
export function clusterManifest(
  { target, namespace, settings }: Ground,
  size: "full" | "lone",
  change: (spec: ClusterSpec) => object = (spec) => spec,
): Manifest {
  const spec = { ...clusterSpec({ ...target, growsLater: size === "lone" }), enableSuperuserAccess: true };
  return {
    apiVersion: "postgresql.cnpg.io/v1",
    kind: "Cluster",
    metadata: { name: settings.target.cluster, namespace },
    spec: change(spec),
  };
}

/** Makes the target; the webhook of an operator that has only just started may still be away. */
export async function createCluster({ api }: Ground, manifest: Manifest): Promise<void> {
  const deadline = Date.now() + 90_000;
  for (;;) {
    try {
      await createIfAbsent(api, manifest);
      return;
    } catch (error) {
      if (!String(error).includes("failed calling webhook") || Date.now() > deadline) throw error;
      await sleep(1000);
    }
  }
}

/** Waits until so many instances are ready, and all of them stream, as `pulumi up` does after a migration. */
export async function untilReady({ kubernetes, settings }: Ground, instances: number): Promise<void> {
  await withCheckpointsAtOnce(
    (statement) => kubernetes.control(statement),
    () => instancesStream(kubernetes, settings, instances),
  );
}

async function instancesStream(kubernetes: Kubernetes, settings: Settings, instances: number): Promise<void> {
  const deadline = Date.now() + patience;
  for (;;) {
    const status = (await kubernetes.cluster())?.status;
    if ((status?.readyInstances ?? 0) > 0 && status?.currentPrimary !== undefined) break;
    if (Date.now() > deadline) throw new Error(`the Cluster had no ready instance within ${patience / 60_000} minutes`);
    await sleep(300);
  }
  await settle(settings, { instances, backup: undefined }, () => undefined);
}

/** Brings a lone instance's Cluster to its full size, as migration/growth.ts does. */
export async function grow(ground: Ground): Promise<void> {
  const spec = { instances: ground.instances };
  await kubectl(ground, [
    "patch",
    "cluster.postgresql.cnpg.io",
    ground.settings.target.cluster,
    "--type=merge",
    "--patch",
    JSON.stringify({ spec }),
  ]);
}

/** Asks for a base backup of a target that archives; undefined: it does not. */
export async function beginBackup({ kubernetes, settings, target }: Ground): Promise<FirstBackup | undefined> {
  if (target.archive === undefined) return undefined;
  const spec = backupSpec(settings.target.cluster, "prefer-standby");
  const since = new Date();
  await kubernetes.createBackup(spec);
  return new FirstBackup(kubernetes, settings, spec, since);
}

/**
 * Waits until all instances are ready, stream, and have replayed all that is written by now, and the base backup and all WAL lie in the store, if there is one.
 *
 * @returns when that was, in milliseconds
 */
export async function untilSafe({ kubernetes, instances }: Ground, backup: FirstBackup | undefined): Promise<number> {
  const deadline = Date.now() + patience;
  const written = await kubernetes.control("SELECT pg_current_wal_lsn()");
  // A replica that is only being made has replayed nothing.
  const caughtUp = `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn >= '${written}'`;
  for (;;) {
    const replicas = Number(await kubernetes.control(caughtUp));
    const at = Date.now();
    const cluster = await kubernetes.presentCluster();
    const ready = cluster.status?.readyInstances ?? 0;
    const stored = await backup?.look(cluster);
    if (replicas === instances - 1 && ready === instances && stored?.settled !== false) return at;
    if (at > deadline) {
      const state = [`${ready} instances ready, ${replicas} caught up`, ...(stored === undefined ? [] : [stored.line])];
      throw new Error(`not safe within ${patience / 60_000} minutes: ${state.join("; ")}`);
    }
    await sleep(300);
  }
}

/** Gives a target its empty database back, as the operator made it, and takes away what the migration left besides. */
export async function emptied(ground: Ground): Promise<void> {
  const { kubernetes, settings, target } = ground;
  const { database } = settings.target;
  await takeAwayObjects(ground);
  const made = await kubernetes.control(
    `SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L LOCALE_PROVIDER builtin BUILTIN_LOCALE %L',
       datname, pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, datlocale) FROM pg_database WHERE datname = ${literal(database)}`,
  );
  await kubernetes.control(
    "SET client_min_messages = warning",
    "DROP SCHEMA IF EXISTS naytife_migration CASCADE",
    `DROP DATABASE ${quoteIdentifier(database)} WITH (FORCE)`,
    made,
  );
  await kubernetes.controlIn(database, ...bootstrapStatements(target));
}

/** Takes the target and all that a move left away, volumes included. */
export async function clear(ground: Ground): Promise<void> {
  const { api, namespace, settings, store } = ground;
  await kubectl(ground, [
    "delete",
    "cluster.postgresql.cnpg.io",
    settings.target.cluster,
    "--ignore-not-found",
    "--wait",
  ]);
  if (store !== undefined)
    await kubectl(ground, ["delete", "backups.postgresql.cnpg.io,objectstores.barmancloud.cnpg.io", "--all", "--wait"]);
  await takeAwayObjects(ground);
  const deadline = Date.now() + patience;
  for (;;) {
    const pods = await api.core.listNamespacedPod({ namespace, labelSelector: "cnpg.io/cluster" });
    const volumes = await api.core.listPersistentVolume();
    const left = volumes.items.filter(({ spec }) => spec?.claimRef?.namespace === namespace);
    if (pods.items.length + left.length === 0) break;
    if (Date.now() > deadline)
      throw new Error(`what an earlier target left did not go within ${patience / 60_000} minutes`);
    await sleep(300);
  }
  // A migration that did not come to its end may have left it sealed.
  await openSource(ground);
}

/** The migration's Job, and what it was made with and left. */
async function takeAwayObjects(ground: Ground): Promise<void> {
  const ours = "naytife.com/cluster";
  await kubectl(ground, ["delete", "job,pvc,configmap,secret", "--selector", ours, "--ignore-not-found", "--wait"]);
}

/** Gives every move the same start: the source is in the cache, nothing waits to be written on either side. */
export async function levelled({ api, namespace, kubernetes }: Ground, target: boolean): Promise<void> {
  // Relative to the server's data directory. What vacuum takes away meanwhile need not be read.
  const read = "cat >/dev/null; find base -type f -exec cat {} + >/dev/null 2>&1; true";
  for (const statement of [`COPY (SELECT) TO PROGRAM '${read}'`, "CHECKPOINT"])
    await podQuery(api, namespace, statement, "postgres");
  if (target) await kubernetes.control("CHECKPOINT");
  await run("sync", []);
}
