/** `npm run status`: how a stack's database is, on one screen. */
import { chosenStack, commonOptions, commonUsage, parsed, runCommand, tellPlace } from "../commands/command";
import { stackValues, type StackChoice } from "../commands/stack";
import { exitCodes, judge } from "./judge";
import { look } from "./read";
import { screen } from "./screen";
import { statusSettings } from "./settings";

const usage = `npm run status -- [OPTIONS]

Instances, replication, pooler, archiving, backups, the last restore drill, alerts, the migration, and what needs doing. It only reads.

${commonUsage}

Ends with 0: healthy; 1: somebody should look; 2: the database is away, is about to be, or loses data now; 3: nothing could be asked;
64: the command line was not understood.
`;

/** What a command line asks for. */
export interface Invocation {
  readonly stack: StackChoice;
  readonly json: boolean;
}

/** Reads a command line. @returns undefined where help is asked for. @throws UsageError */
export function invocation(args: readonly string[]): Invocation | undefined {
  const { values } = parsed({ args: [...args], options: commonOptions });
  return values.help ? undefined : { stack: chosenStack(values), json: values.json };
}

async function run({ stack, json }: Invocation): Promise<number> {
  const settings = statusSettings(await stackValues(stack));
  tellPlace(stack.stack, settings.stack);
  const facts = await look(settings);
  const status = judge(facts, settings, Date.now());
  process.stdout.write(json ? `${JSON.stringify({ ...status, facts }, null, 2)}\n` : screen(status));
  return exitCodes[status.health];
}

if (require.main === module) void runCommand({ usage, invocation, run, failed: () => 3 });
