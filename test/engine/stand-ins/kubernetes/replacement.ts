/** Which changes of a field cannot be made in place (pulumi-kubernetes, provider/pkg/provider/diff.go). */
import { isObject, type Properties } from "../values";

/** Provider settings that make Secrets and ConfigMaps updatable. */
export interface Mutability {
  readonly secrets: boolean;
  readonly configMaps: boolean;
}

const selector = ["spec.selector"];
const job = ["spec.completions", "spec.parallelism", "spec.selector", "spec.template"];
const statefulSet = [
  "spec.podManagementPolicy",
  "spec.revisionHistoryLimit",
  "spec.selector",
  "spec.serviceName",
  "spec.volumeClaimTemplates",
];

const byKind: Record<string, readonly string[]> = {
  "apps/v1/DaemonSet": selector,
  "apps/v1/Deployment": selector,
  "apps/v1/StatefulSet": statefulSet,
  "batch/v1/Job": job,
  "rbac.authorization.k8s.io/v1/ClusterRoleBinding": ["roleRef"],
  "rbac.authorization.k8s.io/v1/RoleBinding": ["roleRef"],
  "storage.k8s.io/v1/StorageClass": ["parameters", "provisioner"],
  "v1/PersistentVolumeClaim": ["spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"],
  "v1/ResourceQuota": ["spec.scopes"],
  "v1/Secret": ["type"],
  "v1/Service": ["spec.clusterIP"],
  // Of a Pod's many fields, everything but what the API server lets through in place.
  "v1/Pod": ["spec"],
};

/** Paths whose change, or a change below them, replaces the object. */
export function replacingPaths(object: Properties, mutable: Mutability): string[] {
  const kind = `${text(object.apiVersion)}/${text(object.kind)}`;
  const immutable = object.immutable === true;
  const paths = ["metadata.name", "metadata.namespace"];
  if (kind === "v1/Secret" && (!mutable.secrets || immutable)) return [...paths, "type", "stringData", "data"];
  if (kind === "v1/ConfigMap" && (!mutable.configMaps || immutable)) return [...paths, "binaryData", "data"];
  return [...paths, ...(byKind[kind] ?? [])];
}

/** Whether a change at `path` falls under one of the replacing paths. */
export function replaces(path: string, replacing: readonly string[]): boolean {
  return replacing.some((prefix) => path === prefix || path.startsWith(`${prefix}.`) || path.startsWith(`${prefix}[`));
}

/** Whether Pulumi gave the object its name, so that a replacement can have another one. */
export function isAutonamed(object: Properties): boolean {
  const metadata = object.metadata;
  const annotations = isObject(metadata) ? metadata.annotations : undefined;
  return isObject(annotations) && annotations["pulumi.com/autonamed"] === "true";
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
