/** `npm run status`: how a stack's database is, on one screen. */
import { parseArgs } from "node:util";
import { stackValues, type StackChoice } from "../migration/commands/stack";
import { exitCodes, judge } from "./judge";
import { look } from "./read";
import { screen } from "./screen";
import { statusSettings } from "./settings";

const usage = `npm run status -- [OPTIONS]

Instances, replication, pooler, archiving, backups, the last restore drill, alerts, the migration, and what needs doing. It only reads.

  --stack STACK        local (default), staging, production: whatever has a Pulumi.<stack>.yaml here
  --json               for a program, not for a person
  --kubeconfig PATH    default: the stack's setting, else $KUBECONFIG, ~/.kube/config
  --context NAME       default: the stack's setting, else the kubeconfig's current one
  --config KEY=VALUE   a setting of the stack for this run, any key of Pulumi.yaml; may be repeated
  --name NAME          the embedded cluster of the stack local, where neither kubeconfig nor context is given (default: local)

Ends with 0: healthy; 1: somebody should look; 2: the database is away, is about to be, or loses data now; 3: nothing could be asked;
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

async function main(args: readonly string[]): Promise<number> {
  try {
    const asked = invocation(args);
    if (asked === undefined) {
      process.stdout.write(usage);
      return 0;
    }
    const settings = statusSettings(await stackValues(asked.stack));
    const { context, namespace } = settings.stack;
    const where = context === "" ? "the current context" : `context ${context}`;
    process.stderr.write(`stack ${asked.stack.stack}: ${where}, namespace ${namespace}\n`);
    const facts = await look(settings);
    const status = judge(facts, settings, Date.now());
    process.stdout.write(asked.json ? `${JSON.stringify({ ...status, facts }, null, 2)}\n` : screen(status));
    return exitCodes[status.health];
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`${error.message}\n\n${usage}`);
      return 64;
    }
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 3;
  }
}

if (require.main === module) {
  void main(process.argv.slice(2)).then((code) => {
    // A request that nobody answers would keep the process for minutes; what was printed goes out first.
    process.stdout.write("", () => process.exit(code));
  });
}
