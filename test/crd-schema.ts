import * as fs from "node:fs/promises";
import * as path from "node:path";
import Ajv from "ajv";
import { parse } from "yaml";
import { moduleDirectory } from "../local/toolchain/toolchain";
interface Schema {
  type?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  additionalProperties?: Schema | boolean;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
  "x-kubernetes-int-or-string"?: boolean;
}

interface CustomResourceDefinition {
  spec: { versions: { name: string; schema: { openAPIV3Schema: Schema } }[] };
}

/** What is wrong with a custom resource by the OpenAPI schema of its definition; a field that it does not know is. */
export type SchemaCheck = (resource: unknown) => string[];

/**
 * The check for a kind of CloudNativePG's, by the definition in its Go module, at the version that the embedded cluster
 * runs. The API server would drop an unknown field without a word; this refuses it.
 *
 * @param plural - for instance "clusters"
 */
export async function cnpgSchema(plural: string): Promise<SchemaCheck> {
  const directory = await moduleDirectory("cloudnative-pg");
  return schemaOf(path.join(directory, "config", "crd", "bases", `postgresql.cnpg.io_${plural}.yaml`));
}

/** The same for the backup plugin's ObjectStore. */
export async function objectStoreSchema(): Promise<SchemaCheck> {
  const directory = await moduleDirectory("plugin-barman-cloud");
  return schemaOf(path.join(directory, "config", "crd", "bases", "barmancloud.cnpg.io_objectstores.yaml"));
}

async function schemaOf(file: string): Promise<SchemaCheck> {
  const definition = parse(await fs.readFile(file, "utf8")) as CustomResourceDefinition;
  const version = definition.spec.versions.find(({ name }) => name === "v1");
  if (version === undefined) {
    throw new Error(`${file} has no version v1`);
  }
  const schema = closed(version.schema.openAPIV3Schema);
  // The definition leaves metadata to the API server, which takes only what it knows as well.
  schema.properties = { ...schema.properties, metadata: { type: "object" } };
  // As the API server does it, a field that is missing gets its default before it can be missed.
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false, useDefaults: true });
  const validate = ajv.compile(schema);
  return (resource) => (validate(structuredClone(resource)) ? [] : (validate.errors ?? []).map(explain));
}

function explain({
  instancePath,
  message,
  params,
}: {
  instancePath: string;
  message?: string;
  params: object;
}): string {
  return `${instancePath} ${message ?? ""} ${JSON.stringify(params)}`;
}

/** The same schema, with every object that lists its fields closed to others. */
function closed(schema: Schema): Schema {
  const copy: Schema = { ...schema };
  if (copy["x-kubernetes-int-or-string"] === true) {
    return {};
  }
  if (copy.items !== undefined) {
    copy.items = closed(copy.items);
  }
  if (typeof copy.additionalProperties === "object") {
    copy.additionalProperties = closed(copy.additionalProperties);
  }
  if (copy.properties !== undefined) {
    copy.properties = Object.fromEntries(Object.entries(copy.properties).map(([name, field]) => [name, closed(field)]));
    if (copy["x-kubernetes-preserve-unknown-fields"] !== true && copy.additionalProperties === undefined) {
      copy.additionalProperties = false;
    }
  }
  return copy;
}
