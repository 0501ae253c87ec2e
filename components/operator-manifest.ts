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

/** What a release manifest is made of. Typed classes, so that Pulumi waits for what can be waited for. */
const classes = {
  "apiextensions.k8s.io/v1/CustomResourceDefinition": kubernetes.apiextensions.v1.CustomResourceDefinition,
  "v1/ServiceAccount": kubernetes.core.v1.ServiceAccount,
  "v1/ConfigMap": kubernetes.core.v1.ConfigMap,
  "rbac.authorization.k8s.io/v1/ClusterRole": kubernetes.rbac.v1.ClusterRole,
  "rbac.authorization.k8s.io/v1/ClusterRoleBinding": kubernetes.rbac.v1.ClusterRoleBinding,
  "v1/Service": kubernetes.core.v1.Service,
  "apps/v1/Deployment": kubernetes.apps.v1.Deployment,
  "admissionregistration.k8s.io/v1/MutatingWebhookConfiguration":
    kubernetes.admissionregistration.v1.MutatingWebhookConfiguration,
  "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration":
    kubernetes.admissionregistration.v1.ValidatingWebhookConfiguration,
  // Each class wants its own arguments; which of them a document's are, only its apiVersion and kind can say.
} as unknown as Readonly<Record<string, ResourceClass>>;

/** The operator's manifest is not the one that was asked for, or not a manifest. */
export class OperatorManifestError extends pulumi.RunError {}

/**
 * Reads a release manifest of the operator, checks that it is the one that was reviewed, and splits it.
 *
 * @param source - path, absolute or from the project's folder, or https URL
 * @param sha256 - of the whole file, hexadecimal, lower case
 * @throws OperatorManifestError before anything is registered
 */
export async function readOperatorManifest(source: string, sha256: string): Promise<ManifestResource[]> {
  const content = await readSource(source);
  const actual = crypto.createHash("sha256").update(content).digest("hex");
  if (actual !== sha256) {
    throw new OperatorManifestError(
      `The operator manifest ${source} has the SHA-256 ${actual}, not ${sha256}. Nothing was changed. ` +
        "Look at what differs; if the new content is meant, set operatorManifestSha256 to its sum.",
    );
  }
  return parseManifest(content.toString("utf8"), source);
}

/** The objects of a YAML manifest, but for the operator's namespace, which the program makes itself. */
export function parseManifest(content: string, source: string): ManifestResource[] {
  return parseAllDocuments(content).flatMap((document, index) => {
    const where = `document ${index + 1} of the operator manifest ${source}`;
    const [error] = document.errors;
    if (error !== undefined) {
      throw new OperatorManifestError(`${where} is no YAML: ${error.message}. Nothing was changed.`);
    }
    const object: unknown = document.toJS();
    if (object === null) {
      return [];
    }
    if (!isManifestObject(object)) {
      throw new OperatorManifestError(`${where} has no apiVersion, kind and metadata.name. Nothing was changed.`);
    }
    if (object.kind === "Namespace" && object.metadata.name === names.operatorNamespace) {
      return [];
    }
    const type = classes[`${object.apiVersion}/${object.kind}`];
    if (type === undefined) {
      throw new OperatorManifestError(
        `${where} is a ${object.apiVersion} ${object.kind}, which no release of CloudNativePG has. Nothing was changed.`,
      );
    }
    return [{ object, type }];
  });
}

async function readSource(source: string): Promise<Buffer> {
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
    throw new OperatorManifestError(
      `The operator manifest ${source} cannot be read: ${reason}. Nothing was changed. ` +
        "Mend operatorManifest, or leave it empty to install the upstream chart.",
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
