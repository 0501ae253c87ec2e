/** `npm run migration`: looks at a stack's migration before, while and after `pulumi up` does it. */
import { parseArgs } from "node:util";
import { again } from "./commands/again";
import { finish } from "./commands/finish";
import { plan } from "./commands/plan";
import { report } from "./commands/report";
import { rollback } from "./commands/rollback";
import { stackSettings, type StackChoice } from "./commands/stack";
import { status } from "./commands/status";
import type { Settings } from "./engine/settings";

const usage = `npm run migration -- COMMAND [OPTIONS]

  plan       looks at both sides and changes neither: what is in the way, what comes along changed, how much, how long
               ends with 0: ready, 1: ready with warnings, 2: something is in the way, 3: could not look
  status     how far the migration is, and what it left where
               ends with 0: done, 3: not begun, 4: running, 5: stopped, 6: rolled back
  report     what was moved and compared, once it is done
               ends with 0, 3 where nothing is done, or 6 where the report is not what was signed
  rollback   carries what was written since into the old database, and makes that the database again
  again      after a rollback: empties the new database, so that \`pulumi up\` moves the data once more
  finish     ends the time in which \`rollback\` can go back: says what is thrown away, and deletes the dump; the old database is left to you

  --now                finish: before the stack's migrationRetainDays are over
  --yes                do what cannot be undone, after it was said what goes; without it the command ends with 2
  --stack STACK        local (default), staging, production: whatever has a Pulumi.<stack>.yaml here
  --json               for a program, not for a person
  --kubeconfig PATH    default: the stack's setting, else $KUBECONFIG, ~/.kube/config
  --context NAME       default: the stack's setting, else the kubeconfig's current one
  --config KEY=VALUE   a setting of the stack for this run, any key of Pulumi.yaml; may be repeated
  --name NAME          the embedded cluster of the stack local, where neither kubeconfig nor context is given (default: local)

What could not be done ends with 1 (plan: 3), what was not understood with 64.
`;

interface Options {
  readonly json: boolean;
  readonly yes: boolean;
  readonly now: boolean;
}

/** A command: what it does, prints its result on standard output and returns its exit code. It throws where it could not be done. */
type Verb = (settings: Settings, options: Options) => Promise<number>;

const verbs = { plan, status, report, rollback, again, finish } satisfies Record<string, Verb>;
type VerbName = keyof typeof verbs;

/** The command line was not understood. */
export class UsageError extends Error {}

/** What a command line asks for. */
export interface Invocation {
  readonly verb: VerbName;
  readonly stack: StackChoice;
  readonly options: Options;
}

/** Reads a command line. @returns undefined where help is asked for. @throws UsageError */
export function invocation(args: readonly string[]): Invocation | undefined {
  const { values, positionals } = parsed(args);
  if (values.help) return undefined;
  const [verb, ...rest] = positionals;
  if (verb === undefined || rest.length > 0) throw new UsageError("Say one command.");
  if (!isVerb(verb)) throw new UsageError(`There is no command "${verb}".`);
  const { stack, name, kubeconfig, context, json, yes, now } = values;
  return {
    verb,
    stack: {
      stack,
      name,
      ...(kubeconfig === undefined ? {} : { kubeconfig }),
      ...(context === undefined ? {} : { context }),
      config: Object.fromEntries(values.config.map(setting)),
    },
    options: { json, yes, now },
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        stack: { type: "string", default: "local" },
        json: { type: "boolean", default: false },
        yes: { type: "boolean", default: false },
        now: { type: "boolean", default: false },
        kubeconfig: { type: "string" },
        context: { type: "string" },
        config: { type: "string", multiple: true, default: [] },
        name: { type: "string", default: "local" },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function isVerb(text: string): text is VerbName {
  return Object.hasOwn(verbs, text);
}

function setting(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new UsageError(`--config is ${JSON.stringify(text)}; allowed: KEY=VALUE.`);
  return [text.slice(0, at), text.slice(at + 1)];
}

async function main(args: readonly string[]): Promise<number> {
  let asked;
  try {
    asked = invocation(args);
    if (asked === undefined) {
      process.stdout.write(usage);
      return 0;
    }
    const settings = await stackSettings(asked.stack);
    const where = settings.context === "" ? "the current context" : `context ${settings.context}`;
    process.stderr.write(`stack ${asked.stack.stack}: ${where}, namespace ${settings.namespace}\n`);
    return await verbs[asked.verb](settings, asked.options);
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`${error.message}\n\n${usage}`);
      return 64;
    }
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return asked?.verb === "plan" ? 3 : 1;
  }
}

if (require.main === module) {
  void main(process.argv.slice(2)).then((code) => {
    // A request that nobody answers would keep the process for minutes; what was printed goes out first.
    process.stdout.write("", () => process.exit(code));
  });
}
