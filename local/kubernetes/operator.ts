import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheDirectory } from "../cache";
import { moduleDirectory } from "../toolchain/toolchain";
import { writeWhole } from "./node";

const release = "cnpg-1.30.0";
const pluginRelease = "plugin-barman-cloud-0.14.0";

/**
 * The operator's manifest for nodes that have every image already, and no way out to pull one. Without the operator's CPU limit, a tenth of a core, as the stacks
 * that take the chart have none: whatever it does, it mostly waited for its next share.
 */
export function renderOperator(manifest: string): string {
  return manifest
    .replaceAll(/imagePullPolicy: Always\b/g, "imagePullPolicy: IfNotPresent")
    .replace(/^( +limits:\n) +cpu: 100m\n/m, "$1");
}

/** Writes the CloudNativePG release manifest, read from its Go module, into the cache, and returns its path. */
export async function operatorManifest(): Promise<string> {
  const manifest = await readFile(join(await moduleDirectory("cloudnative-pg"), "releases", `${release}.yaml`), "utf8");
  return inCache(release, renderOperator(manifest));
}

/** Writes the Barman Cloud plugin's manifest, read from its Go module, into the cache, and returns its path. */
export async function backupPluginManifest(): Promise<string> {
  const manifest = await readFile(join(await moduleDirectory("plugin-barman-cloud"), "manifest.yaml"), "utf8");
  return inCache(pluginRelease, manifest);
}

/** A manifest under a name that says its contents: a cluster that another version of this program brought up goes on with its own. */
async function inCache(name: string, manifest: string): Promise<string> {
  const directory = join(cacheDirectory(), "manifests");
  await mkdir(directory, { recursive: true });
  const path = join(directory, `${name}-${createHash("sha256").update(manifest).digest("hex").slice(0, 8)}.yaml`);
  await writeWhole(path, manifest);
  return path;
}

/** The Prometheus Operator's manifest, definitions included, read from its Go module, for a namespace of its own. It waits for nothing: the namespace has to be there. */
export async function prometheusOperatorManifest(namespace: string): Promise<string> {
  const bundle = await readFile(join(await moduleDirectory("prometheus-operator"), "bundle.yaml"), "utf8");
  return bundle.replaceAll(/^( +namespace:) default$/gm, `$1 ${namespace}`);
}
