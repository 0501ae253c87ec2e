/** `npm run local`: from a fresh clone to a migrated database that answers. Every step does nothing where it is done already. */
import type { OutputMap, Stack, UpResult } from "@pulumi/pulumi/automation";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { archiveFolder } from "../components/names";
import { validate, type Values } from "../config";
import type { TimeToSafe } from "../migration/engine/settle";
import type { MigrationReport } from "../migration/migration";
import { lookAt, type ContextOptions } from "./context";
import { defaultStateDirectory, openStackWithPlugins, requireOfficial } from "./engine/stack";
import { localBackend } from "./engine/workspace";
import { up } from "./kubernetes/cluster";
import { bringUpLegacy } from "./legacy/legacy";
import type { WalLevel } from "./legacy/manifests";
import { lastBackup } from "./last-backup";
import { step } from "./progress";
import { localStackConfig, pulumiDirectory } from "./stack-config";
import { project, stackConfiguration } from "./stack-files";
import { tool } from "./toolchain/toolchain";

const usage = `npm run local -- [options]

Brings up a legacy PostgreSQL with data, the stack "local", and moves the data. Run it again: what is done stays as it is.

  --name NAME          embedded cluster (default: local)
  --nodes N            its nodes, 1 to 9 (default: as many as it has, or 1)
  --size SIZE          legacy database, 10MB to 10GB (default: 100MB)
  --seed N             what the legacy data is made from (default: 1)
  --context NAME       a cluster of yours instead of the embedded one. Nothing is touched there but what the stack declares:
                       no legacy database is made, and where none is, nothing is migrated
  --kubeconfig PATH    where that context is (default: $KUBECONFIG, ~/.kube/config)
  --config KEY=VALUE   a setting of the stack for this run, any key of Pulumi.yaml; may be repeated
  --show-secrets       print the URLs in clear for --context too
`;

/** What a stack is run against. */
interface Ground {
  readonly config: Record<string, string>;
  /** The stack's state lives and dies with the cluster. */
  readonly stateDirectory: string;
  /** Only an embedded cluster may be changed by stand-ins. */
  readonly embedded: boolean;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      name: { type: "string", default: "local" },
      nodes: { type: "string" },
      size: { type: "string", default: "100MB" },
      seed: { type: "string", default: "1" },
      context: { type: "string" },
      kubeconfig: { type: "string" },
      config: { type: "string", multiple: true, default: [] },
      "show-secrets": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  const settings = Object.fromEntries(values.config.map(setting));
  const checked = checkedConfiguration(settings);
  const { namespace, storageClass, migrationMode } = checked;
  const { context, kubeconfig = "" } = values;
  const ground =
    context === undefined
      ? await embedded({
          name: values.name,
          ...(values.nodes === undefined ? {} : { nodes: wholeNumber("nodes", values.nodes) }),
          legacy: {
            namespace,
            size: values.size,
            seed: wholeNumber("seed", values.seed),
            walLevel: migrationMode === "online" ? "logical" : "replica",
          },
        })
      : await existing({ context, kubeconfig, namespace, storageClass });

  const opened = await openStackWithPlugins({
    stack: "local",
    config: { ...ground.config, ...settings },
    stateDirectory: ground.stateDirectory,
    backend: localBackend(ground.stateDirectory),
  });
  if (!ground.embedded) requireOfficial(`the cluster of context ${context ?? ""}`, opened.plugins);
  step("pulumi up: stack local");
  const { outputs } = await bringUp(opened.stack);
  print(outputs, context === undefined || values["show-secrets"]);
  if (outputs.backupDestination !== undefined) {
    const target = { kubeconfig: ground.config.kubeconfig ?? "", context: ground.config.kubeContext ?? "", namespace };
    process.stdout.write(`last backup = ${await lastBackup(target, archiveFolder(checked))}\n`);
  }
  const command = await pulumiCommand(opened.stack);
  process.stdout.write(`\nPulumi on this stack:\n${command} stack output --stack local --show-secrets\n`);
}

/** The program asks the same, but only once there is a cluster to run it on. @throws ConfigurationError */
function checkedConfiguration(settings: Record<string, string>): Values {
  const configuration = stackConfiguration("local", settings);
  return validate(
    project.name,
    (key) => configuration[`${project.name}:${key}`],
    () => false,
  );
}

/** The command line that runs the same CLI on the same state, for a shell. */
async function pulumiCommand({ workspace }: Stack): Promise<string> {
  const { PULUMI_BACKEND_URL, PULUMI_CONFIG_PASSPHRASE_FILE } = workspace.envVars;
  const environment = Object.entries({ PULUMI_BACKEND_URL, PULUMI_CONFIG_PASSPHRASE_FILE }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}='${value}'`],
  );
  return [...environment, await tool("pulumi"), "-C", `'${workspace.workDir}'`].join(" ");
}

/** @throws without Pulumi's own words, which were streamed already */
async function bringUp(stack: Stack): Promise<UpResult> {
  try {
    return await stack.up({
      onOutput: (text) => process.stderr.write(text),
      onError: (text) => process.stderr.write(text),
      suppressOutputs: true,
      color: process.stderr.isTTY ? "always" : "never",
    });
  } catch (error) {
    throw new Error(
      "`pulumi up` did not finish; the reason is above. Mend it and run this again: what is done stays done.",
      {
        cause: error,
      },
    );
  }
}

async function embedded(options: {
  name: string;
  nodes?: number;
  legacy: { namespace: string; size: string; seed: number; walLevel: WalLevel };
}): Promise<Ground> {
  const { legacy, ...wanted } = options;
  const cluster = await up(wanted);
  await bringUpLegacy({ ...cluster, ...legacy, image: cluster.legacyImage });
  return { config: await localStackConfig(cluster), stateDirectory: pulumiDirectory(cluster), embedded: true };
}

async function existing(options: ContextOptions): Promise<Ground> {
  const { config, uid, embedded } = await lookAt(options);
  const name = `${encodeURIComponent(options.context)}-${uid}`;
  return { config, stateDirectory: join(defaultStateDirectory(), "contexts", name), embedded };
}

function setting(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new Error(`--config is ${JSON.stringify(text)}; allowed: KEY=VALUE. Nothing was changed.`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function wholeNumber(option: string, text: string): number {
  if (!/^\d{1,9}$/.test(text))
    throw new Error(`--${option} is ${JSON.stringify(text)}; allowed: a whole number. Nothing was changed.`);
  return Number(text);
}

/** The outputs, on standard output. A throw-away cluster's URLs are printed in clear: they are what was asked for. */
function print(outputs: OutputMap, inClear: boolean): void {
  for (const [name, { value, secret }] of Object.entries(outputs)) {
    if (name === "readme" || name.startsWith("migration")) continue;
    process.stdout.write(`${name} = ${secret && !inClear ? "[secret]" : String(value)}\n`);
  }
  const report = outputs.migrationReport?.value as MigrationReport | undefined;
  if (report === undefined) return;
  const { tables, rows, completed, source, target, warnings } = report;
  process.stdout.write(
    `migration = ${tables.length} tables and ${rows} rows, equal on both sides, from PostgreSQL ${source.version} to ${target.version}, ${completed}\n`,
  );
  const safe = outputs.migrationTimeToSafe?.value as TimeToSafe | null | undefined;
  if (safe != null) process.stdout.write(`  safe: ${safe.instances} instances after ${safe.seconds} s\n`);
  for (const warning of warnings) process.stdout.write(`  note: ${warning}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
