/** `npm run preview -- STACK [--json]`: what `up` would do, on a machine with no cluster and no credentials. */
import type { EngineEvent } from "@pulumi/pulumi/automation";
import { backupPluginManifest } from "../kubernetes/operator";
import { project, stackConfiguration } from "../stack-files";
import { openStackWithPlugins, stackNames, type OpenStackOptions, type StackName } from "./stack";
import type { Plugin } from "./plugins";

/** One resource of a preview. */
export interface PreviewedResource {
  /** What would happen to it: `create`, `update`, `replace`, `delete`, `same`, … */
  readonly operation: string;
  /** Type token, for instance `kubernetes:apps/v1:Deployment`. */
  readonly type: string;
  /** Logical name. */
  readonly name: string;
}

export interface Preview {
  readonly stack: StackName;
  readonly plugins: readonly Pick<Plugin, "name" | "version" | "origin">[];
  readonly resources: readonly PreviewedResource[];
}

/** Steps that the engine splits a replacement into; the step `replace` itself tells of them. */
const partsOfReplacement = new Set(["create-replacement", "delete-replaced"]);

/**
 * Previews a stack.
 * @throws With the engine's own diagnostics when the program or a provider fails.
 */
export async function preview(options: OpenStackOptions): Promise<Preview> {
  const { stack, plugins } = await openStackWithPlugins({
    ...options,
    config: { ...(await manifestAtHand(options.stack)), ...options.config },
  });
  const resources: PreviewedResource[] = [];
  const problems: string[] = [];
  const onEvent = ({ resourcePreEvent, diagnosticEvent }: EngineEvent) => {
    if (resourcePreEvent !== undefined) {
      const { op, urn, type } = resourcePreEvent.metadata;
      const name = urn.split("::").slice(3).join("::");
      if (!partsOfReplacement.has(op) && !type.startsWith("pulumi:")) resources.push({ operation: op, type, name });
    }
    if (diagnosticEvent?.severity === "error") problems.push(diagnosticEvent.message.trim());
  };
  try {
    await stack.preview({ onEvent, color: "never" });
  } catch (error) {
    // What the engine refused before it ran the program is no event: it stands in what the CLI printed.
    const printed = String(error).matchAll(/^error: (.*)$/gm);
    const reasons = problems.length > 0 ? problems : [...printed].map(([, reason = ""]) => reason);
    throw reasons.length === 0 ? error : new Error([...new Set(reasons)].join("\n"), { cause: error });
  }
  return {
    stack: options.stack,
    plugins: plugins.map(({ name, version, origin }) => ({ name, version, origin })),
    resources,
  };
}

/** Milliseconds that the manifest's server has to answer in. */
const patience = 4000;

/** The backup plugin's manifest where its address does not answer: the same file, as its sum shows, from Go's module proxy. */
async function manifestAtHand(stack: StackName): Promise<Record<string, string>> {
  const address = stackConfiguration(stack)[`${project.name}:backupPluginManifest`] ?? "";
  try {
    if (!address.startsWith("https://")) return {};
    await fetch(address, { method: "HEAD", signal: AbortSignal.timeout(patience) });
    return {};
  } catch {
    return { backupPluginManifest: await backupPluginManifest() };
  }
}

async function main(args: readonly string[]): Promise<void> {
  const names = args.filter((argument) => argument !== "--json");
  const stack = stackNames.find((name) => name === names[0]);
  if (stack === undefined || names.length !== 1)
    throw new Error(
      `${names.length === 1 ? `There is no stack ${JSON.stringify(names[0])}` : "Name one stack"}: ` +
        `expected one of ${stackNames.join(", ")}. Usage: npm run preview -- STACK [--json]`,
    );
  const result = await preview({ stack });
  if (args.includes("--json")) {
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    return;
  }
  const width = Math.max(0, ...result.resources.map(({ type }) => type.length));
  for (const { operation, type, name } of result.resources)
    process.stdout.write(`${operation.padEnd(8)} ${type.padEnd(width)} ${name}\n`);
  const changes = result.resources.filter(({ operation }) => operation !== "same").length;
  process.stdout.write(`${stack}: ${result.resources.length} resources, ${changes} to change\n`);
}

if (require.main === module)
  main(process.argv.slice(2)).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
