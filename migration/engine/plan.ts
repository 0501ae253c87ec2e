import { humanBytes, type MigrationEvent } from "./events";

/** Blockers stop a migration in its preflight; warnings come along changed, or want a decision; the rest is good to know. */
export const severities = ["blocker", "warning", "info"] as const;
export type Severity = (typeof severities)[number];

/** One thing that was found, and what to do about it. */
export interface Finding {
  readonly severity: Severity;
  readonly text: string;
  readonly next?: string;
}

/** How much there is to move, in bytes. */
export interface Sizes {
  readonly database: number;
  /** With what is stored apart (TOAST). */
  readonly tables: number;
  readonly indexes: number;
  readonly largeObjects: number;
  /** Of tables and materialized views. */
  readonly count: number;
  readonly largest: readonly {
    readonly table: string;
    readonly bytes: number;
    readonly indexes: number;
    /** As the server last counted; null: never. */
    readonly rows: number | null;
  }[];
}

/** Who is connected to the source's database now. */
export interface Client {
  readonly application: string;
  readonly user: string;
  readonly connections: number;
  /** Of these, in a transaction or a query. */
  readonly busy: number;
}

/** A sample of the largest table, read through the network to the Job, and hashed on the source. */
export interface Measured {
  readonly table: string;
  readonly sampleBytes: number;
  readonly readMilliseconds: number;
  readonly hashMilliseconds: number;
}

/** What follows from the sizes and the sample. Seconds and bytes. */
export interface Estimate {
  /** From the freeze to the cut-over, while the source is read-only; `fixed` is what it takes without any rows. Absent where nothing could be timed. */
  readonly seconds?: { readonly fixed: number; readonly copy: number; readonly index: number; readonly verify: number };
  /** How the seconds were worked out. */
  readonly how: string;
  readonly targetBytes: number;
  readonly dumpBytes: number;
  readonly walBytes: number;
}

/** What a migration would meet. */
export interface Plan {
  readonly findings: readonly Finding[];
  readonly sizes?: Sizes;
  readonly clients?: readonly Client[];
  readonly measured?: Measured;
  readonly estimate?: Estimate;
}

/** A plan from what the Job said. */
export function planOf(events: readonly MigrationEvent[]): Plan {
  const fact = (name: string) => events.findLast((one) => one.event === "fact" && one.name === name)?.value;
  const sizes = fact("sizes") as Sizes | undefined;
  const clients = fact("clients") as readonly Client[] | undefined;
  const measured = fact("measured") as Measured | undefined;
  const findings = events.flatMap(({ event, severity, text = "", next }): Finding[] =>
    event === "finding" && severity !== undefined
      ? [{ severity, text, ...(next === undefined || next === "" ? {} : { next }) }]
      : [],
  );
  return {
    findings: severities.flatMap((severity) => findings.filter((one) => one.severity === severity)),
    ...(sizes === undefined ? {} : { sizes, estimate: estimateOf(sizes, measured) }),
    ...(clients === undefined ? {} : { clients }),
    ...(measured === undefined ? {} : { measured }),
  };
}

/**
 * The plan where a migration has finished: nothing is left to do, unless it was rolled back.
 *
 * @param rolledBack when the old database became the database again
 */
export function donePlan(database: string, rolledBack: string | null | undefined): Plan {
  const finding: Finding =
    rolledBack == null
      ? {
          severity: "info",
          text: `the migration into ${database} is finished, so nothing is left to plan`,
          next: "`npm run migration -- status` and `report` say what was done.",
        }
      : {
          severity: "blocker",
          text: `the migration was rolled back at ${rolledBack}: the old database is in use, and ${database} still holds what was moved then`,
          next: "To move once more: `npm run migration -- again` empties it, then plan again. To stay with the old database there is nothing to do.",
        };
  return { findings: [finding] };
}

/**
 * Rules of thumb, from this repository's legacy database of 77 tables with 10 MB and with 500 MB: source, target and Job on two cores together, migrationJobs 2. They
 * met both within a fifth; another database and other machines are another matter, hence `spread`.
 */
const fixedSeconds = 9;
/** Dump, and restore of rows: times the reading of them. Indexes: times the reading of their size. Comparison of both sides, and of files: times the hashing. */
const factors = { copy: 5, index: 5, verify: 1.7 };

/** Half and double what was worked out. */
export const spread = 2;

/** What is copied in a second or two, so that the fixed costs alone say how long it takes, in bytes. */
const little = 20_000_000;

function estimateOf(sizes: Sizes, measured: Measured | undefined): Estimate {
  const data = sizes.tables + sizes.largeObjects;
  const bytes = { targetBytes: sizes.database, dumpBytes: Math.round(data / 3), walBytes: data + sizes.indexes };
  if (measured === undefined) {
    return data < little
      ? {
          ...bytes,
          seconds: { fixed: fixedSeconds, copy: 0, index: 0, verify: 0 },
          how: "No table is large enough to be timed, and all of them together are copied in a second or two.",
        }
      : { ...bytes, how: "No table could be timed: the largest is below 1 MB, or did not answer within 20 s." };
  }
  const { table, sampleBytes, readMilliseconds, hashMilliseconds } = measured;
  const readRate = (sampleBytes / readMilliseconds) * 1000;
  const hashRate = (sampleBytes / hashMilliseconds) * 1000;
  return {
    ...bytes,
    seconds: {
      fixed: fixedSeconds,
      copy: (factors.copy * data) / readRate,
      index: (factors.index * sizes.indexes) / readRate,
      verify: (factors.verify * data) / hashRate,
    },
    how:
      `By a sample of ${table}: ${humanBytes(sampleBytes)} came to the Job at ${humanBytes(Math.round(readRate))}/s and were hashed at ${humanBytes(Math.round(hashRate))}/s, one stream each. ` +
      "Calibrated with 77 tables, up to 500 MB, both sides and the Job on two cores together: many more tables, replicas and a slow disk of the target take longer; migrationJobs shortens it where there are cores.",
  };
}
