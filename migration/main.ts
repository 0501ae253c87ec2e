/** `npm run migration`: looks at a stack's migration before, while and after `pulumi up` does it. */
import {
  chosenStack,
  commonOptions,
  commonUsage,
  parsed,
  runCommand,
  tellPlace,
  UsageError,
} from "../commands/command";
import { stackValues, type StackChoice } from "../commands/stack";
import { again } from "./commands/again";
import { finish } from "./commands/finish";
import { plan } from "./commands/plan";
import { report } from "./commands/report";
import { rollback } from "./commands/rollback";
import { status } from "./commands/status";
import type { Settings } from "./engine/settings";
import { migrationSettings } from "./settings";

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
${commonUsage}

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

/** What a command line asks for. */
export interface Invocation {
  readonly verb: VerbName;
  readonly stack: StackChoice;
  readonly options: Options;
}

/** Reads a command line. @returns undefined where help is asked for. @throws UsageError */
export function invocation(args: readonly string[]): Invocation | undefined {
  const { values, positionals } = parsed({
    args: [...args],
    allowPositionals: true,
    options: { ...commonOptions, yes: { type: "boolean", default: false }, now: { type: "boolean", default: false } },
  });
  if (values.help) return undefined;
  const [verb, ...rest] = positionals;
  if (verb === undefined || rest.length > 0) throw new UsageError("Say one command.");
  if (!isVerb(verb)) throw new UsageError(`There is no command "${verb}".`);
  const { json, yes, now } = values;
  return { verb, stack: chosenStack(values), options: { json, yes, now } };
}

function isVerb(text: string): text is VerbName {
  return Object.hasOwn(verbs, text);
}

/** The stack's migration. @throws as {@link stackValues} does */
export async function stackSettings(stack: StackChoice): Promise<Settings> {
  return migrationSettings(await stackValues(stack));
}

async function run({ verb, stack, options }: Invocation): Promise<number> {
  const settings = await stackSettings(stack);
  tellPlace(stack.stack, settings);
  return verbs[verb](settings, options);
}

if (require.main === module) {
  void runCommand({ usage, invocation, run, failed: ({ verb }) => (verb === "plan" ? 3 : 1) });
}
