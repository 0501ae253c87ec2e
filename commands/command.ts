/** What the commands that look at a stack have in common: how it is named, how a misunderstanding is told, how they end. */
import { parseArgs, type ParseArgsConfig } from "node:util";
import type { StackChoice } from "./stack";

/** The command line was not understood. */
export class UsageError extends Error {}

/** Options of every command. */
export const commonOptions = {
  stack: { type: "string", default: "local" },
  json: { type: "boolean", default: false },
  kubeconfig: { type: "string" },
  context: { type: "string" },
  config: { type: "string", multiple: true, default: [] as string[] },
  name: { type: "string", default: "local" },
  help: { type: "boolean", default: false },
} as const;

/** Usage of {@link commonOptions}. */
export const commonUsage = `  --stack STACK        local (default), staging, production: whatever has a Pulumi.<stack>.yaml here
  --json               for a program, not for a person
  --kubeconfig PATH    default: the stack's setting, else $KUBECONFIG, ~/.kube/config
  --context NAME       default: the stack's setting, else the kubeconfig's current one
  --config KEY=VALUE   a setting of the stack for this run, any key of Pulumi.yaml; may be repeated
  --name NAME          the embedded cluster of the stack local, where neither kubeconfig nor context is given (default: local)`;

/** Node's parseArgs. @throws UsageError */
export function parsed<Config extends ParseArgsConfig>(config: Config): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs(config);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** The stack that {@link commonOptions} name. @throws UsageError */
export function chosenStack(values: {
  readonly stack: string;
  readonly name: string;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly config: readonly string[];
}): StackChoice {
  const { stack, name, kubeconfig, context, config } = values;
  return {
    stack,
    name,
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(context === undefined ? {} : { context }),
    config: Object.fromEntries(config.map(setting)),
  };
}

function setting(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new UsageError(`--config is ${JSON.stringify(text)}; allowed: KEY=VALUE.`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Tells a person where a command looks. */
export function tellPlace(stack: string, { context, namespace }: { context: string; namespace: string }): void {
  const where = context === "" ? "the current context" : `context ${context}`;
  process.stderr.write(`stack ${stack}: ${where}, namespace ${namespace}\n`);
}

/** A command. */
export interface Command<Invocation> {
  readonly usage: string;
  /** Reads the arguments. @returns undefined where help is asked for. @throws UsageError */
  readonly invocation: (args: readonly string[]) => Invocation | undefined;
  /** Does it. @returns exit code */
  readonly run: (asked: Invocation) => Promise<number>;
  /** Exit code where it could not be done; default: 1. */
  readonly failed?: (asked: Invocation) => number;
  /** How a failure is told; default: its message. */
  readonly words?: (error: unknown) => string;
}

/** Runs a command with the process's arguments to its end, and ends the process: 64 is what was not understood. */
export async function runCommand<Invocation>(command: Command<Invocation>): Promise<void> {
  const code = await exitCode(command, process.argv.slice(2));
  // A request that nobody answers would keep the process for minutes; what was printed goes out first.
  process.stdout.write("", () => process.exit(code));
}

async function exitCode<Invocation>(
  { usage, invocation, run, failed = () => 1, words = message }: Command<Invocation>,
  args: readonly string[],
): Promise<number> {
  let asked;
  try {
    asked = invocation(args);
  } catch (error) {
    process.stderr.write(`${message(error)}\n\n${usage}`);
    return 64;
  }
  if (asked === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  try {
    return await run(asked);
  } catch (error) {
    process.stderr.write(`${words(error)}\n`);
    return failed(asked);
  }
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
