import { during, step } from "../../progress";
import { run } from "../../run";
import { assemble } from "./assemble";
import type { ImageRecipe } from "./recipes";

export type ImagesFrom = "registry" | "assembled";

/** Milliseconds that a registry has to answer in; one that is there takes far less. */
const patience = 4000;

/** The host that serves an image name's registry: docker.io's is not where its name says. */
export function registryOf(image: string): string {
  const host = image.split("/")[0] ?? "";
  return host === "docker.io" ? "registry-1.docker.io" : host;
}

/** A registry answers its API's root with 200, or with 401 where it wants a token, which anyone gets. */
async function answers(host: string): Promise<boolean> {
  try {
    const response = await fetch(`https://${host}/v2/`, { signal: AbortSignal.timeout(patience), redirect: "manual" });
    return response.status === 200 || response.status === 401;
  } catch {
    return false;
  }
}

/** Where this machine gets images from: the registries if all of those that the images name answer, else they are assembled here. */
export async function imagesOrigin(recipes: readonly ImageRecipe[]): Promise<ImagesFrom> {
  const hosts = [...new Set(recipes.flatMap(({ names }) => names.map(registryOf)))];
  const silent = (await Promise.all(hosts.map(async (host) => ((await answers(host)) ? [] : [host])))).flat();
  if (silent.length === 0) {
    step(`images: from their registries (${hosts.join(", ")})`);
    return "registry";
  }
  step(`images: assembled here, as no answer came from ${silent.join(", ")}`);
  return "assembled";
}

/** A node's containerd, as seen from the machine: images are fetched through the machine's network, the node has none outside. */
export interface NodeContainerd {
  readonly node: string;
  readonly socket: string;
  readonly ctr: string;
}

function ctr({ ctr: program, socket }: NodeContainerd, ...args: string[]): Promise<string> {
  return run(program, ["--address", socket, "--namespace", "k8s.io", ...args]);
}

/** Puts every image into each node's containerd, the ones first that make a node ready; what is there already stays. */
export async function provideImages(
  recipes: readonly ImageRecipe[],
  origin: ImagesFrom,
  archives: readonly string[],
  nodes: readonly NodeContainerd[],
): Promise<void> {
  for (const node of nodes) {
    const there = new Set((await ctr(node, "images", "list", "--quiet")).trim().split("\n"));
    const missing = recipes.flatMap((recipe, index) =>
      recipe.names.every((name) => there.has(name)) ? [] : [{ names: recipe.names, archive: archives[index] }],
    );
    if (missing.length === 0) continue;
    const what = origin === "registry" ? "pulling" : "importing";
    await during(`images: ${what} ${missing.length} into ${node.node}`, async () => {
      for (const { names, archive } of missing) {
        if (origin === "registry") {
          for (const name of names) await ctr(node, "images", "pull", "--local", name);
        } else if (archive !== undefined) {
          await ctr(node, "images", "import", archive);
        }
      }
    });
  }
}

/** The archives to import: assembled where they are not cached; none where registries answer. */
export async function prepareImages(recipes: readonly ImageRecipe[], origin: ImagesFrom): Promise<string[]> {
  return origin === "assembled" ? assemble(recipes) : [];
}
