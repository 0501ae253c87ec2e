/** `npm run bench`: measures the migration beside the other ways of moving a database, and writes down what came out. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { down } from "../local/kubernetes/cluster";
import { parseSize } from "../local/legacy/plan";
import { step } from "../local/progress";
import { benchmark, type BenchOptions } from "./migration";
import { render } from "./render";
import { type Results, shapeNames, type Sizes, wayNames } from "./results";

const usage = `npm run bench -- COMMAND [OPTIONS]

  migration    moves the same data by every way, each into a target of its own, on an embedded cluster of its own
                 --size 250MB         of each shape, 10MB to 10GB
                 --shape all          ${shapeNames.join(", ")} or all; several with commas, one of another
                                      size as dominant=1GB
                 --runs 3
                 --ways ${wayNames.join(",")}
                 --instances 3        of the target
                 --jobs 2             of the migration, and of the ways that take such a number
                 --minutes 480        after so many no further measurement is begun
                 --out FILE           the results, as JSON; default: bench/results/<time>.json; where it is there already,
                                      the run that it is of goes on
                 --name bench         the embedded cluster: one of this name is taken down first, and in the end
  render FILE  writes docs/benchmarks.md from results
                 --out FILE           instead of docs/benchmarks.md

What is interrupted is taken away. What was measured by then stays in the results, and the same command with --out goes on from there.
`;

class UsageError extends Error {}

const options = {
  size: { type: "string", default: "250MB" },
  shape: { type: "string", default: "all" },
  runs: { type: "string", default: "3" },
  ways: { type: "string", default: wayNames.join(",") },
  instances: { type: "string", default: "3" },
  jobs: { type: "string", default: "2" },
  minutes: { type: "string", default: "480" },
  out: { type: "string" },
  name: { type: "string", default: "bench" },
  help: { type: "boolean", default: false },
} as const;

/** What a command line asks for. */
export type Asked =
  | { readonly command: "help" }
  | { readonly command: "render"; readonly file: string; readonly out: string }
  | { readonly command: "migration"; readonly options: BenchOptions };

/** Reads a command line. @throws UsageError */
export function asked(args: readonly string[], now: Date): Asked {
  const { values, positionals } = parsed(args);
  if (values.help) return { command: "help" };
  const [command, file, ...rest] = positionals;
  if (command === "render" && file !== undefined && rest.length === 0) {
    return { command, file, out: values.out ?? join(__dirname, "..", "docs", "benchmarks.md") };
  }
  if (command !== "migration" || file !== undefined) throw new UsageError("Say one command.");
  return {
    command,
    options: {
      name: values.name,
      sizes: sizesOf(values.shape === "all" ? shapeNames.join(",") : values.shape, values.size),
      ways: listOf("ways", values.ways, wayNames),
      runs: atLeastOne("runs", values.runs),
      instances: atLeastOne("instances", values.instances),
      jobs: atLeastOne("jobs", values.jobs),
      minutes: atLeastOne("minutes", values.minutes),
      out: values.out ?? join(__dirname, "results", `${now.toISOString().replaceAll(":", "-")}.json`),
      command: args.join(" "),
    },
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** The shapes and their sizes, from `many,dominant=1GB`. */
function sizesOf(text: string, size: string): Sizes {
  const sizes = text.split(",").map((each) => {
    const [name = "", own = size] = each.split("=");
    parseSize(own);
    return [listOf("shape", name, shapeNames)[0], own] as const;
  });
  return Object.fromEntries(sizes) as Sizes;
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

/** Takes the cluster away when the run is interrupted; whatever was under way fails then, and is not told. */
function takeAwayWhenInterrupted(name: string): void {
  let interrupted = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (interrupted) return;
      interrupted = true;
      step("interrupted; the cluster is taken away");
      down({ name }).then(
        () => process.exit(130),
        (error: unknown) => {
          process.stderr.write(
            `${error instanceof Error ? error.message : String(error)}\nnpm run kubernetes -- down --name ${name}\n`,
          );
          process.exit(1);
        },
      );
    });
  }
}

async function main(args: readonly string[]): Promise<void> {
  const what = asked(args, new Date());
  switch (what.command) {
    case "help":
      process.stdout.write(usage);
      return;
    case "render":
      await writeFile(what.out, render(JSON.parse(await readFile(what.file, "utf8")) as Results));
      step(`${what.out} is written`);
      return;
    case "migration":
      takeAwayWhenInterrupted(what.options.name);
      process.stdout.write(render(await benchmark(what.options)));
      step(`results: ${what.options.out}`);
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
