import * as crypto from "node:crypto";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { parseAllDocuments } from "yaml";
import { names } from "./names";

/** One document of a manifest. What else it holds is the API server's to judge. */
interface ManifestObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

/** A class of resources, by which an object is registered. */
type ResourceClass = new (
  name: string,
  args: ManifestObject,
  options: pulumi.CustomResourceOptions,
) => pulumi.CustomResource;

/** An object of a manifest, and the class to register it by. */
export interface ManifestResource {
  readonly object: ManifestObject;
  readonly type: ResourceClass;
}

/** Where a manifest comes from, and how it is called in messages. */
export interface ManifestSource {
  /** What is installed with it, for instance "operator". */
  readonly what: string;
  /** Configuration keys of path and sum. */
  readonly keys: { readonly source: string; readonly sha256: string };
  /** Path, absolute or from the project's folder, or https URL. */
  readonly source: string;
  /** Of the whole file, hexadecimal, lower case. */
  readonly sha256: string;
}

/** What a release manifest is made of. Typed classes, so that Pulumi waits for what can be waited for. */
const classes = {
  "apiextensions.k8s.io/v1/CustomResourceDefinition": kubernetes.apiextensions.v1.CustomResourceDefinition,
  "v1/ServiceAccount": kubernetes.core.v1.ServiceAccount,
  "v1/ConfigMap": kubernetes.core.v1.ConfigMap,
  "v1/Secret": kubernetes.core.v1.Secret,
  "rbac.authorization.k8s.io/v1/Role": kubernetes.rbac.v1.Role,
  "rbac.authorization.k8s.io/v1/RoleBinding": kubernetes.rbac.v1.RoleBinding,
  "rbac.authorization.k8s.io/v1/ClusterRole": kubernetes.rbac.v1.ClusterRole,
  "rbac.authorization.k8s.io/v1/ClusterRoleBinding": kubernetes.rbac.v1.ClusterRoleBinding,
  "v1/Service": kubernetes.core.v1.Service,
  "apps/v1/Deployment": kubernetes.apps.v1.Deployment,
  "admissionregistration.k8s.io/v1/MutatingWebhookConfiguration":
    kubernetes.admissionregistration.v1.MutatingWebhookConfiguration,
  "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration":
    kubernetes.admissionregistration.v1.ValidatingWebhookConfiguration,
  "cert-manager.io/v1/Certificate": kubernetes.apiextensions.CustomResource,
  "cert-manager.io/v1/Issuer": kubernetes.apiextensions.CustomResource,
  // Each class wants its own arguments; which of them a document's are, only its apiVersion and kind can say.
} as unknown as Readonly<Record<string, ResourceClass>>;

/** A manifest is not the one that was asked for, or not a manifest. */
export class ManifestError extends pulumi.RunError {}

/**
 * Reads a release manifest, checks that it is the one that was reviewed, and splits it.
 *
 * @throws ManifestError before anything is registered
 */
export async function readManifest(from: ManifestSource): Promise<ManifestResource[]> {
  const content = await readSource(from);
  const actual = crypto.createHash("sha256").update(content).digest("hex");
  if (actual !== from.sha256) {
    throw new ManifestError(
      `The ${from.what} manifest ${from.source} has the SHA-256 ${actual}, not ${from.sha256}. Nothing was changed. ` +
        `Look at what differs; if the new content is meant, set ${from.keys.sha256} to its sum.`,
    );
  }
  return parseManifest(content.toString("utf8"), from);
}

/** The objects of a YAML manifest, but for the operator's namespace, which the program makes itself. */
export function parseManifest(
  content: string,
  { what, source }: Pick<ManifestSource, "what" | "source">,
): ManifestResource[] {
  return parseAllDocuments(content).flatMap((document, index) => {
    const where = `document ${index + 1} of the ${what} manifest ${source}`;
    const [error] = document.errors;
    if (error !== undefined) {
      throw new ManifestError(`${where} is no YAML: ${error.message}. Nothing was changed.`);
    }
    const object: unknown = document.toJS();
    if (object === null) {
      return [];
    }
    if (!isManifestObject(object)) {
      throw new ManifestError(`${where} has no apiVersion, kind and metadata.name. Nothing was changed.`);
    }
    if (object.kind === "Namespace" && object.metadata.name === names.operatorNamespace) {
      return [];
    }
    const type = classes[`${object.apiVersion}/${object.kind}`];
    if (type === undefined) {
      throw new ManifestError(
        `${where} is a ${object.apiVersion} ${object.kind}, which no release of CloudNativePG has. Nothing was changed.`,
      );
    }
    return [{ object, type }];
  });
}

/**
 * Registers a manifest's objects. Everything that its program reads when it starts (definitions, rights, webhook configurations) comes before its
 * Deployment. Its Service does not: Pulumi waits for a Service until a pod answers behind it, which is what others need, and what the Deployment must
 * not wait for.
 *
 * @param options - of every object; dependsOn may name more that the Deployment needs
 */
export function installManifest(manifest: readonly ManifestResource[], options: pulumi.CustomResourceOptions): void {
  const isStarted = ({ object }: ManifestResource): boolean => object.kind === "Deployment";
  const isServed = ({ object }: ManifestResource): boolean => object.kind === "Service";
  const prerequisites = manifest
    .filter((resource) => !isStarted(resource) && !isServed(resource))
    .map((resource) => register(resource, options));
  manifest.filter(isServed).forEach((resource) => register(resource, options));
  manifest
    .filter(isStarted)
    .forEach((resource) => register(resource, pulumi.mergeOptions(options, { dependsOn: prerequisites })));
}

function register({ object, type }: ManifestResource, options: pulumi.CustomResourceOptions): pulumi.CustomResource {
  return new type(
    `${object.kind}-${object.metadata.name}`,
    object,
    pulumi.mergeOptions(options, {
      ...(object.kind === "CustomResourceDefinition" ? { retainOnDelete: true } : {}),
      // Written by the operator, whenever it renews its certificate.
      ...(object.kind.endsWith("WebhookConfiguration") ? { ignoreChanges: ["webhooks[*].clientConfig.caBundle"] } : {}),
    }),
  );
}

async function readSource({ what, keys, source }: ManifestSource): Promise<Buffer> {
  try {
    if (source.startsWith("https://")) {
      const response = await fetch(source, { signal: AbortSignal.timeout(60_000) });
      if (!response.ok) {
        throw new Error(`the server answered ${response.status}`);
      }
      return Buffer.from(await response.arrayBuffer());
    }
    return await fs.readFile(path.resolve(__dirname, "..", source));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ManifestError(
      `The ${what} manifest ${source} cannot be read: ${reason}. Nothing was changed. Mend ${keys.source}, for instance with the path of a copy.`,
    );
  }
}

function isManifestObject(object: unknown): object is ManifestObject {
  if (typeof object !== "object" || object === null) {
    return false;
  }
  const { apiVersion, kind, metadata } = object as Partial<Record<keyof ManifestObject, unknown>>;
  if (typeof apiVersion !== "string" || typeof kind !== "string" || typeof metadata !== "object" || metadata === null) {
    return false;
  }
  return "name" in metadata && typeof metadata.name === "string";
}
