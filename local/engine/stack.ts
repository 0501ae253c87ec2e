/** How a stack runs on this machine: Pulumi's Automation API around the program of index.ts, with the checkout left untouched. */
import { LocalWorkspace, PulumiCommand, type PulumiFn, type Stack } from "@pulumi/pulumi/automation";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parse, parseDocument } from "yaml";
import { step } from "../progress";
import { project as declared, stackConfiguration } from "../stack-files";
import { tool } from "../toolchain/toolchain";
import "./connections";
import { passphraseEnvironment } from "./passphrase";
import { commonPlugins, findPlugins, pulumiHome, type Plugin, type PluginName } from "./plugins";
import { releaseStaleLock } from "./stale-lock";
import { localBackend, workspaceDirectory } from "./workspace";

const checkout = resolve(__dirname, "../..");

/** The stacks that have a committed Pulumi.<stack>.yaml. */
export const stackNames = ["local", "staging", "production"] as const;
export type StackName = (typeof stackNames)[number];

/** A stack, and the plugins that it runs on. */
export interface OpenStack {
  readonly stack: Stack;
  readonly plugins: readonly Plugin[];
}

export interface OpenStackOptions {
  readonly stack: StackName;
  /** Config values over those of the stack's file; `{ secret }` is encrypted and never printed. Keys without a colon are the project's, lists and objects are given as JSON. */
  readonly config?: Readonly<Record<string, string | { secret: string }>>;
  /** URL of Pulumi's backend. Default: `PULUMI_BACKEND_URL`, else files in the state directory. */
  readonly backend?: string;
  /** Where the local backend, its passphrase and the workspaces live. Default: `$XDG_STATE_HOME/naytife-postgres`. */
  readonly stateDirectory?: string;
  /** What runs. Default: the program of index.ts. */
  readonly program?: PulumiFn;
  /**
   * For tests alone: staging's or production's settings on the embedded cluster, where stand-ins may change things.
   * Default: false, and `up` of those stacks asks for the official plugins.
   */
  readonly onEmbeddedCluster?: boolean;
}

/**
 * Opens a stack, and creates it in the backend if it is not there.
 * @throws When Pulumi cannot be had, when the backend does not answer, or when the passphrase does not fit.
 */
export async function openStack(options: OpenStackOptions): Promise<Stack> {
  return (await openStackWithPlugins(options)).stack;
}

/** {@link openStack}, for those who want to tell which plugins ran. */
export async function openStackWithPlugins(options: OpenStackOptions): Promise<OpenStack> {
  const stateDirectory = options.stateDirectory ?? defaultStateDirectory();
  const backend = options.backend ?? process.env.PULUMI_BACKEND_URL ?? localBackend(stateDirectory);
  const workDirectory = workspaceDirectory(stateDirectory, backend, options.stack);
  const { project, secretsProvider } = writeWorkspace(workDirectory, options);
  const opened = await openProgram({
    stackName: options.stack,
    projectName: project,
    program: options.program ?? projectProgram,
    workDirectory,
    backend,
    secretsProvider,
    plugins: pluginsFor(options),
  });
  const { stack, plugins } = opened;
  const secrets = Object.entries(options.config ?? {}).flatMap(([key, value]) =>
    typeof value === "string" ? [] : [[key, { value: value.secret, secret: true }] as const],
  );
  if (secrets.length > 0) await stack.setAllConfig(Object.fromEntries(secrets));
  if (options.stack !== "local" && options.onEmbeddedCluster !== true) refuseStandIns(stack, options.stack, plugins);
  return opened;
}

/** OCI's plugin is a large download, and asks for credentials: a stack that has nothing there goes without. */
function pluginsFor({ stack, config = {} }: OpenStackOptions): readonly PluginName[] {
  const { backupStore } = config;
  const store =
    typeof backupStore === "string" ? backupStore : stackConfiguration(stack)[`${declared.name}:backupStore`];
  return store === "oci" ? [...commonPlugins, "oci"] : commonPlugins;
}

export interface OpenProgramOptions {
  readonly stackName: string;
  readonly projectName: string;
  readonly program: PulumiFn;
  /** Where the workspace lives; project and stack files in it are used. Made if it is not there. */
  readonly workDirectory: string;
  /** URL of Pulumi's backend. A local one is made if it is not there. */
  readonly backend: string;
  /** Default: `passphrase`. */
  readonly secretsProvider?: string;
  /** Default: those that every stack needs. */
  readonly plugins?: readonly PluginName[];
}

/** Opens a stack around any program, on the CLI and the plugins of this machine. */
export async function openProgram(options: OpenProgramOptions): Promise<OpenStack> {
  const pulumi = await tool("pulumi");
  const plugins = await findPlugins(pulumi, options.plugins);
  step(`plugins: ${plugins.map(({ name, version, origin }) => `${name} ${version} (${origin})`).join(", ")}`);
  const home = pulumiHome(pulumi, plugins);
  mkdirSync(options.workDirectory, { recursive: true });
  if (options.backend.startsWith("file://")) mkdirSync(new URL(options.backend), { recursive: true });
  const { stackName, projectName, program } = options;
  const stack = await LocalWorkspace.createOrSelectStack(
    { stackName, projectName, program },
    {
      workDir: options.workDirectory,
      pulumiHome: home,
      pulumiCommand: await PulumiCommand.get({ root: home }),
      secretsProvider: options.secretsProvider ?? "passphrase",
      envVars: {
        PULUMI_BACKEND_URL: options.backend,
        ...passphraseEnvironment(options.backend),
        PULUMI_SKIP_UPDATE_CHECK: "true",
        // Every plugin is in its place already: a missing one is an error, not a reason for a download without a limit.
        PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      },
    },
  );
  await releaseStaleLock(stack, projectName, options.backend);
  return { stack, plugins };
}

async function projectProgram(): ReturnType<PulumiFn> {
  // Loaded at the first run, not with this module: it takes seconds, and needs Pulumi's runtime in place.
  const naytifePostgres = createRequire(__filename)("../../index") as typeof import("../../index");
  return naytifePostgres();
}

/** Where the local backend, its passphrase and the workspaces live: `$XDG_STATE_HOME/naytife-postgres`, else `~/.local/state/naytife-postgres`. */
export function defaultStateDirectory(): string {
  return join(process.env.XDG_STATE_HOME ?? join(homedir(), ".local", "state"), "naytife-postgres");
}

/** Copies the project's and the stack's file, with the plain config values put in. */
function writeWorkspace(directory: string, options: OpenStackOptions): { project: string; secretsProvider: string } {
  mkdirSync(directory, { recursive: true });
  const projectFile = readFileSync(join(checkout, "Pulumi.yaml"), "utf8");
  writeFileSync(join(directory, "Pulumi.yaml"), projectFile);
  const { name: project, config: declared } = parse(projectFile) as {
    name: string;
    config: Record<string, { type?: string } | undefined>;
  };

  const file = `Pulumi.${options.stack}.yaml`;
  const settings = parseDocument(readFileSync(join(checkout, file), "utf8"));
  const used = join(directory, file);
  // The salt that `stack init` wrote at the first opening is the key to the state's secrets.
  if (existsSync(used) && !settings.has("encryptionsalt")) {
    const { encryptionsalt } = parse(readFileSync(used, "utf8")) as { encryptionsalt?: string };
    if (encryptionsalt !== undefined) settings.set("encryptionsalt", encryptionsalt);
  }
  for (const [key, value] of Object.entries(options.config ?? {}))
    if (typeof value === "string") {
      const structured = ["array", "object"].includes(declared[key]?.type ?? "");
      settings.setIn(
        ["config", key.includes(":") ? key : `${project}:${key}`],
        structured ? settings.createNode(JSON.parse(value)) : value,
      );
    }
  writeFileSync(used, settings.toString(), { mode: 0o600 });
  const secretsProvider: unknown = settings.get("secretsprovider");
  return { project, secretsProvider: typeof secretsProvider === "string" ? secretsProvider : "passphrase" };
}

/** A stand-in must never change what runs in staging or in production: whatever would, is refused. */
function refuseStandIns(stack: Stack, name: StackName, plugins: readonly Plugin[]): void {
  // eslint-disable-next-line @typescript-eslint/require-await -- a rejection, as of the method that it stands for
  const refusal = async () => {
    requireOfficial(`the stack ${name}`, plugins);
  };
  if (plugins.some(isStandIn)) {
    Object.assign(stack, { up: refusal, destroy: refusal, refresh: refusal, import: refusal });
  }
}

const isStandIn = ({ origin }: Pick<Plugin, "origin">): boolean => origin === "stand-in";

/** @throws when one of the plugins that would change it is a stand-in */
export function requireOfficial(what: string, plugins: readonly Pick<Plugin, "name" | "origin">[]): void {
  const standIns = plugins.filter(isStandIn).map(({ name }) => name);
  if (standIns.length === 0) return;
  throw new Error(
    `Only Pulumi's official plugins may change ${what}, and this machine has only the project's stand-ins for ` +
      `${standIns.join(", ")}. Nothing was changed. Run where Pulumi can download its plugins (npm run preview works ` +
      "with stand-ins too), or put the official pulumi-resource-* programs on PATH.",
  );
}
