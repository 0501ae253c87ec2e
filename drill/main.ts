/** `npm run drill`: restores a stack's backups into a throw-away Cluster now, as the drill does every week, and says what came of it. */
import { chosenStack, commonOptions, commonUsage, parsed, runCommand, tellPlace } from "../commands/command";
import { stackValues, type StackChoice } from "../commands/stack";
import type { Values } from "../config";
import { migrationSettings } from "../migration/settings";
import { describe, exitCode } from "./report";
import { DrillFailure, drillNow } from "./run";

const usage = `npm run drill -- [OPTIONS]

Restores the latest backup and the WAL since into a throw-away Cluster, compares it with the database, and removes it. The database is only read.

${commonUsage}

Ends with 0: the backups are good; 1: they are not, or the drill could not tell; 2: they are good, and a promise (recovery time or point) was not held;
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

async function run({ stack, json }: Invocation): Promise<number> {
  const values = await stackValues(stack);
  refuseWithoutDrills(stack.stack, values);
  const settings = migrationSettings(values);
  tellPlace(stack.stack, settings);
  const report = await drillNow(settings, (line) => void process.stderr.write(`[drill] ${line}\n`));
  process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : describe(report));
  return exitCode(report);
}

if (require.main === module) void runCommand({ usage, invocation, run });
