import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import {
  access,
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { cacheDirectory } from "../../cache";
import { withLock } from "../../lock";
import { during, step } from "../../progress";
import { ProgramFailed, run } from "../../run";
import { tools, type ToolName } from "../../toolchain/toolchain";
import { twoAtATime } from "../../two-at-a-time";
import { architecture } from "../preflight";
import type { DebianImage, ImageRecipe, StaticImage } from "./recipes";

/** Raised when the way in which images are put together changes, so that older ones are not taken for new. */
const format = 1;

const busybox = "/bin/busybox";

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

interface DebianMirrors {
  readonly main: string;
  readonly security: string | undefined;
}

/** Apt's own knowledge of the mirrors that this machine uses for Debian. */
async function debianMirrors(): Promise<DebianMirrors> {
  const format = "$(ORIGIN)|$(LABEL)|$(REPO_URI)";
  const targets = async () =>
    (await run("apt-get", ["indextargets", "--format", format, "Created-By: Packages"]))
      .split("\n")
      .map((line) => line.split("|"));
  const uri = (lines: string[][], label: string) =>
    lines.find(([origin, of]) => origin === "Debian" && of === label)?.[2];
  let lines = await targets();
  if (uri(lines, "Debian") === undefined) {
    // Apt has never read its sources here.
    await run("apt-get", ["update"]);
    lines = await targets();
  }
  const main = uri(lines, "Debian");
  if (main === undefined) {
    throw new Error(
      "Images have to be assembled from Debian packages, as no registry answers, and apt on this machine knows no mirror of Debian's own. " +
        "No image was made and no cluster touched. Give apt a Debian mirror, or repeat where the images' registries can be reached.",
    );
  }
  return { main, security: uri(lines, "Debian-Security") };
}

/** Asked for once: apt does not let two read its sources at the same time. */
let mirrors: Promise<DebianMirrors> | undefined;

/** The same mirror has every suite. */
async function debianSources(suite: DebianImage["suite"]): Promise<string[]> {
  const { main, security } = await (mirrors ??= debianMirrors());
  return [`deb ${main} ${suite} main`, ...(security === undefined ? [] : [`deb ${security} ${suite}-security main`])];
}

/** The programs of the toolchain that go into an image. */
function programsOf(recipe: ImageRecipe): ToolName[] {
  if (recipe.kind === "debian") return Object.keys(recipe.programs ?? {}) as ToolName[];
  return recipe.program === "busybox" ? [] : [recipe.program];
}

/** The tool's path under the cache contains the key of all that went into it. */
async function key(recipe: ImageRecipe, programs: Readonly<Partial<Record<ToolName, string>>>): Promise<string> {
  const scripts = recipe.kind === "debian" ? [recipe.script, ...(recipe.files ?? [])] : [];
  const contents = await Promise.all(scripts.map((script) => readFile(join(__dirname, script), "utf8")));
  const program =
    recipe.kind === "static" && recipe.program === "busybox"
      ? await sha256(busybox)
      : programsOf(recipe)
          .map((name) => programs[name])
          .join();
  return createHash("sha256")
    .update(JSON.stringify([format, recipe, contents, program]))
    .digest("hex")
    .slice(0, 32);
}

async function staticLayer(recipe: StaticImage, program: string, work: string, layer: string): Promise<void> {
  const root = join(work, "root");
  await mkdir(join(root, "tmp"), { recursive: true });
  await chmod(join(root, "tmp"), 0o1777);
  await mkdir(join(root, dirname(recipe.path)), { recursive: true });
  await copyFile(program, join(root, recipe.path));
  await chmod(join(root, recipe.path), 0o755);
  for (const [link, target] of Object.entries(recipe.links ?? {})) await symlink(target, join(root, link));
  if (recipe.program === "busybox") {
    const commands = (await run(busybox, ["--list"])).trim().split("\n");
    for (const command of commands) if (command !== "busybox") await symlink("busybox", join(root, "bin", command));
  }
  await run("tar", [
    "--sort=name",
    "--mtime=@0",
    "--owner=0",
    "--group=0",
    "--numeric-owner",
    "-C",
    root,
    "-cf",
    layer,
    ".",
  ]);
}

async function debianLayer(
  recipe: DebianImage,
  programs: Readonly<Partial<Record<ToolName, string>>>,
  layer: string,
): Promise<void> {
  const sources = await debianSources(recipe.suite);
  const uploads = Object.entries(recipe.programs ?? {}).map(
    ([name, path]) => `--customize-hook=upload ${programs[name as ToolName] ?? ""} ${path}`,
  );
  const hook = `--customize-hook=${join(__dirname, recipe.script)} "$1"`;
  const include = `--include=${recipe.packages.join(",")}`;
  const trimmed = ["man", "doc", "info", "locale"].map((what) => `--dpkgopt=path-exclude=/usr/share/${what}/*`);
  const options = ["--variant=minbase", "--format=tar", "--quiet", include, ...uploads, hook, ...trimmed];
  try {
    await run("mmdebstrap", [...options, recipe.suite, layer, ...sources], {
      env: { ...process.env, SOURCE_DATE_EPOCH: "0" },
    });
  } catch (error) {
    if (!(error instanceof ProgramFailed)) throw error;
    throw new Error(
      `The image ${recipe.names[0] ?? ""} could not be assembled from Debian ${recipe.suite}; nothing half-made was kept. ` +
        `Check that apt's mirror answers and that the disk has room, then repeat.\n${error.stderr.trim().split("\n").slice(-12).join("\n")}`,
      { cause: error },
    );
  }
}

/** Writes a docker archive: one layer, the configuration, and the names. */
async function archive(recipe: ImageRecipe, work: string, layer: string, path: string): Promise<void> {
  const configuration = JSON.stringify({
    architecture: architecture(),
    os: "linux",
    created: "1970-01-01T00:00:00Z",
    config: recipe.configuration,
    rootfs: { type: "layers", diff_ids: [`sha256:${await sha256(layer)}`] },
    history: [{ created_by: "naytife-postgres" }],
  });
  await writeFile(join(work, "config.json"), configuration);
  await writeFile(
    join(work, "manifest.json"),
    JSON.stringify([{ Config: "config.json", RepoTags: recipe.names, Layers: ["layer.tar"] }]),
  );
  const unfinished = `${path}.unfinished`;
  await run("tar", ["-C", work, "-cf", unfinished, "manifest.json", "config.json", "layer.tar"]);
  await rename(unfinished, path);
}

async function isFile(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function assembleOne(
  recipe: ImageRecipe,
  programs: Readonly<Partial<Record<ToolName, string>>>,
  path: string,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const work = await mkdtemp(join(dirname(path), "work-"));
  try {
    const layer = join(work, "layer.tar");
    if (recipe.kind === "debian") await debianLayer(recipe, programs, layer);
    else {
      const program = recipe.program === "busybox" ? busybox : programs[recipe.program];
      if (program === undefined) throw new Error(`${recipe.program} was not built.`);
      await staticLayer(recipe, program, work, layer);
    }
    await archive(recipe, work, layer, path);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Removes what an assembly that was killed left. Only under the lock: the work of another one that runs would look the same. */
export async function sweepImages(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (/^work-|\.unfinished$/.test(name)) await rm(join(directory, name), { recursive: true, force: true });
  }
}

/**
 * The archives of images, assembled where they are not in the cache, in the recipes' order.
 * @throws where a program cannot be built, or no Debian mirror answers.
 */
export async function assemble(recipes: readonly ImageRecipe[]): Promise<string[]> {
  const programs = await tools([...new Set(recipes.flatMap(programsOf))]);
  const directory = join(cacheDirectory(), "images");
  const paths = await Promise.all(recipes.map(async (recipe) => join(directory, `${await key(recipe, programs)}.tar`)));
  const missing = async () => (await Promise.all(paths.map(isFile))).includes(false);
  if (!(await missing())) return paths;
  await withLock(
    join(directory, "lock"),
    () => {
      step("images: another process assembles them; waiting for it");
    },
    async () => {
      await sweepImages(directory);
      await twoAtATime([...recipes.entries()], async ([index, recipe]) => {
        const path = paths[index];
        if (path === undefined || (await isFile(path))) return;
        const title = `images: ${index + 1} of ${recipes.length}: assembling ${recipe.names[0] ?? ""}`;
        await during(title, () => assembleOne(recipe, programs, path));
      });
    },
  );
  return paths;
}
