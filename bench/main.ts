/** `npm run bench`: measures the migration beside the other ways of moving a database, and the backups beside barman by hand, and writes down what came out. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs, type ParseArgsConfig } from "node:util";
import { parseSize } from "../local/legacy/plan";
import { step } from "../local/progress";
import { benchmark as measureBackups, type BackupsOptions } from "./backups/benchmark";
import { render as renderBackups } from "./backups/render";
import type { Results as BackupsResults } from "./backups/results";
import { benchmark as measureMigration, type BenchOptions } from "./migration/benchmark";
import { render as renderMigration } from "./migration/render";
import { type Results as MigrationResults, shapeNames, type Sizes, wayNames } from "./migration/results";
import { takeAwayWhenInterrupted } from "./own-cluster";

const usage = `npm run bench -- COMMAND [OPTIONS]

  migration    moves the same data by every way, each into a target of its own, on an embedded cluster of its own
                 --size 250MB         of each shape, 10MB to 10GB
                 --shape all          ${shapeNames.join(", ")} or all; several with commas, one of another
                                      size as dominant=1GB
                 --runs 3
                 --ways ${wayNames.join(",")}
                 --instances 3        of the target
                 --jobs 2             of the migration, and of the ways that take such a number
                 --backups            targets archive their WAL, ours as the stack does, the others as the plan has it, and time
                                      to safe ends with a base backup and all WAL in the store
                 --minutes 480
  backups      archives, backs up and restores with the stack local's backups, on an embedded cluster of its own, and does the
               same by hand: WAL by compression and number at once, base backups by compression, RTO by size, RPO under load
                 --sizes 100MB,1GB,5GB   of the databases, 10MB to 10GB; the disk has to hold the largest about five times.
                                         Those beyond 1GB are measured once
                 --runs 3             one alone leaves out what differs from the stack's settings in two things
                 --minutes 120
  render FILE  writes the page of the benchmark that the results are of: docs/benchmarks.md, docs/benchmarks-safe.md (--backups)
               or docs/benchmarks-backups.md
                 --out FILE           instead of that

Both measuring commands:
                 --minutes N          after so many no further measurement is begun
                 --out FILE           the results, as JSON; default: bench/results/<time>.json; where it is there already,
                                      the run that it is of goes on
                 --name bench         the embedded cluster: one of this name is taken down first, and in the end

What is interrupted is taken away. What was measured by then stays in the results, and the same command with --out goes on from there.
`;

class UsageError extends Error {}

const help = { type: "boolean", default: false } as const;
const measuring = { out: { type: "string" }, name: { type: "string", default: "bench" }, help } as const;
const options = {
  migration: {
    ...measuring,
    size: { type: "string", default: "250MB" },
    shape: { type: "string", default: "all" },
    runs: { type: "string", default: "3" },
    ways: { type: "string", default: wayNames.join(",") },
    instances: { type: "string", default: "3" },
    jobs: { type: "string", default: "2" },
    backups: { type: "boolean", default: false },
    minutes: { type: "string", default: "480" },
  },
  backups: {
    ...measuring,
    sizes: { type: "string", default: "100MB,1GB,5GB" },
    runs: { type: "string", default: "3" },
    minutes: { type: "string", default: "120" },
  },
  render: { out: { type: "string" }, help },
} as const;

/** What a command line asks for. */
export type Asked =
  | { readonly command: "help" }
  /** Without `out`: the page of the benchmark that the results are of. */
  | { readonly command: "render"; readonly file: string; readonly out: string | undefined }
  | { readonly command: "migration"; readonly options: BenchOptions }
  | { readonly command: "backups"; readonly options: BackupsOptions };

/** Reads a command line. @throws UsageError */
export function asked(args: readonly string[], now: Date): Asked {
  const [command, ...rest] = args;
  const common = {
    command: args.join(" "),
    out: join(__dirname, "results", `${now.toISOString().replaceAll(":", "-")}.json`),
  };
  switch (command) {
    case "--help":
      return { command: "help" };
    case "render": {
      const { values, positionals } = parsed(rest, options.render);
      const [file, ...others] = positionals;
      if (values.help) return { command: "help" };
      if (file === undefined || others.length > 0) throw new UsageError("Say which results to render.");
      return { command, file, out: values.out };
    }
    case "migration": {
      const { values, positionals } = parsed(rest, options.migration);
      if (values.help) return { command: "help" };
      nothingMore(positionals);
      return {
        command,
        options: {
          ...common,
          name: values.name,
          sizes: sizesOf(values.shape === "all" ? shapeNames.join(",") : values.shape, values.size),
          ways: listOf("ways", values.ways, wayNames),
          runs: atLeastOne("runs", values.runs),
          instances: atLeastOne("instances", values.instances),
          jobs: atLeastOne("jobs", values.jobs),
          backups: values.backups,
          minutes: atLeastOne("minutes", values.minutes),
          ...(values.out === undefined ? {} : { out: values.out }),
        },
      };
    }
    case "backups": {
      const { values, positionals } = parsed(rest, options.backups);
      if (values.help) return { command: "help" };
      nothingMore(positionals);
      return {
        command,
        options: {
          ...common,
          name: values.name,
          sizes: values.sizes.split(",").map(checkedSize),
          runs: atLeastOne("runs", values.runs),
          minutes: atLeastOne("minutes", values.minutes),
          ...(values.out === undefined ? {} : { out: values.out }),
        },
      };
    }
    default:
      throw new UsageError("Say one command.");
  }
}

function parsed<Options extends NonNullable<ParseArgsConfig["options"]>>(args: readonly string[], known: Options) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: known });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function nothingMore(positionals: readonly string[]): void {
  if (positionals.length > 0) throw new UsageError("Say one command.");
}

/** The shapes and their sizes, from `many,dominant=1GB`. */
function sizesOf(text: string, size: string): Sizes {
  const sizes = text.split(",").map((each) => {
    const [name = "", own = size] = each.split("=");
    return [listOf("shape", name, shapeNames)[0], checkedSize(own)] as const;
  });
  return Object.fromEntries(sizes) as Sizes;
}

function checkedSize(text: string): string {
  parseSize(text);
  return text;
}

function listOf<Name extends string>(option: string, text: string, known: readonly Name[]): Name[] {
  return text.split(",").map((each) => {
    const name = known.find((one) => one === each);
    if (name === undefined)
      throw new UsageError(`--${option}: there is no ${JSON.stringify(each)}; there is ${known.join(", ")}.`);
    return name;
  });
}

function atLeastOne(option: string, text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new UsageError(`--${option} takes a number from 1 to 999, not "${text}".`);
  return Number(text);
}

/** The page that results make, and the file that it is. */
export function pageOf(results: MigrationResults | BackupsResults): { readonly file: string; readonly text: string } {
  return results.kind === "backups"
    ? { file: "benchmarks-backups.md", text: renderBackups(results) }
    : { file: results.backups ? "benchmarks-safe.md" : "benchmarks.md", text: renderMigration(results) };
}

async function main(args: readonly string[]): Promise<void> {
  const what = asked(args, new Date());
  switch (what.command) {
    case "help":
      process.stdout.write(usage);
      return;
    case "render": {
      const page = pageOf(JSON.parse(await readFile(what.file, "utf8")) as MigrationResults | BackupsResults);
      const out = what.out ?? join(__dirname, "..", "docs", page.file);
      await writeFile(out, page.text);
      step(`${out} is written`);
      return;
    }
    case "migration":
    case "backups": {
      takeAwayWhenInterrupted(what.options.name);
      const results =
        what.command === "migration" ? await measureMigration(what.options) : await measureBackups(what.options);
      process.stdout.write(pageOf(results).text);
      step(`results: ${what.options.out}`);
    }
  }
}

if (require.main === module) {
  main(process.argv.slice(2)).catch((error: unknown) => {
    const usageError = error instanceof UsageError;
    process.stderr.write(
      `${error instanceof Error ? error.message : String(error)}\n${usageError ? `\n${usage}` : ""}`,
    );
    process.exitCode = usageError ? 64 : 1;
  });
}
