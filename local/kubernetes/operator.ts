import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheDirectory } from "../cache";
import { moduleDirectory } from "../toolchain/toolchain";
import type { ImagesFrom } from "./images/images";
import { writeWhole } from "./node";

const release = "cnpg-1.30.0.yaml";

/** The operator's manifest for the images at hand: an assembled image is there already and can be pulled from nowhere. */
export function renderOperator(manifest: string, origin: ImagesFrom): string {
  return origin === "assembled"
    ? manifest.replaceAll(/imagePullPolicy: Always\b/g, "imagePullPolicy: IfNotPresent")
    : manifest;
}

/** Writes the CloudNativePG release manifest, read from its Go module, into the cache, and returns its path. */
export async function operatorManifest(origin: ImagesFrom): Promise<string> {
  const manifest = await readFile(join(await moduleDirectory("cloudnative-pg"), "releases", release), "utf8");
  const directory = join(cacheDirectory(), "manifests", origin);
  await mkdir(directory, { recursive: true });
  const path = join(directory, release);
  await writeWhole(path, renderOperator(manifest, origin));
  return path;
}
