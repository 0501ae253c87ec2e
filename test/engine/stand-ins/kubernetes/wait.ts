/** Waiting until an object is what it was made for: a rollout, a condition, a path, or an object's end. */
import { ApiError, isNotFound, objectPath, type ApiServer, type Resource } from "./api-server";
import { parsePath } from "./json-path";
import { isObject, type Properties, type Value } from "../values";

/** What one look at an object says. */
interface Look {
  readonly ready: boolean;
  /** One line about what is still missing. */
  readonly missing: string;
}

type Readiness = (object: Properties) => Look | Promise<Look>;

/** The object did not become ready. `reasons` go to the user one by one, `object` is its last state. */
export class NotReady extends Error {
  constructor(
    message: string,
    readonly object: Properties,
    readonly reasons: readonly string[],
  ) {
    super(message);
  }
}

export interface Wait {
  readonly server: ApiServer;
  readonly resource: Resource;
  readonly name: string;
  readonly namespace: string | undefined;
  /** Default 600. */
  readonly timeoutSeconds: number;
  readonly signal: AbortSignal;
  readonly progress: (message: string) => void;
}

const pollMilliseconds = 500;
const defaultTimeoutSeconds = 600;

/** How long to wait: customTimeouts, else the annotation `pulumi.com/timeoutSeconds`, else 10 minutes. */
export function timeoutSeconds(requested: number, inputs: Properties): number {
  if (requested > 0) return requested;
  const annotated = Number(annotation(inputs, "pulumi.com/timeoutSeconds"));
  return annotated > 0 ? annotated : defaultTimeoutSeconds;
}

/**
 * Waits until the object is ready, if there is anything to wait for.
 * @returns Its last state.
 * @throws {@link NotReady} at the end of the time, or when it can no longer become ready.
 */
export async function waitUntilReady(wait: Wait, object: Properties): Promise<Properties> {
  const readiness = readinessOf(wait, object);
  if (readiness === undefined) return object;
  const path = objectPath(wait.resource, wait.namespace, wait.name);
  const began = Date.now();
  const end = began + wait.timeoutSeconds * 1000;
  let current = object;
  let said = "";
  for (;;) {
    let look: Look;
    try {
      look = await readiness(current);
    } catch (error) {
      if (error instanceof NotReady) throw error;
      look = { ready: false, missing: error instanceof Error ? error.message : String(error) };
    }
    if (look.ready) return current;
    if (look.missing !== said) wait.progress(look.missing);
    said = look.missing;
    if (wait.signal.aborted || Date.now() >= end) {
      const custom = annotation(object, "pulumi.com/waitFor") !== undefined;
      const headline = wait.signal.aborted
        ? "the wait was interrupted"
        : custom
          ? "timed out waiting for the condition"
          : `'${wait.name}' timed out waiting to be Ready`;
      const seconds = Math.round((Date.now() - began) / 1000);
      throw new NotReady(`${headline} (after ${seconds} s): ${look.missing}`, current, [
        look.missing,
        ...statusLines(current),
        ...(await relatedProblems(wait, current)),
      ]);
    }
    await pause(Math.min(pollMilliseconds, end - Date.now()), wait.signal);
    try {
      current = await wait.server.request("GET", path);
    } catch (error) {
      if (isNotFound(error)) throw new NotReady(`'${wait.name}' was deleted while it was waited for`, current, []);
      // An API server that is away for a moment is no answer: the time limit decides.
      said = "";
      wait.progress(error instanceof Error ? error.message : String(error));
    }
  }
}

/**
 * Waits until the object is gone.
 * @throws When it is still there at the end of the time.
 */
export async function waitUntilGone(wait: Wait, uid: Value | undefined): Promise<void> {
  const path = objectPath(wait.resource, wait.namespace, wait.name);
  const end = Date.now() + wait.timeoutSeconds * 1000;
  for (;;) {
    let object: Properties;
    try {
      object = await wait.server.request("GET", path);
    } catch (error) {
      if (isNotFound(error)) return;
      if (error instanceof ApiError || Date.now() >= end) throw error;
      await pause(pollMilliseconds, wait.signal);
      continue;
    }
    const metadata = part(object, "metadata");
    if (uid !== undefined && metadata.uid !== uid) return; // Another object of the same name has taken the place.
    const finalizers = Array.isArray(metadata.finalizers) ? metadata.finalizers.map(text).join(", ") : "";
    if (wait.signal.aborted || Date.now() >= end)
      throw new Error(
        `'${wait.name}' timed out waiting to be deleted (after ${wait.timeoutSeconds} s)` +
          (finalizers === "" ? "" : `; its finalizers are still there: ${finalizers}`) +
          ["", ...statusLines(object)].join("\n  "),
      );
    await pause(Math.min(pollMilliseconds, end - Date.now()), wait.signal);
  }
}

function readinessOf(wait: Wait, object: Properties): Readiness | undefined {
  if (annotation(object, "pulumi.com/skipAwait") === "true") return undefined;
  const waitFor = annotation(object, "pulumi.com/waitFor");
  if (waitFor !== undefined) return waitForReadiness(waitFor);
  switch (`${text(object.apiVersion)}/${text(object.kind)}`) {
    case "apps/v1/Deployment":
      return deployment;
    case "apps/v1/StatefulSet":
      return statefulSet;
    case "apps/v1/DaemonSet":
      return daemonSet;
    case "batch/v1/Job":
      return job;
    case "v1/Service":
      return service(wait);
    case "v1/PersistentVolumeClaim":
      return claim(wait);
    case "v1/Namespace":
      return (namespace) => phase(namespace, "Active");
    case "apiextensions.k8s.io/v1/CustomResourceDefinition":
      return condition("Established", "True", "");
    default:
      return undefined;
  }
}

/** `condition=Type[=Status]`, `jsonpath={…}[=value]`, or a JSON array of those, which must all hold. */
function waitForReadiness(annotated: string): Readiness {
  let expressions: string[] = [annotated];
  try {
    const list = JSON.parse(annotated) as Value;
    if (Array.isArray(list)) expressions = list.map(text);
  } catch {
    // One expression, not a list.
  }
  if (expressions.length === 0) throw new Error("pulumi.com/waitFor: at least one condition must be specified");
  const parts = expressions.map((expression) => {
    if (expression.startsWith("condition=")) {
      const [type = "", status = "True"] = expression.slice("condition=".length).split("=");
      return condition(type, status, `Waiting for ${expression}`);
    }
    if (expression.startsWith("jsonpath=")) return jsonPath(expression);
    throw new Error(
      `pulumi.com/waitFor: expected a "jsonpath=" or "condition=" prefix, got ${JSON.stringify(expression)}`,
    );
  });
  return async (object) => {
    for (const readiness of parts) {
      const look = await readiness(object);
      if (!look.ready) return look;
    }
    return { ready: true, missing: "" };
  };
}

function condition(type: string, status: string, label: string): Readiness {
  return (object) => {
    const found = conditions(object).find((candidate) => text(candidate.type).toLowerCase() === type.toLowerCase());
    const generation = part(object, "metadata").generation;
    const observed = found?.observedGeneration;
    // A condition about an older spec says nothing about this one.
    const current = typeof observed !== "number" || typeof generation !== "number" || observed >= generation;
    if (found !== undefined && current && text(found.status).toLowerCase() === status.toLowerCase())
      return { ready: true, missing: "" };
    const state =
      found === undefined
        ? "there is no such condition yet"
        : current
          ? describeCondition(found)
          : `${describeCondition(found)}, about an older generation`;
    return { ready: false, missing: `${label || `Waiting for condition ${type}`} (found: ${state})` };
  };
}

function jsonPath(expression: string): Readiness {
  const match = /^jsonpath=(\{.*\}|[^=]*)(?:=(.*))?$/s.exec(expression);
  const select = parsePath(match?.[1] ?? "");
  const wanted = match?.[2]?.replace(/^(['"])(.*)\1$/, "$2");
  return (object) => {
    if (!observed(object))
      return { ready: false, missing: `Waiting for ${expression} (the last change was not seen yet)` };
    const found = select(object);
    if (found.length > 1) return { ready: false, missing: `Waiting for ${expression} (found ${found.length} values)` };
    const [value] = found;
    const ready = value !== undefined && (wanted === undefined || text(value) === wanted);
    return {
      ready,
      missing: `Waiting for ${expression} (found: ${value === undefined ? "nothing" : JSON.stringify(value)})`,
    };
  };
}

function deployment(object: Properties): Look {
  const status = part(object, "status");
  const replicas = number(part(object, "spec").replicas, 1);
  const [updated, available, total] = ["updatedReplicas", "availableReplicas", "replicas"].map((key) =>
    number(status[key], 0),
  ) as [number, number, number];
  const ready = observed(object) && updated >= replicas && available >= replicas && total <= updated;
  const why = conditions(object)
    .filter((entry) => entry.status !== "True")
    .map((entry) => `[${text(entry.reason)}] ${text(entry.message)}`);
  return {
    ready,
    missing: [`${available} of ${replicas} Pods are available, ${updated} updated`, ...why].join("; "),
  };
}

function statefulSet(object: Properties): Look {
  const status = part(object, "status");
  const replicas = number(part(object, "spec").replicas, 1);
  const ready = number(status.readyReplicas, 0);
  const updated = number(status.updatedReplicas, 0);
  return {
    ready: observed(object) && ready >= replicas && (replicas === 0 || updated >= replicas),
    missing: `${ready} of ${replicas} Pods are ready, ${updated} updated`,
  };
}

function daemonSet(object: Properties): Look {
  const status = part(object, "status");
  const wanted = number(status.desiredNumberScheduled, 0);
  const updated = number(status.updatedNumberScheduled, 0);
  const available = number(status.numberAvailable, 0);
  return {
    ready: observed(object) && updated >= wanted && available >= wanted,
    missing: `${available} of ${wanted} Pods are available, ${updated} updated`,
  };
}

function job(object: Properties): Look {
  const failed = conditions(object).find((entry) => entry.type === "Failed" && entry.status === "True");
  if (failed !== undefined)
    throw new NotReady(`the Job failed: [${text(failed.reason)}] ${text(failed.message)}`, object, [
      describeCondition(failed),
    ]);
  const done = conditions(object).some((entry) => entry.type === "Complete" && entry.status === "True");
  const status = part(object, "status");
  return {
    ready: done,
    missing: `${number(status.succeeded, 0)} succeeded, ${number(status.active, 0)} active, ${number(status.failed, 0)} failed`,
  };
}

/** A Service that selects Pods needs one that is ready; one of type LoadBalancer needs its address as well. */
function service({ server, namespace, name }: Wait): Readiness {
  return async (object) => {
    const spec = part(object, "spec");
    if (spec.type === "ExternalName") return { ready: true, missing: "" };
    const ingress = part(part(object, "status"), "loadBalancer").ingress;
    if (spec.type === "LoadBalancer" && !(Array.isArray(ingress) && ingress.length > 0))
      return { ready: false, missing: "the load balancer has no address yet" };
    const selects = Object.keys(part(spec, "selector")).length > 0;
    if (!selects || spec.clusterIP === "None") return { ready: true, missing: "" };
    const label = `kubernetes.io/service-name=${name}`;
    const slices = await server.request(
      "GET",
      `/apis/discovery.k8s.io/v1/namespaces/${namespace ?? "default"}/endpointslices`,
      undefined,
      { labelSelector: label },
    );
    const ready = list(slices.items).some((slice) =>
      list(slice.endpoints).some((endpoint) => part(endpoint, "conditions").ready !== false),
    );
    return { ready, missing: "Service does not target any ready Pods (its selector matches none that is ready)" };
  };
}

/** A claim is bound at once or, with WaitForFirstConsumer, only when a Pod wants it: then nothing is waited for. */
function claim({ server }: Wait): Readiness {
  return async (object) => {
    const storageClass = part(object, "spec").storageClassName;
    if (typeof storageClass === "string" && storageClass !== "") {
      const { volumeBindingMode } = await server.request(
        "GET",
        `/apis/storage.k8s.io/v1/storageclasses/${storageClass}`,
      );
      if (volumeBindingMode === "WaitForFirstConsumer") return { ready: true, missing: "" };
    }
    return phase(object, "Bound");
  };
}

function phase(object: Properties, wanted: string): Look {
  const found = part(object, "status").phase;
  return { ready: found === wanted, missing: `Waiting for phase ${wanted} (found: ${text(found ?? "nothing")})` };
}

/** What the object itself says about its state, for an error message. */
function statusLines(object: Properties): string[] {
  const status = part(object, "status");
  const told = ["phase", "phaseReason"].flatMap((key) =>
    typeof status[key] === "string" && status[key] !== "" ? [`status.${key}: ${status[key]}`] : [],
  );
  return [...told, ...conditions(object).map((entry) => `condition ${describeCondition(entry)}`)];
}

/** Pods of the object that are not ready, and recent Warning events about it and them. */
async function relatedProblems({ server, namespace, name }: Wait, object: Properties): Promise<string[]> {
  if (namespace === undefined) return [];
  try {
    const labels = part(part(part(object, "spec"), "selector"), "matchLabels");
    const owned = object.kind === "Job" ? { "batch.kubernetes.io/job-name": name } : (labels as Record<string, string>);
    const pods =
      Object.keys(owned).length === 0
        ? []
        : list(
            (
              await server.request("GET", `/api/v1/namespaces/${namespace}/pods`, undefined, {
                labelSelector: Object.entries(owned)
                  .map(([key, value]) => `${key}=${value}`)
                  .join(","),
              })
            ).items,
          );
    const names = new Set([name, ...pods.map((pod) => text(part(pod, "metadata").name))]);
    const events = await server.request("GET", `/api/v1/namespaces/${namespace}/events`, undefined, {
      fieldSelector: "type=Warning",
    });
    const warnings = list(events.items)
      .filter((event) => {
        const about = text(part(event, "involvedObject").name);
        // Pods of an operator's object carry its name as a prefix.
        return names.has(about) || about.startsWith(`${name}-`);
      })
      .map((event) => {
        const about = part(event, "involvedObject");
        return `event about ${text(about.kind)} ${text(about.name)}: [${text(event.reason)}] ${text(event.message)}`;
      });
    return [...pods.flatMap(podProblem), ...new Set(warnings.slice(-5))];
  } catch {
    return []; // The main message stands without them.
  }
}

function podProblem(pod: Properties): string[] {
  const status = part(pod, "status");
  const containers = list(status.containerStatuses).filter((container) => container.ready !== true);
  if (containers.length === 0 && status.phase !== "Pending") return [];
  const why = containers.map((container) => {
    const state = part(container, "state");
    const { reason, message } = { ...part(state, "waiting"), ...part(state, "terminated") };
    return `${text(container.name)} -- [${text(reason ?? "")}] ${text(message ?? "")}`.trim();
  });
  return [
    `[Pod ${text(part(pod, "metadata").name)}]: containers with unready status: ${why.join("; ") || "all (Pending)"}`,
  ];
}

function describeCondition(entry: Properties): string {
  const { reason, message } = entry;
  return (
    `${text(entry.type)}=${text(entry.status)}` +
    (reason === undefined || reason === "" ? "" : ` [${text(reason)}]`) +
    (message === undefined || message === "" ? "" : ` ${text(message)}`)
  );
}

function observed(object: Properties): boolean {
  const generation = part(object, "metadata").generation;
  const seen = part(object, "status").observedGeneration;
  return typeof generation !== "number" || (typeof seen !== "number" ? isUntracked(object) : seen >= generation);
}

/** Kinds of others may not report observedGeneration at all; Kubernetes' own workloads do, and have none before the first look. */
function isUntracked(object: Properties): boolean {
  return object.apiVersion !== "apps/v1";
}

function annotation(object: Properties, name: string): string | undefined {
  const value = part(part(object, "metadata"), "annotations")[name];
  return typeof value === "string" ? value : undefined;
}

function conditions(object: Properties): Properties[] {
  return list(part(object, "status").conditions);
}

function part(object: Properties, key: string): Properties {
  const value = object[key];
  return isObject(value) ? value : {};
}

function list(value: Value | undefined): Properties[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function number(value: Value | undefined, fallback: number): number {
  return typeof value === "number" ? value : fallback;
}

function text(value: Value | undefined): string {
  return typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, Math.max(0, milliseconds));
    signal.addEventListener("abort", finish);
  });
}
