import type { V1Deployment } from "@kubernetes/client-node";
import { names } from "../components/names";
import { untilArchiving } from "../backup/archiving";
import { BackupFailure } from "../backup/failure";
import { pluginName } from "../components/barman-plugin";
import { bytesOf } from "../migration/engine/settings";
import { found, patiently } from "../migration/engine/kubernetes";
import { humanBytes } from "../migration/engine/events";
import { type Archive, archives } from "./archive";
import { listBucket, type ObjectStore, prefixOf, StoreUnavailable } from "./bucket";
import { nothingChanged, RecoveryFailure, refusal } from "./failure";
import { type ApplicationDatabase, databaseOf, type LiveSpec, specOfStack } from "./manifest";
import { type Cluster, type Objects, serves } from "./objects";
import { freeName, planRecovery, type RecoveryPlan, type Target } from "./plan";
import type { RecoverySettings } from "./settings";
import { targetTime } from "./target-time";

/** What a command line asks for. */
export interface Request {
  /** As it was written. At most one of the two; neither: the latest. */
  readonly at: string | undefined;
  readonly backup: string | undefined;
  /** Name of the new Cluster. undefined: a free one. */
  readonly as: string | undefined;
  /** Folder of the archive. undefined: that of the stack's Cluster. */
  readonly from: string | undefined;
}

/** Everything that is known before anything is made. */
export interface Prepared {
  readonly name: string;
  readonly server: string;
  readonly store: ObjectStore;
  readonly target: Target;
  readonly plan: RecoveryPlan;
  /** The former Cluster's, or the stack's where that is lost. */
  readonly spec: LiveSpec;
  readonly database: ApplicationDatabase;
  /** The former Cluster's instance that takes SQL; undefined where none does. */
  readonly primary: string | undefined;
}

/** What the operator allows (internal/webhook/v1/cluster_webhook.go, validateName). */
const allowedName = /^[a-z]([-a-z0-9]{0,48}[a-z0-9])?$/;

/**
 * Looks at everything that a recovery needs. It changes nothing but that a living server ends its WAL segment, so that what it has committed is archived.
 *
 * @throws RecoveryFailure with all problems
 */
export async function prepare(
  settings: RecoverySettings,
  objects: Objects,
  request: Request,
  say: (line: string) => void,
): Promise<Prepared> {
  const problems: string[] = [];
  const target = targetOf(request, (problem) => problems.push(problem));
  const { values } = settings;
  await objects.kubernetes.reach();
  problems.push(...(await missingControllers(objects)));
  const former = await objects.cluster(values.clusterName);
  const primary = serves(former) ? former?.status?.currentPrimary : undefined;
  const { storeName, server } = archiveOf(former, settings, request.from);
  const stack = { database: values.databaseName, owner: values.databaseUser, secret: settings.stack.target.secretName };
  const spec = former?.spec ?? specOfStack(values, stack.secret);
  const database = databaseOf(spec, stack);
  const held = await found(
    patiently(() =>
      objects.kubernetes.core.readNamespacedSecret({ name: database.secret, namespace: objects.namespace }),
    ),
  );
  if (held === undefined) {
    problems.push(`Secret ${database.secret}, the password of ${database.owner}, is not there; \`pulumi up\` makes it`);
  }
  if (request.as !== undefined && !allowedName.test(request.as)) {
    problems.push(`--as is ${JSON.stringify(request.as)}; allowed: a DNS label of up to 50 characters`);
  }
  const taken = (await objects.clusters()).map(({ metadata }) => metadata.name);
  if (request.as !== undefined && taken.includes(request.as)) problems.push(`there is a Cluster ${request.as} already`);

  const store = await objects.objectStore(storeName);
  if (store === undefined) {
    problems.push(
      `there is no ObjectStore ${storeName} in namespace ${objects.namespace}; \`pulumi up\` makes it with backupStore set (docs/recovery.md, "Lost cluster")`,
    );
    throw refusal(problems, next);
  }
  if (
    primary !== undefined &&
    server === archiveOf(former, settings, undefined).server &&
    target !== undefined &&
    target.kind !== "backup"
  ) {
    say(`Cluster ${values.clusterName} lives: its last WAL segment is ended and archived …`);
    const backlog = await archiveUpToNow(settings, objects, store, server, say);
    // An earlier time may be in the archive all the same.
    if (backlog !== undefined && target.kind !== "time") problems.push(backlog);
    else if (backlog !== undefined) say(`warning: ${backlog}`);
  }
  const stored = await storedArchives(settings, objects, store, say, (problem) => problems.push(problem));
  const archive = stored?.find((one) => one.server === server);
  if (stored !== undefined && archive === undefined) {
    const others = stored.map((one) => one.server);
    problems.push(
      `the bucket (${store.spec.configuration.destinationPath}) holds no archive ${server}; it holds ${others.length === 0 ? "none" : others.join(", ")}`,
    );
  }
  const servers = (stored ?? []).map((one) => one.server);
  if (request.as !== undefined && servers.includes(request.as)) {
    problems.push(
      `the bucket holds an archive ${request.as} already, which the new Cluster would write into; take another name with --as`,
    );
  }
  const name = request.as ?? freeName(values.clusterName, [...taken, ...servers]);
  problems.push(...(await leftovers(objects, name)));
  const plan = target === undefined || archive === undefined ? undefined : await planned(objects, archive, target);
  if (plan !== undefined && "problem" in plan) problems.push(plan.problem);
  if (plan !== undefined && "plan" in plan) problems.push(...(await roomFor(objects, spec, plan.plan)));
  if (problems.length > 0 || target === undefined || plan === undefined || !("plan" in plan)) {
    throw refusal(problems, next);
  }
  return { name, server, store, target, plan: plan.plan, spec, database, primary };
}

const next = "Mend this, then run the command again. `npm run recover -- window` says what can be recovered.";

/**
 * Brings everything that a living server has committed by now into its archive: a commit, which gives a recovery to any earlier time an end that it can
 * see, and the end of its WAL segment.
 *
 * @returns what is in the way
 */
async function archiveUpToNow(
  { values, wait }: RecoverySettings,
  objects: Objects,
  { spec }: ObjectStore,
  serverName: string,
  say: (line: string) => void,
): Promise<string | undefined> {
  const { destinationPath, endpointURL = "", s3Credentials } = spec.configuration;
  const place = {
    destinationPath,
    endpointUrl: endpointURL,
    serverName,
    credentialsSecret: s3Credentials?.accessKeyId?.name ?? "",
  };
  try {
    await untilArchiving(objects.in(values.clusterName), place, wait, say);
    return undefined;
  } catch (error) {
    if (error instanceof BackupFailure) return `${error.what}: what was committed since is not in the bucket`;
    throw error;
  }
}

/** What the bucket holds; undefined where it could not be asked. */
async function storedArchives(
  settings: RecoverySettings,
  objects: Objects,
  store: ObjectStore,
  say: (line: string) => void,
  problem: (text: string) => void,
): Promise<Archive[] | undefined> {
  say(`listing ${store.spec.configuration.destinationPath} …`);
  try {
    const listing = await listBucket(objects.kubernetes, objects.namespace, store, {
      image: settings.sidecarImage,
      seconds: settings.wait,
    });
    return archives(listing, prefixOf(store.spec.configuration.destinationPath));
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    problem(`the object store cannot be read: ${error.message}`);
    return undefined;
  }
}

/** All archives of the stack's bucket. @throws RecoveryFailure where it cannot be read */
export async function archivesOfStack(
  settings: RecoverySettings,
  objects: Objects,
  say: (line: string) => void,
): Promise<Archive[]> {
  await objects.kubernetes.reach();
  const { storeName } = archiveOf(await objects.cluster(settings.values.clusterName), settings, undefined);
  const store = await objects.objectStore(storeName);
  if (store === undefined) {
    throw new RecoveryFailure(
      `there is no ObjectStore ${storeName} in namespace ${objects.namespace}`,
      nothingChanged,
      "`pulumi up` makes it, with backupStore set.",
    );
  }
  const problems: string[] = [];
  const all = await storedArchives(settings, objects, store, say, (problem) => problems.push(problem));
  if (all === undefined) throw refusal(problems, "Mend the store or the ObjectStore, then run the command again.");
  return all;
}

/** The target that was asked for, unless the request is no clear one. */
export function targetOf(
  { at, backup }: Pick<Request, "at" | "backup">,
  problem: (text: string) => void,
): Target | undefined {
  if (at !== undefined && backup !== undefined) {
    problem("--at and --backup are both given; allowed: one of them, or --latest");
    return undefined;
  }
  if (backup !== undefined) return { kind: "backup", name: backup };
  if (at === undefined) return { kind: "latest" };
  const read = targetTime(at, Intl.DateTimeFormat().resolvedOptions().timeZone);
  if ("instant" in read) return { kind: "time", instant: read.instant };
  problem(`--at: ${read.problem}`);
  return undefined;
}

/** Where a Cluster's archive is, by its own `spec`, or where it is lost by the stack's configuration. */
export function archiveOf(
  former: Cluster | undefined,
  settings: RecoverySettings,
  from: string | undefined,
): { readonly storeName: string; readonly server: string } {
  const parameters = former?.spec.plugins?.find(({ name }) => name === pluginName)?.parameters ?? {};
  return {
    storeName: parameters.barmanObjectName ?? names.objectStore,
    server: from ?? parameters.serverName ?? (former === undefined ? settings.serverName : former.metadata.name),
  };
}

async function planned(
  objects: Objects,
  archive: Archive,
  target: Target,
): Promise<{ readonly plan: RecoveryPlan } | { readonly problem: string }> {
  if (target.kind !== "backup") return planRecovery(archive, target);
  // Where the objects are lost the bucket alone says what there is.
  const backup = await objects.backup(target.name);
  const phase = backup?.status?.phase;
  if (backup !== undefined && phase !== "completed") {
    return {
      problem: `Backup ${target.name} is not completed: it is ${phase ?? "not begun"}${backup.status?.error === undefined ? "" : ` (${backup.status.error})`}`,
    };
  }
  return planRecovery(archive, target, backup?.status?.backupId);
}

/** The programs that do the recovery. */
async function missingControllers({ kubernetes }: Objects): Promise<string[]> {
  const { items } = await patiently(() =>
    kubernetes.apps.listNamespacedDeployment({ namespace: names.operatorNamespace }),
  );
  const ready = (labels: Readonly<Record<string, string>>) =>
    items.some(
      (one: V1Deployment) =>
        Object.entries(labels).every(([key, value]) => one.metadata?.labels?.[key] === value) &&
        (one.status?.availableReplicas ?? 0) > 0,
    );
  return [
    ...(ready({ "app.kubernetes.io/name": "cloudnative-pg" }) ? [] : ["the operator"]),
    ...(ready({ app: "barman-cloud" }) ? [] : ["the Barman Cloud plugin"]),
  ].map((what) => `${what} is not ready (namespace ${names.operatorNamespace}); \`pulumi up\` installs it`);
}

/** Volumes of a former Cluster of that name would be taken for its own. */
async function leftovers({ kubernetes, namespace }: Objects, name: string): Promise<string[]> {
  const labelSelector = `cnpg.io/cluster=${name}`;
  const { items } = await patiently(() =>
    kubernetes.core.listNamespacedPersistentVolumeClaim({ namespace, labelSelector }),
  );
  const claims = items.flatMap(({ metadata }) => metadata?.name ?? []);
  return claims.length === 0 ? [] : [`there are volumes of a Cluster ${name} already: ${claims.join(", ")}`];
}

/** Whether the volumes can be made, and are at least as large as what is unpacked into them is packed. */
async function roomFor(
  { kubernetes }: Objects,
  { storage = {} }: LiveSpec,
  { backup }: RecoveryPlan,
): Promise<string[]> {
  const problems: string[] = [];
  const { storageClass: name, size } = storage;
  if (name !== undefined && !(await kubernetes.hasStorageClass(name)))
    problems.push(`there is no StorageClass ${name}`);
  if (size !== undefined && bytesOf(size) < backup.bytes) {
    problems.push(
      `a volume of ${size} is too small for base backup ${backup.id}, which has ${humanBytes(backup.bytes)} even compressed`,
    );
  }
  return problems;
}
