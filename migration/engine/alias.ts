import { setTimeout as sleep } from "node:timers/promises";
import type { V1Pod, V1Service } from "@kubernetes/client-node";
import { names } from "../../components/names";
import { MigrationFailure, nothingChanged } from "./failure";
import { found, type Kubernetes, patiently } from "./kubernetes";
import { labels, objectNames } from "./manifests";
import type { Side } from "./record";
import type { Settings } from "./settings";

/**
 * The old host name as an alias of the target's pooler: the Service's selector is turned, and what it was stands in a second Service, which leads to the
 * old database all the while. That second Service is the whole memory of it: while there is none, nothing here changes anything.
 */

/** The label that the operator puts on the pooler's pods, and its name for their port. */
const poolerPods = { "cnpg.io/poolerName": names.pooler };
const poolerPort = "pgbouncer";

/** How often is looked, in milliseconds, and how long the pooler's pods may take to come or to go. */
const pause = 500;
const limit = 60_000;

/** A change of an object, as RFC 6902 has it. */
export interface Operation {
  readonly op: "test" | "replace" | "add";
  readonly path: string;
  readonly value: unknown;
}

/** Name of the source's Service. */
export function serviceName({ source }: Settings): string {
  return source.host.split(".")[0] ?? "";
}

/** Why a Service cannot be made an alias; undefined where it can. */
export function obstacle(service: V1Service | undefined, { source, namespace }: Settings): string | undefined {
  const name = `Service ${source.host}`;
  if (service === undefined) return `there is no ${name} in namespace ${namespace}`;
  const { selector, clusterIP, type, ports } = service.spec ?? {};
  if (type === "ExternalName" || selector === undefined || Object.keys(selector).length === 0) {
    return `${name} selects no pods, so it cannot be turned to others`;
  }
  if (clusterIP === "None") return `${name} is headless: clients know the old pod's address and would not follow`;
  return ports?.some(({ port }) => port === source.port) === true
    ? undefined
    : `${name} has no port ${source.port} (migrationSourcePort)`;
}

/** Whether a Service leads to the pooler. */
export function turned(service: V1Service | undefined): boolean {
  const { selector = {} } = service?.spec ?? {};
  return Object.entries(poolerPods).every(([key, value]) => selector[key] === value);
}

/** The second Service: it leads where `service` does, to pods that are not ready too: a probe may call a sealed database that. */
export function keptService(service: V1Service, settings: Settings): V1Service {
  const ports = (service.spec?.ports ?? []).map(({ name, port, protocol, targetPort }) => ({
    ...(name === undefined ? {} : { name }),
    ...(protocol === undefined ? {} : { protocol }),
    ...(targetPort === undefined ? {} : { targetPort }),
    port,
  }));
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: objectNames(settings).source, namespace: settings.namespace, labels: labels(settings) },
    spec: { selector: { ...service.spec?.selector }, ports, publishNotReadyAddresses: true },
  };
}

/** What turns `service` to the pooler, or, with the second Service, back to what it was. Refused by the API server where somebody changes it at the same time. */
export function turn(service: V1Service, { source }: Settings, kept?: V1Service): Operation[] {
  const { selector, ports = [] } = service.spec ?? {};
  const place = ports.findIndex(({ port }) => port === source.port);
  const before = kept?.spec?.ports?.find(({ port }) => port === source.port);
  return [
    { op: "test", path: "/spec/selector", value: selector },
    { op: "replace", path: "/spec/selector", value: kept?.spec?.selector ?? poolerPods },
    { op: "replace", path: `/spec/ports/${place}/targetPort`, value: before?.targetPort ?? poolerPort },
  ];
}

/** Where the old host name leads. */
export interface Alias {
  readonly leads: Side;
  /** The pooler lets nobody through: its clients wait. */
  readonly held: boolean;
  /** Host that leads to the old database. */
  readonly source: string;
}

/** Where the old host name leads; undefined where it is no alias, and not about to be one. */
export async function readAlias(kubernetes: Kubernetes, settings: Settings): Promise<Alias | undefined> {
  const kept = await keptOne(kubernetes, settings);
  if (kept === undefined) return undefined;
  const service = await read(kubernetes, settings, serviceName(settings));
  const held = (await kubernetes.pooler(names.pooler))?.spec.pgbouncer.paused === true;
  return { leads: turned(service) ? "target" : "source", held, source: objectNames(settings).source };
}

/** Why there can be no alias; undefined where there can. */
export async function foreseeAlias(kubernetes: Kubernetes, settings: Settings): Promise<string | undefined> {
  const service = await read(kubernetes, settings, serviceName(settings));
  if (turned(service)) {
    const kept = await keptOne(kubernetes, settings);
    return kept === undefined
      ? `Service ${serviceName(settings)} leads to the pooler, and nothing says where it led before`
      : undefined;
  }
  const pooler = await kubernetes.pooler(names.pooler);
  return pooler === undefined ? `there is no Pooler ${names.pooler}` : obstacle(service, settings);
}

/** Makes the second Service, by which the Job reaches the source. @throws MigrationFailure where the first cannot be made an alias */
export async function keepSource(kubernetes: Kubernetes, settings: Settings): Promise<void> {
  const problem = await foreseeAlias(kubernetes, settings);
  if (problem !== undefined) {
    throw new MigrationFailure(problem, nothingChanged, "Mend the Service, or set migrationAlias to false.");
  }
  if ((await keptOne(kubernetes, settings)) !== undefined) return;
  const { namespace } = settings;
  const service = await kubernetes.core.readNamespacedService({ name: serviceName(settings), namespace });
  const body = keptService(service, settings);
  await patiently(() => kubernetes.core.createNamespacedService({ namespace, body }));
}

/** From here on clients of the pooler wait. Does nothing where it is so. */
export async function pauseClients(kubernetes: Kubernetes, settings: Settings): Promise<void> {
  await kubernetes.pausePooler(names.pooler, true);
  // Its pods hear of it by themselves and tell nobody that they have. Who comes too early is refused by a closed database, or still served by the open one.
  await sleep(pause);
  const ready = ({ status }: V1Pod) => status?.conditions?.some((is) => is.type === "Ready" && is.status === "True");
  await eventually("the pooler has no pod that is ready", kubernetes, settings, (pods) => pods.some(ready));
}

/** The old host name leads to that side from here on. Clients that wait go on, or are dropped where it is the source. Does nothing where it is so. */
export async function lead(side: Side, kubernetes: Kubernetes, settings: Settings): Promise<void> {
  const before = await readAlias(kubernetes, settings);
  if (before === undefined) return;
  await turnTo(side, kubernetes, settings);
  if (side === "source" && (before.held || before.leads === "target")) await dropClients(kubernetes, settings);
  await kubernetes.pausePooler(names.pooler, false);
}

/** The Service is nobody's alias now: what {@link keepSource} made goes. Only once it leads to the source. */
export async function forgetSource({ core }: Kubernetes, settings: Settings): Promise<void> {
  const { namespace } = settings;
  await found(patiently(() => core.deleteNamespacedService({ name: objectNames(settings).source, namespace })));
}

/** Who comes to the old host name from here on comes to that side. Does nothing where it is so. */
export async function turnTo(side: Side, kubernetes: Kubernetes, settings: Settings): Promise<void> {
  const { namespace } = settings;
  const name = serviceName(settings);
  const kept = await keptOne(kubernetes, settings);
  const service = await read(kubernetes, settings, name);
  if (kept === undefined || service === undefined || turned(service) === (side === "target")) return;
  const body = side === "target" ? turn(service, settings) : turn(service, settings, kept);
  await patiently(() => kubernetes.core.patchNamespacedService({ name, namespace, body }));
}

/** Ends the pooler's pods, and with them every client that waits there; others take their place. */
async function dropClients(kubernetes: Kubernetes, settings: Settings): Promise<void> {
  const { namespace } = settings;
  const old = await poolerPodsOf(kubernetes, settings);
  for (const { metadata } of old) {
    const pod = { name: metadata?.name ?? "", namespace, gracePeriodSeconds: 1 };
    await found(patiently(() => kubernetes.core.deleteNamespacedPod(pod)));
  }
  const ids = old.map(({ metadata }) => metadata?.uid);
  const gone = (pods: readonly V1Pod[]) => !pods.some(({ metadata }) => ids.includes(metadata?.uid));
  await eventually("the pooler's pods do not end", kubernetes, settings, gone);
}

async function poolerPodsOf({ core }: Kubernetes, { namespace }: Settings): Promise<V1Pod[]> {
  const labelSelector = Object.entries(poolerPods)
    .map((pair) => pair.join("="))
    .join(",");
  return (await patiently(() => core.listNamespacedPod({ namespace, labelSelector }))).items;
}

/** Waits until the pooler's pods are as they should be. @throws Error `otherwise` */
async function eventually(
  otherwise: string,
  kubernetes: Kubernetes,
  settings: Settings,
  so: (pods: readonly V1Pod[]) => boolean,
): Promise<void> {
  const until = Date.now() + limit;
  while (!so(await poolerPodsOf(kubernetes, settings))) {
    if (Date.now() > until) throw new Error(`${otherwise}, for ${limit / 1000} s`);
    await sleep(pause);
  }
}

async function keptOne(kubernetes: Kubernetes, settings: Settings): Promise<V1Service | undefined> {
  const name = objectNames(settings).source;
  const kept = await read(kubernetes, settings, name);
  if (kept !== undefined && kept.metadata?.labels?.["naytife.com/cluster"] !== settings.target.cluster) {
    throw new MigrationFailure(
      `Service ${name} exists and is not this migration's`,
      nothingChanged,
      "Rename or delete it.",
    );
  }
  return kept;
}

function read({ core }: Kubernetes, { namespace }: Settings, name: string): Promise<V1Service | undefined> {
  return found(patiently(() => core.readNamespacedService({ name, namespace })));
}
