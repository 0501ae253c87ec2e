/** docs/benchmarks.md from results. Pure: every sentence that depends on a figure is made from it. */
import { humanBytes } from "../../migration/engine/events";
import { machineTable, period, plain, spread, table, times } from "../markdown";
import { summary, type Summary } from "../statistics";
import type { Outcome, Results, ShapeFacts, ShapeName, WayName } from "./results";

/** The goals of the speed: shares of the plan's time to safe, and of the ceiling's copy and index. */
const goals = { safe: 1 / 3, ceiling: 1.15 };

const titles: Readonly<Record<WayName, string>> = {
  ours: "**ours**",
  alone: "ours, a lone instance that grows",
  pipe: "`pg_dump \\| psql` (the plan's)",
  parallel: "`pg_dump -Fd -j`, `pg_restore -j`",
  import: "CNPG's `initdb.import`",
  pgcopydb: "pgcopydb",
  ceiling: "ceiling",
};

/** How targets were archived. */
const archived = `All targets but the ceiling's archive their WAL into a store in the cluster, on the same cores and the same disk, from before the move on: ours as the program has it (zstd, several segments at once; the
base backup uncompressed), the others as the plan has it (gzip for both, a segment at a time). The base backup is asked for when the data is known to be equal.`;

type Measured = Outcome & { measurement: NonNullable<Outcome["measurement"]> };
type Figure = (outcome: Measured) => number | undefined;

const figures = {
  copyAndIndex: ({ measurement }) => measurement.copyAndIndex,
  verified: ({ measurement }) => measurement.verified,
  safe: ({ measurement }) => measurement.safe,
  fromNothing: ({ measurement: { cluster, safe } }) => (safe === undefined ? undefined : cluster + safe),
} satisfies Record<string, Figure>;

/** The measurements of one way of one shape whose copy was equal: a copy that is not is none. */
function good({ outcomes }: Results, shape: ShapeName, way: WayName): Measured[] {
  return outcomes.filter(
    (outcome): outcome is Measured =>
      outcome.shape === shape && outcome.way === way && outcome.measurement?.parity.equal === true,
  );
}

function figure(results: Results, shape: ShapeName, way: WayName, of: Figure): Summary | undefined {
  return summary(good(results, shape, way).flatMap((outcome) => of(outcome) ?? []));
}

function ratio(results: Results, shape: ShapeName, way: WayName, to: WayName, of: Figure): number | undefined {
  const [ours, theirs] = [figure(results, shape, way, of), figure(results, shape, to, of)];
  return ours === undefined || theirs === undefined ? undefined : ours.median / theirs.median;
}

/** Ours to the ceiling: both into a lone instance where that was measured. */
function toCeiling(results: Results, shape: ShapeName): number | undefined {
  const of = (way: WayName) => ratio(results, shape, way, "ceiling", figures.copyAndIndex);
  return of("alone") ?? of("ours");
}

/** The whole page. */
export function render(results: Results): string {
  const { machine, instance, runs, instances, jobs, backups, versions, shapes } = results;
  const size = instances === 1 ? "one instance" : `${instances} instances`;
  return `# Benchmarks of the migration

Written by \`npm run bench -- render\` from the results of one run; do not edit. \`npm run bench -- ${results.command}\`, ${period(results)}, at commit ${results.commit}.

${verdicts(results)}

Both find a Cluster of ${size}. "From nothing" begins before it is made.${backups ? "" : " No backups are made here; production has them, and its goal for the time to safe is measured with them: [benchmarks-safe.md](benchmarks-safe.md). The backups themselves, and what a recovery takes: [benchmarks-backups.md](benchmarks-backups.md)."}

## What is measured

Every way moves the same source (PostgreSQL ${versions["PostgreSQL, source"] ?? "?"}) into a target of its own (${versions["PostgreSQL, target"] ?? "?"}), made anew for each measurement, or at least its database where ways that begin alike follow each other: ${runs} ${runs === 1 ? "run" : "runs"}, in each of which the ways
come in another order, one after the other. All figures are seconds: the median, and in brackets the least and the most. Before each move the source's files are read once, so that they lie in the cache,
and both sides make a checkpoint; afterwards the target is taken away.

| | |
|---|---|
| copy + index | from the first definition to the last index or constraint, without ANALYZE |
| verified | from the start of the move until both sides were compared and equal. Ours: its own verification and the switch as well. The others: rows, a 2 × 64-bit order-free hash of each table, indexes, constraints, triggers and sequences counted |
| **time to safe** | from the start of the move until that${instances === 1 ? "" : `, and all ${size} stream and have replayed everything`}${backups ? ", and a base backup and all WAL lie in the store" : ""}. Every way's includes ANALYZE |
| from nothing | time to safe, and the making of the Cluster that the move begins with. Replicas are made with checkpoints at once, which is some ten seconds less for each than an \`up\` takes |

The comparison is the same for all, and made after ours a second time, outside its time. A copy that is not equal is no result, and is listed under losses.

- **ours**: with the freeze, the dump that is kept, verification and switch, into a Cluster of ${size} that is there already, as where it was made before the migration was enabled. Pulumi's own time is in none of it.
- **ours, a lone instance that grows**: the same into one instance, as where Cluster and migration come with one \`pulumi up\`; then the Cluster grows to ${size}.
- **the plan's**: \`pg_dump | psql\` into a Cluster of ${size} that is there already. \`pg_dump -Fd\` and pgcopydb likewise. They run in a Job beside the target, in the same image as ours, as
  superuser; nothing passes through a port-forward. The plan's way has no ANALYZE and no comparison; here it has both.
- **CNPG's import**: a Cluster of ${size} with \`bootstrap.initdb.import\`, type microservice. Its making is the move.
- **ceiling**: ${machine.cores + 1} COPY pipes at once into a lone instance, each its share of every big table by ranges of pages and in binary form, without autovacuum, then all indexes and constraints, ${jobs} at a time. Nothing is kept, recorded, frozen or resumable.

What is not comparable, and why:

- copy + index: the ceiling and ours that grows load a lone instance; ${instances === 1 ? "here all do" : `the others stream to ${instances - 1} replicas on the same machine meanwhile`}.
- copy + index of pgcopydb has VACUUM and ANALYZE, which it does not tell apart; the import's begins and ends by its Job's log.
- verified: ours has the kept dump running beside its comparison, and also compares definitions, rights, settings and large objects, runs amcheck and switches; the others compare rows and count what belongs to them, and switch nothing.
- The ceiling is nothing that anybody should use, and makes no replicas: it has no time to safe.
- The Job of the other ways may use 2Gi of memory, ours 512Mi.

${backups ? archived : "No archive of WAL and no backup in any of them, so time to safe counts no base backup."} No synchronous replication. The source is idle. \`--jobs ${jobs}\` for every way that takes such a number.

${machineTable(
  results,
  "source, target, replicas and Kubernetes",
  `${instance.memory} of memory, ${instance.cpu} cores; otherwise as in the stack \`production\``,
)}

One machine, one node and one disk: the replicas compete with the primary for all three, which three machines would not. No network lies between the sides. Figures of a few seconds are much Kubernetes, little PostgreSQL.

${shapes.map((facts) => shapeSection(results, facts)).join("\n\n")}

## Losses

${losses(results)}

## Not measured

${notMeasured(results)}
`;
}

/** Whether the goals are met, shape by shape. */
function verdicts(results: Results): string {
  const rows = results.shapes.map(({ shape }) => {
    const safe = ratio(results, shape, "ours", "pipe", figures.safe);
    const nothing = ratio(results, shape, "ours", "pipe", figures.fromNothing);
    const ceiling = toCeiling(results, shape);
    return [
      shape,
      spread(figure(results, shape, "ours", figures.safe)),
      spread(figure(results, shape, "pipe", figures.safe)),
      results.backups ? verdict(safe, goals.safe) : times(safe),
      times(nothing),
      verdict(ceiling, goals.ceiling),
    ];
  });
  const head = [
    "shape",
    "ours, safe",
    "the plan's, safe",
    results.backups ? "ours ÷ the plan's (goal 0.33)" : "ours ÷ the plan's",
    "the same from nothing",
    "copy + index ÷ ceiling, both into a lone instance (goal 1.15)",
  ];
  return table(head, rows);
}

function verdict(value: number | undefined, goal: number): string {
  if (value === undefined) return "not known";
  return `${times(value)}, ${value <= goal ? "met" : "**missed**"}`;
}

function shapeSection(results: Results, facts: ShapeFacts): string {
  const { shape } = facts;
  const measured = waysOf(results).filter((way) => good(results, shape, way).length > 0);
  const rows = measured.map((way) => [
    titles[way],
    String(good(results, shape, way).length),
    spread(figure(results, shape, way, figures.copyAndIndex)),
    times(ratio(results, shape, way, "ceiling", figures.copyAndIndex)),
    spread(figure(results, shape, way, figures.verified)),
    spread(figure(results, shape, way, figures.safe)),
    times(ratio(results, shape, way, "pipe", figures.safe)),
    spread(figure(results, shape, way, figures.fromNothing)),
    times(ratio(results, shape, way, "pipe", figures.fromNothing)),
  ]);
  const head = [
    "way",
    "runs",
    "copy + index",
    "÷ ceiling",
    "verified",
    "time to safe",
    "÷ the plan's",
    "from nothing",
    "÷ the plan's",
  ];
  const parts = measured.map((way) => `- ${titles[way]}: ${partsOf(good(results, shape, way))}`);
  return `## ${shape}

${facts.description} ${facts.tables} tables, ${humanBytes(facts.tableBytes)}; ${facts.indexes} indexes, ${humanBytes(facts.indexBytes)}.

${table(head, rows)}

Step by step, medians:

${parts.join("\n")}`;
}

/** The ways that were measured, in the order of the results' names. */
function waysOf({ outcomes }: Results): WayName[] {
  const seen = new Set(outcomes.map(({ way }) => way));
  return (Object.keys(titles) as WayName[]).filter((way) => seen.has(way));
}

function partsOf(outcomes: readonly Measured[]): string {
  const names = [...new Set(outcomes.flatMap(({ measurement }) => Object.keys(measurement.parts)))];
  return names
    .map(
      (name) =>
        `${name} ${summary(outcomes.flatMap(({ measurement }) => measurement.parts[name] ?? []))?.median.toFixed(1) ?? ""}`,
    )
    .join(", ");
}

/** Where another way was faster, where a copy failed or was not equal, what tools complained of. */
function losses(results: Results): string {
  const slower = results.shapes.flatMap(({ shape }) =>
    waysOf(results).flatMap((way) => {
      if (way === "ours" || way === "ceiling") return [];
      return (["safe", "fromNothing", "copyAndIndex"] as const).flatMap((name) => {
        const value = ratio(results, shape, "ours", way, figures[name]);
        const words = { safe: "time to safe", fromNothing: "from nothing", copyAndIndex: "copy + index" }[name];
        return value !== undefined && value > 1
          ? [`- ${shape}, ${words}: ${titles[way]} is faster; ours takes ${times(value)} times as long.`]
          : [];
      });
    }),
  );
  const missed = results.shapes.flatMap(({ shape }) => {
    const safe = ratio(results, shape, "ours", "pipe", figures.safe);
    const ceiling = toCeiling(results, shape);
    return [
      ...(results.backups && safe !== undefined && safe > goals.safe
        ? [`- ${shape}: the goal for the time to safe, a third of the plan's way, is missed: ${times(safe)}.`]
        : []),
      ...(ceiling !== undefined && ceiling > goals.ceiling
        ? [`- ${shape}: the goal for copy + index, 1.15 × the ceiling, is missed: ${times(ceiling)}.`]
        : []),
    ];
  });
  const failed = results.outcomes.flatMap(({ shape, way, run, failure, measurement }) => {
    const where = `- ${shape}, run ${run}, ${titles[way]}`;
    if (measurement === undefined) return [`${where}: failed: ${plain(failure ?? "")}`];
    const complaints =
      measurement.complaints.length === 0
        ? ""
        : ` It reported ${measurement.complaints.length} errors, the first: ${plain(measurement.complaints[0] ?? "")}`;
    const { differing } = measurement.parity;
    if (!measurement.parity.equal)
      return [
        `${where}: **not equal**, ${differing.length} differences: ${plain(differing.slice(0, 4).join("; "))}.${complaints}`,
      ];
    return complaints === "" ? [] : [`${where}: equal.${complaints}`];
  });
  const all = [...missed, ...slower, ...failed];
  return all.length === 0
    ? "None: no goal was missed, no other way was faster in any figure, no copy failed."
    : all.join("\n");
}

function notMeasured(results: Results): string {
  const planned = Object.keys(results.sizes).length * results.runs * results.ways.length;
  return [
    ...results.absent.map(({ way, why }) => `- ${titles[way]}: ${why}.`),
    ...(results.outcomes.length < planned
      ? [
          `- ${planned - results.outcomes.length} of ${planned} measurements: the time was up, or the run was broken off.`,
        ]
      : []),
    ...(results.runs < 3
      ? [
          `- At least three runs: there ${results.runs === 1 ? "is one" : `are ${results.runs}`}, so the spread says little.`,
        ]
      : []),
    `- Other sizes than these. All of it fits into this machine's memory: the source is read from the cache.`,
    `- Several machines, several disks, a network between source and target, ${results.backups ? "" : "archiving, backups, "}synchronous replication, a source that is in use.`,
    "- The online way (`wal_level=logical`).",
  ].join("\n");
}
