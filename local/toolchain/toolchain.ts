import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { access, mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { cacheDirectory } from "../cache";
import { withLock } from "../lock";
import { during, step } from "../progress";
import { run } from "../run";
import { twoAtATime } from "../two-at-a-time";
import { catalog, manifestModules, ownSource, type ManifestModule, type Program, type ToolName } from "./catalog";
import { atLeast, explainGoFailure, goEnvironment, goVersion, readGoMod } from "./go";
import { checkSpace, freeSpace } from "./space";

export type { ManifestModule, ToolName } from "./catalog";

/** Where a tool was found, or where it will be. */
interface Found {
  readonly name: ToolName;
  /** `v1.2.3`, from the group's go.mod. */
  readonly version: string;
  readonly from: "path" | "cache" | "to build";
  readonly path: string;
}

interface Recipe {
  readonly name: ToolName;
  readonly directory: string;
  readonly arguments: readonly string[];
  readonly version: string;
  readonly versionArguments: readonly string[] | undefined;
  readonly go: readonly number[];
  readonly goSum: string;
  readonly goMod: string;
}

async function recipe(name: ToolName): Promise<Recipe> {
  const program: Program = catalog[name];
  const directory = join(__dirname, program.group);
  const [goMod, goSum] = await Promise.all([
    readFile(join(directory, "go.mod"), "utf8"),
    readFile(join(directory, "go.sum"), "utf8"),
  ]);
  const { go, version } = readGoMod(goMod, program.module);
  const linker = Object.entries(program.variables?.(version) ?? {}).map(
    ([variable, value]) => `-X ${variable}=${value}`,
  );
  return {
    name,
    directory,
    version,
    versionArguments: program.versionArguments,
    go,
    goMod,
    goSum,
    arguments: [
      "-trimpath",
      "-buildvcs=false",
      "-mod=readonly",
      ...(program.tags === undefined ? [] : ["-tags", program.tags.join(",")]),
      "-ldflags",
      ["-s", "-w", ...linker].join(" "),
      program.package,
    ],
  };
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** The program on PATH, if there is one that says it has the required version. */
async function onPath({ name, version, versionArguments }: Recipe): Promise<string | undefined> {
  if (versionArguments === undefined) return undefined;
  const exactly = new RegExp(`(?<![\\w.])v?${version.replace(/^v/, "").replaceAll(".", "\\.")}(?![\\w.+-])`);
  for (const directory of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(directory, name);
    if (directory === "" || !(await isExecutable(path))) continue;
    try {
      if (exactly.test(await run(path, versionArguments, { timeout: 10_000 }))) return path;
    } catch {
      // It cannot even say its version: not the one we want.
    }
  }
  return undefined;
}

/** What the build depends on, and so where its result lies. */
async function cachedPath(made: Recipe): Promise<string> {
  const source =
    catalog[made.name].package === ownSource ? await readFile(join(made.directory, "main.go"), "utf8") : "";
  const parts = [made.goMod, made.goSum, source, ...made.arguments, (await currentGo()).text];
  const key = createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32);
  return join(cacheDirectory(), "toolchain", key, made.name);
}

let go: { path: string | undefined; version: ReturnType<typeof goVersion> } | undefined;

function currentGo(): ReturnType<typeof goVersion> {
  if (go?.path !== process.env.PATH) go = { path: process.env.PATH, version: goVersion() };
  return (go as { version: ReturnType<typeof goVersion> }).version;
}

async function find(made: Recipe): Promise<Found> {
  const { name, version } = made;
  const external = await onPath(made);
  if (external !== undefined) return { name, version, from: "path", path: external };
  const path = await cachedPath(made);
  return { name, version, from: (await isExecutable(path)) ? "cache" : "to build", path };
}

/** Looks for each tool without building anything. */
export async function findTools(names: readonly ToolName[]): Promise<Found[]> {
  return Promise.all(names.map(async (name) => find(await recipe(name))));
}

async function requireSpace(programs: number): Promise<void> {
  const ofGo = (await run("go", ["env", "GOCACHE", "GOMODCACHE"], { env: goEnvironment() })).trim().split("\n");
  const places = [cacheDirectory(), ...ofGo];
  checkSpace(
    programs,
    new Map(await Promise.all(places.map(async (place) => [place, await freeSpace(place)] as const))),
  );
}

/** Removes what builds that were killed left. Only under the lock: one that runs has such a file, too. */
async function sweep(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { recursive: true })) {
    if (entry.endsWith(".unfinished")) await rm(join(directory, entry), { force: true });
  }
}

async function build(made: Recipe, path: string): Promise<void> {
  const version = await currentGo();
  if (!atLeast(version.release, made.go)) {
    throw new Error(
      `Go is too old: ${made.name} ${made.version} needs ${made.go.join(".")}, and PATH has "${version.text}". ` +
        "Nothing was built. Install a newer Go and repeat.",
    );
  }
  await mkdir(dirname(path), { recursive: true });
  // Under a name of its own until it is whole: a build that dies leaves nothing that could be taken for the program.
  const unfinished = `${path}.${process.pid}.unfinished`;
  try {
    await run("go", ["build", "-o", unfinished, ...made.arguments], { cwd: made.directory, env: goEnvironment() });
    await rename(unfinished, path);
  } catch (error) {
    throw explainGoFailure(error, `${made.name} ${made.version}`);
  } finally {
    await rm(unfinished, { force: true });
  }
}

/** Builds two groups at a time. Programs of a group follow each other, since they share most of what is compiled. */
async function buildAll(missing: readonly Recipe[]): Promise<void> {
  const groups = [...new Set(missing.map(({ directory }) => directory))].map((directory) =>
    missing.filter((made) => made.directory === directory),
  );
  let count = 0;
  await twoAtATime(groups, async (group, failed) => {
    for (const made of group) {
      if (failed.aborted) return;
      const title = `toolchain: ${++count} of ${missing.length}: building ${made.name} ${made.version}`;
      await during(title, async () => build(made, await cachedPath(made)));
    }
  });
}

/**
 * The absolute paths of tools: PATH in the right version, else the cache, else built now, two at a time, with progress on stderr.
 * Two processes never build at the same time: the second waits and takes what the first made.
 * @throws where Go is missing or too old, the module proxy does not answer, or the disk has too little room for all that is missing; nothing half-built stays.
 */
export async function tools<Name extends ToolName>(names: readonly Name[]): Promise<Record<Name, string>> {
  const recipes = await Promise.all(names.map((name) => recipe(name)));
  let found = await Promise.all(recipes.map((made) => find(made)));
  if (found.some(({ from }) => from === "to build")) {
    const file = join(cacheDirectory(), "toolchain", "lock");
    const waiting = () => {
      step("toolchain: another process builds; waiting for it");
    };
    await withLock(file, waiting, async () => {
      // What the other process built while we waited is there now.
      found = await Promise.all(recipes.map((made) => find(made)));
      const missing = recipes.filter((_, index) => found[index]?.from === "to build");
      if (missing.length === 0) return;
      await sweep(dirname(file));
      await requireSpace(missing.length);
      const began = Date.now();
      await buildAll(missing);
      step(`toolchain: ${missing.length} built in ${((Date.now() - began) / 1000).toFixed(0)} s`);
    });
  }
  return Object.fromEntries(found.map(({ name, path }) => [name, path])) as Record<Name, string>;
}

/** One tool's absolute path; see {@link tools}. */
export async function tool(name: ToolName): Promise<string> {
  return (await tools([name]))[name];
}

/**
 * The directory in which Go keeps a module's sources: manifests and CRDs are read from there, at the version of go.mod.
 * It is downloaded where it is missing. Read-only.
 */
export async function moduleDirectory(module: ManifestModule): Promise<string> {
  const { group, module: path } = manifestModules[module];
  const directory = join(__dirname, group);
  const { version } = readGoMod(await readFile(join(directory, "go.mod"), "utf8"), path);
  await currentGo();
  let answer: string;
  try {
    answer = await run("go", ["mod", "download", "-json", `${path}@${version}`], {
      cwd: directory,
      env: goEnvironment(),
    });
  } catch (error) {
    throw explainGoFailure(error, `${path} ${version}`);
  }
  const { Dir } = JSON.parse(answer) as { Dir?: string };
  if (Dir === undefined) throw new Error(`Go does not say where it keeps ${path} ${version}.`);
  return Dir;
}
