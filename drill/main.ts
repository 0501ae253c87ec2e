/** `npm run drill`: restores a stack's backups into a throw-away Cluster now, as the drill does every week, and says what came of it. */
import { parseArgs } from "node:util";
import type { Values } from "../config";
import { stackValues, type StackChoice } from "../migration/commands/stack";
import { migrationSettings } from "../migration/settings";
import { describe, exitCode } from "./report";
import { DrillFailure, drillNow } from "./run";

const usage = `npm run drill -- [OPTIONS]

Restores the latest backup and the WAL since into a throw-away Cluster, compares it with the database, and removes it. The database is only read.

  --stack STACK        local (default), staging, production: whatever has a Pulumi.<stack>.yaml here
  --json               the report for a program, not for a person
  --kubeconfig PATH    default: the stack's setting, else $KUBECONFIG, ~/.kube/config
  --context NAME       default: the stack's setting, else the kubeconfig's current one
  --config KEY=VALUE   a setting of the stack for this run, any key of Pulumi.yaml; may be repeated
  --name NAME          the embedded cluster of the stack local, where neither kubeconfig nor context is given (default: local)

Ends with 0: the backups are good; 1: they are not, or the drill could not tell; 2: they are good, and a promise (recovery time or point) was not held;
64: the command line was not understood.
`;

/** The command line was not understood. */
export class UsageError extends Error {}

/** What a command line asks for. */
export interface Invocation {
  readonly stack: StackChoice;
  readonly json: boolean;
}

/** Reads a command line. @returns undefined where help is asked for. @throws UsageError */
export function invocation(args: readonly string[]): Invocation | undefined {
  const values = parsed(args);
  if (values.help) return undefined;
  const { stack, name, kubeconfig, context, config, json } = values;
  return {
    stack: {
      stack,
      name,
      ...(kubeconfig === undefined ? {} : { kubeconfig }),
      ...(context === undefined ? {} : { context }),
      config: Object.fromEntries(config.map(setting)),
    },
    json,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        stack: { type: "string", default: "local" },
        json: { type: "boolean", default: false },
        kubeconfig: { type: "string" },
        context: { type: "string" },
        config: { type: "string", multiple: true, default: [] },
        name: { type: "string", default: "local" },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function setting(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new UsageError(`--config is ${JSON.stringify(text)}; allowed: KEY=VALUE.`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** @throws DrillFailure where the stack's configuration has no drill */
export function refuseWithoutDrills(stack: string, values: Pick<Values, "backupStore" | "drill">): void {
  if (values.backupStore === "none") {
    throw new DrillFailure(
      `the stack ${stack} has no backups, since its backupStore is none`,
      "Give it a store (Pulumi.yaml says which there are), and run `pulumi up`.",
    );
  }
  if (!values.drill) {
    throw new DrillFailure(
      `the stack ${stack} has no restore drill, since its setting drill is false`,
      `\`pulumi config set drill true --stack ${stack}\`, and run \`pulumi up\`.`,
    );
  }
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const asked = invocation(args);
    if (asked === undefined) {
      process.stdout.write(usage);
      return 0;
    }
    const values = await stackValues(asked.stack);
    refuseWithoutDrills(asked.stack.stack, values);
    const settings = migrationSettings(values);
    const where = settings.context === "" ? "the current context" : `context ${settings.context}`;
    process.stderr.write(`stack ${asked.stack.stack}: ${where}, namespace ${settings.namespace}\n`);
    const report = await drillNow(settings, (line) => void process.stderr.write(`[drill] ${line}\n`));
    process.stdout.write(asked.json ? `${JSON.stringify(report, null, 2)}\n` : describe(report));
    return exitCode(report);
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`${error.message}\n\n${usage}`);
      return 64;
    }
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

if (require.main === module) {
  void main(process.argv.slice(2)).then((code) => {
    // A request that nobody answers would keep the process for minutes; what was printed goes out first.
    process.stdout.write("", () => process.exit(code));
  });
}
