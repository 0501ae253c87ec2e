/** `npm run recover`: brings the database back from its backups, into a new Cluster beside the old one. */
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
import { discard } from "./commands/discard";
import type { Options } from "./commands/options";
import { promote } from "./commands/promote";
import { recover } from "./commands/recover";
import { window } from "./commands/window";
import { words } from "./failure";
import type { Request } from "./preflight";
import { recoverySettings } from "./settings";

const usage = `npm run recover -- [COMMAND] [OPTIONS]

  (none)     recovers into a new Cluster beside the old one, which stays as it is, and verifies it
               ends with 0, or 2 where what was recovered is not what was asked for
  window     says what the bucket holds, and up to when it can be recovered; ends with 3 where it cannot
  promote    makes a recovered Cluster the application's database; says what goes, and does it with --yes
  discard    throws a recovered Cluster away; says what goes, and does it with --yes

  --at TIME            up to this time, with its zone: 2026-11-21T22:03:10Z, 2026-11-21 23:03:10+01:00
  --backup NAME        the base backup alone, by the name of its Backup object or barman's
  --latest             everything that was archived (default)
  --as NAME            the recovered Cluster (default: the stack's with -r1, -r2, …)
  --from NAME          the archive, a folder of the bucket (default: that of the stack's Cluster)
  --yes                promote, discard: do it
${commonUsage}

What could not be done ends with 1, what was not understood with 64. docs/recovery.md says which command when.
`;

/** What a command line asks for. */
export type Invocation = { readonly stack: StackChoice; readonly options: Options } & (
  | { readonly verb: "recover"; readonly request: Request }
  | { readonly verb: "window" }
  | { readonly verb: "promote" | "discard"; readonly as: string }
);

/** Reads a command line. @returns undefined where help is asked for. @throws UsageError */
export function invocation(args: readonly string[]): Invocation | undefined {
  const { values, positionals } = parsed({
    args: [...args],
    allowPositionals: true,
    options: {
      ...commonOptions,
      at: { type: "string" },
      backup: { type: "string" },
      latest: { type: "boolean", default: false },
      as: { type: "string" },
      from: { type: "string" },
      yes: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const { stack, name, kubeconfig, context, config, json, yes, at, backup, as, from, latest } = values;
  const common = {
    stack: chosenStack(values),
    options: {
      json,
      yes,
      stack,
      stackArguments: [
        ...(name === "local" ? [] : ["--name", name]),
        ...(kubeconfig === undefined ? [] : ["--kubeconfig", kubeconfig]),
        ...(context === undefined ? [] : ["--context", context]),
        ...config.flatMap((one) => ["--config", `'${one.replaceAll("'", "'\\''")}'`]),
      ],
    },
  };
  const [verb = "recover", ...rest] = positionals;
  if (rest.length > 0) throw new UsageError("Say one command.");
  const aims = [at === undefined ? "" : "--at", backup === undefined ? "" : "--backup", latest ? "--latest" : ""];
  const given = aims.filter((aim) => aim !== "");
  switch (verb) {
    case "recover":
      if (positionals.length > 0) throw new UsageError('There is no command "recover": say only the options.');
      if (given.length > 1) throw new UsageError(`${given.join(" and ")} are given; allowed: one of them.`);
      return { ...common, verb, request: { at, backup, as, from } };
    case "window":
      return { ...common, verb };
    case "promote":
    case "discard":
      if (as === undefined) throw new UsageError(`${verb} needs the Cluster's name: --as NAME.`);
      return { ...common, verb, as };
    default:
      throw new UsageError(`There is no command "${verb}".`);
  }
}

async function run(asked: Invocation): Promise<number> {
  const settings = recoverySettings(await stackValues(asked.stack));
  tellPlace(asked.stack.stack, settings.stack);
  switch (asked.verb) {
    case "recover":
      return recover(settings, asked.request, asked.options);
    case "window":
      return window(settings, asked.options);
    case "promote":
      return promote(settings, asked.as, asked.options);
    case "discard":
      return discard(settings, asked.as, asked.options);
  }
}

if (require.main === module) void runCommand({ usage, invocation, run, words });
