/**
 * Where each resource plugin comes from: the official one if this machine has it or can download it, the project's stand-in if not.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { cacheDirectory } from "../cache";
import { step } from "../progress";
import { standIn } from "./stand-ins";

/** A resource plugin that the program needs, and the one that was found for it. */
export interface Plugin {
  readonly name: string;
  /** Version that the program's npm package asks for. */
  readonly version: string;
  readonly origin: "official" | "stand-in";
  /** Directory that holds `pulumi-resource-<name>`; undefined when Pulumi finds it on PATH by itself. */
  readonly directory: string | undefined;
}

/** The plugins that every stack needs. */
export const commonPlugins = ["kubernetes", "command", "random"] as const;
/** The plugins of the npm packages that the program imports. */
export type PluginName = (typeof commonPlugins)[number] | "oci";

/** A download gets this long, and is not tried again for this long after it failed. */
const downloadSeconds = 60;
const retryHours = 24;

/**
 * Finds a plugin for each package.
 * @param pulumi Path of the Pulumi CLI, which does the downloading.
 */
export async function findPlugins(pulumi: string, names: readonly PluginName[] = commonPlugins): Promise<Plugin[]> {
  return Promise.all(names.map((name) => findPlugin(name, pulumi)));
}

async function findPlugin(name: string, pulumi: string): Promise<Plugin> {
  const version = askedVersion(name);
  const executable = `pulumi-resource-${name}`;
  if ((process.env.PATH ?? "").split(delimiter).some((directory) => existsSync(join(directory, executable))))
    return { name, version, origin: "official", directory: undefined };
  const downloads = join(cacheDirectory(), "engine", "downloads");
  const homes = [process.env.PULUMI_HOME ?? join(homedir(), ".pulumi"), downloads];
  const installed = () =>
    homes
      .map((home) => join(home, "plugins", `resource-${name}-v${version}`))
      .find((directory) => existsSync(join(directory, executable)) && !existsSync(`${directory}.partial`));
  let directory = installed();
  if (directory === undefined && (await download(name, version, pulumi, downloads))) directory = installed();
  if (directory !== undefined) return { name, version, origin: "official", directory };
  return { name, version, origin: "stand-in", directory: await standIn(name, version) };
}

/** The version that the npm package asks the engine for: its own. */
function askedVersion(name: string): string {
  const manifest: unknown = createRequire(__filename)(`@pulumi/${name}/package.json`);
  const { pulumi } = manifest as { pulumi: { version: string } };
  return pulumi.version;
}

async function download(name: string, version: string, pulumi: string, home: string): Promise<boolean> {
  const failed = join(home, `${name}-${version}.failed`);
  if (existsSync(failed) && Date.now() - statSync(failed).mtimeMs < retryHours * 3_600_000) return false;
  mkdirSync(home, { recursive: true });
  step(`downloading Pulumi's ${name} plugin ${version} (at most ${downloadSeconds} s)`);
  try {
    await promisify(execFile)(pulumi, ["plugin", "install", "resource", name, version], {
      env: { ...process.env, PULUMI_HOME: home, PULUMI_SKIP_UPDATE_CHECK: "true" },
      timeout: downloadSeconds * 1000,
    });
    rmSync(failed, { force: true });
    return true;
  } catch (error) {
    const reason = error instanceof Error && "stderr" in error ? String(error.stderr) : String(error);
    writeFileSync(failed, reason);
    step(`no download of the ${name} plugin (${failed} says why; next try in ${retryHours} h)`);
    return false;
  }
}

/**
 * A PULUMI_HOME that holds exactly these plugins and this CLI. One directory for each combination, made whole and never changed
 * afterwards, so that any number of processes may use it.
 */
export function pulumiHome(pulumi: string, plugins: readonly Plugin[]): string {
  const key = createHash("sha256")
    .update(JSON.stringify([pulumi, plugins]))
    .digest("hex")
    .slice(0, 16);
  const home = join(cacheDirectory(), "engine", `home-${key}`);
  if (existsSync(home)) return home;
  mkdirSync(join(home, ".."), { recursive: true });
  const unfinished = mkdtempSync(`${home}.unfinished-`);
  mkdirSync(join(unfinished, "bin"));
  symlinkSync(pulumi, join(unfinished, "bin", "pulumi"));
  for (const { name, version, directory } of plugins) {
    const target = join(unfinished, "plugins", `resource-${name}-v${version}`);
    if (directory === undefined) continue;
    mkdirSync(target, { recursive: true });
    // Pulumi does not follow a link in place of a plugin's directory; links in place of its files it does.
    for (const file of readdirSync(directory)) symlinkSync(join(directory, file), join(target, file));
  }
  try {
    renameSync(unfinished, home);
  } catch (error) {
    rmSync(unfinished, { recursive: true });
    if (!existsSync(home)) throw error; // Otherwise another process was faster, with the same content.
  }
  return home;
}
