import type { V1Pod } from "@kubernetes/client-node";
import { names } from "../components/names";
import { drillNames, podLabels } from "../drill/names";
import { keptReport } from "../drill/run";
import { lookAtStatus } from "../migration/commands/status";
import { MigrationFailure } from "../migration/engine/failure";
import { type BackupObject, found, Kubernetes, patiently, within } from "../migration/engine/kubernetes";
import type {
  AlertFacts,
  Answer,
  BackupFacts,
  ClusterFacts,
  DrillFacts,
  Facts,
  InstancePod,
  PoolerFacts,
  ServerFacts,
} from "./facts";
import type { PrometheusAddress, StatusSettings } from "./settings";

/** How long each question may take, in milliseconds: who asks at three in the morning wants to know what does not answer. */
const answerLimit = 20_000;

/**
 * Asks everything at once, and changes nothing.
 *
 * @throws MigrationFailure where the API server does not answer: then nothing is known
 */
export async function look(settings: StatusSettings): Promise<Facts> {
  const kubernetes = new Kubernetes(settings.stack);
  await kubernetes.reach();
  const { monitoring, serverName, prometheus } = settings;
  const { watched } = monitoring;
  const [cluster, instances, server, pooler, backups, drill, alerts, migration] = await Promise.all([
    answer(readCluster(kubernetes, settings)),
    answer(readInstances(kubernetes, settings)),
    answer(readServer(kubernetes)),
    answer(readPooler(kubernetes, settings)),
    watched.backups ? answer(readBackups(kubernetes, watched.namespace, serverName)) : undefined,
    watched.drillCronJob === undefined ? undefined : answer(readDrill(kubernetes, watched.namespace)),
    prometheus === undefined ? undefined : answer(readAlerts(kubernetes, prometheus, watched)),
    answer(lookAtStatus(settings.stack)),
  ]);
  return { cluster, instances, server, pooler, backups, drill, alerts, migration };
}

async function answer<Value>(question: Promise<Value>): Promise<Answer<Value>> {
  try {
    return { value: await within(answerLimit, question) };
  } catch (error) {
    return { problem: words(error) };
  }
}

function words(error: unknown): string {
  if (error instanceof MigrationFailure) return error.what;
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}

/** The parts of a CloudNativePG Cluster that are read. */
interface ClusterObject {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: {
    readonly instances: number;
    readonly postgresql?: { readonly synchronous?: { readonly number: number } };
  };
  readonly status?: {
    readonly phase?: string;
    readonly currentPrimary?: string;
    readonly targetPrimary?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
  };
}

async function readCluster(
  kubernetes: Kubernetes,
  { monitoring: { watched } }: StatusSettings,
): Promise<ClusterFacts | undefined> {
  const object = (await custom(kubernetes, "postgresql.cnpg.io/clusters", watched.namespace, watched.cluster)) as
    ClusterObject | undefined;
  return object === undefined ? undefined : clusterFacts(object);
}

/** What is read of a Cluster object. */
export function clusterFacts({ metadata, spec, status }: ClusterObject): ClusterFacts {
  const archiving = status?.conditions?.find(({ type }) => type === "ContinuousArchiving");
  return {
    instances: spec.instances,
    synchronousReplicas: spec.postgresql?.synchronous?.number ?? 0,
    phase: status?.phase ?? "it has only just been made",
    currentPrimary: status?.currentPrimary,
    targetPrimary: status?.targetPrimary,
    fenced: JSON.parse(metadata.annotations?.["cnpg.io/fencedInstances"] ?? "[]") as string[],
    archivingFault: archiving?.status === "False" ? (archiving.message ?? "the operator does not say why") : undefined,
  };
}

async function readInstances(
  { core }: Kubernetes,
  { monitoring: { watched } }: StatusSettings,
): Promise<readonly InstancePod[]> {
  const labelSelector = `cnpg.io/cluster=${watched.cluster},cnpg.io/podRole=instance`;
  const { items } = await patiently(() => core.listNamespacedPod({ namespace: watched.namespace, labelSelector }));
  return items.map(instanceOf);
}

function instanceOf({ metadata, spec, status }: V1Pod): InstancePod {
  return {
    name: metadata?.name ?? "",
    node: spec?.nodeName ?? "",
    ready: status?.conditions?.some((one) => one.type === "Ready" && one.status === "True") ?? false,
    restarts: status?.containerStatuses?.find(({ name }) => name === "postgres")?.restartCount ?? 0,
  };
}

const serverQuestion = `
  SELECT json_build_object(
    'timeline', ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int,
    'connections', (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    'connectionLimit', current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int - current_setting('reserved_connections')::int,
    'replicas', (SELECT coalesce(json_agg(json_build_object('name', application_name, 'state', state, 'sync', sync_state,
        'bytes', pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), 'seconds', extract(epoch FROM replay_lag)) ORDER BY application_name), '[]')
      FROM pg_stat_replication),
    'archiver', (SELECT json_build_object(
        'waiting', (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'),
        'waited', (SELECT extract(epoch FROM clock_timestamp() - min(modification)) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'),
        'sinceArchived', extract(epoch FROM clock_timestamp() - last_archived_time),
        'sinceFailed', extract(epoch FROM clock_timestamp() - last_failed_time)) FROM pg_stat_archiver))`;

async function readServer(kubernetes: Kubernetes): Promise<ServerFacts> {
  return JSON.parse(await kubernetes.control(serverQuestion)) as ServerFacts;
}

async function readPooler(
  kubernetes: Kubernetes,
  { monitoring: { watched } }: StatusSettings,
): Promise<PoolerFacts | undefined> {
  const { namespace, pooler } = watched;
  const object = (await custom(kubernetes, "postgresql.cnpg.io/poolers", namespace, pooler)) as
    { readonly spec: { readonly instances?: number; readonly pgbouncer: { readonly paused?: boolean } } } | undefined;
  if (object === undefined) return undefined;
  const labelSelector = `cnpg.io/poolerName=${pooler}`;
  const { items } = await patiently(() => kubernetes.core.listNamespacedPod({ namespace, labelSelector }));
  return {
    instances: object.spec.instances ?? 1,
    ready: items.filter((pod) => instanceOf(pod).ready).length,
    paused: object.spec.pgbouncer.paused === true,
  };
}

/** The parts of the plugin's ObjectStore that are read. Times are ISO 8601. */
interface ObjectStore {
  readonly status?: {
    readonly serverRecoveryWindow?: Readonly<
      Record<
        string,
        {
          readonly firstRecoverabilityPoint?: string;
          readonly lastSuccessfulBackupTime?: string;
          readonly lastFailedBackupTime?: string;
        }
      >
    >;
  };
}

async function readBackups(kubernetes: Kubernetes, namespace: string, serverName: string): Promise<BackupFacts> {
  const store = (await custom(kubernetes, "barmancloud.cnpg.io/objectstores", namespace, names.objectStore)) as
    ObjectStore | undefined;
  return backupFacts(store, await kubernetes.backups(), serverName);
}

/** What an ObjectStore, and the Backup objects of a Cluster, tell of its base backups. */
export function backupFacts(
  store: ObjectStore | undefined,
  backups: readonly BackupObject[],
  serverName: string,
): BackupFacts {
  const window = store?.status?.serverRecoveryWindow?.[serverName];
  const latest = [...backups].sort((one, other) =>
    one.metadata.creationTimestamp < other.metadata.creationTimestamp ? 1 : -1,
  );
  const ended = latest.find(({ status }) => status?.phase === "failed" || status?.phase === "completed");
  const failed = ended?.status?.phase === "failed" ? ended : undefined;
  return {
    lastGood: window?.lastSuccessfulBackupTime,
    // One that could not even begin is not in the store's window.
    lastFailed: window?.lastFailedBackupTime ?? failed?.metadata.creationTimestamp,
    failure: failed?.status?.error,
    firstRecoverable: window?.firstRecoverabilityPoint,
    running: latest.some(({ status }) => ["pending", "started", "running"].includes(status?.phase ?? "pending")),
  };
}

async function readDrill(kubernetes: Kubernetes, namespace: string): Promise<DrillFacts> {
  const labelSelector = Object.entries(podLabels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  const [kept, { items }] = await Promise.all([
    keptReport(kubernetes, namespace),
    patiently(() => kubernetes.core.listNamespacedPod({ namespace, labelSelector })),
  ]);
  return {
    report: kept?.report,
    fault: kept?.fault === undefined ? undefined : `ConfigMap ${drillNames.report}: ${kept.fault}`,
    running: items.some(({ status }) => status?.phase === "Running" || status?.phase === "Pending"),
  };
}

/** The parts of the answer of Prometheus' /api/v1/rules that are read. */
interface RulesAnswer {
  readonly data: {
    readonly groups: readonly {
      readonly rules: readonly {
        readonly type: string;
        readonly name: string;
        readonly health: string;
        readonly labels?: Readonly<Record<string, string>>;
        readonly alerts?: readonly {
          readonly state: string;
          readonly activeAt: string;
          readonly labels: Readonly<Record<string, string>>;
          readonly annotations: Readonly<Record<string, string>>;
        }[];
      }[];
    }[];
  };
}

async function readAlerts(
  { core }: Kubernetes,
  { namespace, service }: PrometheusAddress,
  watched: StatusSettings["monitoring"]["watched"],
): Promise<AlertFacts> {
  const answered: unknown = await core.connectGetNamespacedServiceProxyWithPath({
    name: service,
    namespace,
    path: "api/v1/rules",
  });
  // The client declares text, and reads JSON where the header says so.
  const rules = typeof answered === "string" ? (JSON.parse(answered) as unknown) : answered;
  return alertFacts(rules as RulesAnswer, { namespace: watched.namespace, service: watched.cluster });
}

/** What Prometheus says of the alerts with these labels. */
export function alertFacts({ data }: RulesAnswer, labels: Readonly<Record<string, string>>): AlertFacts {
  const ours = data.groups
    .flatMap(({ rules }) => rules)
    .filter((rule) => rule.type === "alerting")
    .filter((rule) => Object.entries(labels).every(([label, value]) => rule.labels?.[label] === value));
  return {
    rules: ours.length,
    broken: ours.filter(({ health }) => health === "err").map(({ name }) => name),
    firing: ours.flatMap(({ name, alerts }) =>
      (alerts ?? [])
        .filter(({ state }) => state === "firing")
        .map(({ labels: of, annotations, activeAt }) => ({
          name,
          severity: of.severity ?? "",
          summary: annotations.summary ?? "",
          runbook: annotations.runbook_url ?? "",
          since: new Date(activeAt).toISOString(),
        })),
    ),
  };
}

/** An object of a custom kind, or undefined where it, or its kind, is not there. @param kind `<group>/<plural>`, version v1 */
async function custom(kubernetes: Kubernetes, kind: string, namespace: string, name: string): Promise<unknown> {
  const [group = "", plural = ""] = kind.split("/");
  return found(
    patiently(() => kubernetes.custom.getNamespacedCustomObject({ group, version: "v1", plural, namespace, name })),
  );
}
