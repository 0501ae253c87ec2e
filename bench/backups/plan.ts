/** What is measured, and in which order. Pure. */
import type { BackupCompression, WalCompression } from "../../components/backups";
import { parseSize } from "../../local/legacy/plan";
import { orderOf } from "../statistics";

export const walCompressions = ["gzip", "lz4", "snappy", "zstd", "none"] as const satisfies readonly (
  WalCompression | "none"
)[];
export type MeasuredWalCompression = (typeof walCompressions)[number];

export const compressions = ["none", "gzip", "lz4", "snappy"] as const satisfies readonly (
  BackupCompression | "none"
)[];
export type MeasuredCompression = (typeof compressions)[number];

/** maxParallel. Powers of two, so that each divides the number of segments. */
export const parallels = [1, 2, 4, 8] as const;

/** The stack's plugin, or barman-cloud's commands by hand in the same container, with the same settings and keys. */
export type Way = "plugin" | "hand";

export const loads = ["light", "heavy"] as const;
export type Load = (typeof loads)[number];

/** How segments are carried. By hand: one after the other. */
interface Carrying {
  readonly way: Way;
  readonly compression: MeasuredWalCompression;
  readonly parallel: number;
}

/** One thing to measure. */
export type Task =
  /** How fast the instance's volume is read and written by itself. */
  | { readonly kind: "disk" }
  /** The segments archived once more. */
  | ({ readonly kind: "archive" } & Carrying)
  /** The segments fetched from the store, where they lie compressed in this way. */
  | ({ readonly kind: "fetch" } & Carrying)
  /** What an archived segment takes in the store. */
  | { readonly kind: "stored"; readonly compression: MeasuredWalCompression }
  /** How old the oldest commit is that is not in the store, under a load. */
  | { readonly kind: "point"; readonly load: Load }
  /** A base backup of a database of this size. */
  | { readonly kind: "base"; readonly way: Way; readonly compression: MeasuredCompression; readonly size: string }
  /** The newest base backup restored: a whole drill, or only its files by hand. */
  | { readonly kind: "restore"; readonly way: Way; readonly size: string };

export type Kind = Task["kind"];

/** A task in one of the runs, from 1. */
export type Turn = Task & { readonly run: number };

/** What the stack is set to. */
export interface Configured {
  readonly compression: string;
  readonly jobs: number;
  readonly walCompression: string;
  readonly walMaxParallel: number;
}

export interface Wanted {
  readonly sizes: readonly string[];
  readonly runs: number;
  readonly configured: Configured;
  /** Compressions of base backups that the sidecar's barman does not know. */
  readonly absent: readonly string[];
  /** Compressions of WAL by which it does not archive one segment. */
  readonly broken: readonly string[];
}

/** Bytes. Databases bigger than this are measured once, and by what the stack is set to alone. */
const oftenUpTo = 1e9;

/** All turns in their order. */
export function turns(wanted: Wanted): Turn[] {
  return Array.from({ length: wanted.runs }, (_, index) => index + 1).flatMap((run) =>
    tasks(wanted, run).map((task) => ({ ...task, run })),
  );
}

/** What is to be measured still. */
export function missing(wanted: Wanted, outcomes: readonly Turn[]): Turn[] {
  const done = new Set(outcomes.map(keyOf));
  return turns(wanted).filter((turn) => !done.has(keyOf(turn)));
}

/** Tells one turn from another. */
function keyOf(turn: Turn): string {
  const { kind, run } = turn;
  const fields: Record<string, unknown> = { ...turn };
  return [kind, run, ...["way", "compression", "parallel", "load", "size"].map((field) => fields[field])].join(" ");
}

/** A turn in words. */
export function nameOf(turn: Turn): string {
  const { run } = turn;
  const way = "way" in turn && turn.way === "hand" ? " by hand" : "";
  const what = {
    disk: () => "disk",
    fetch: (parallel: number) => `WAL fetched, ${parallel} at once`,
    archive: (parallel: number) => `WAL archived, ${parallel} at once`,
    stored: () => "WAL in the store",
    point: () => "recovery point",
    base: () => "base backup",
    restore: () => "restore",
  }[turn.kind]("parallel" in turn ? turn.parallel : 1);
  const detail = ["compression", "load", "size"].flatMap((field) => {
    const value: unknown = (turn as unknown as Record<string, unknown>)[field];
    return typeof value === "string" ? [value] : [];
  });
  return [`run ${run}, ${what}${way}`, ...detail].join(", ");
}

function tasks({ sizes, runs, configured, absent, broken }: Wanted, run: number): Task[] {
  const ascending = [...sizes].sort((a, b) => parseSize(a) - parseSize(b));
  // Growing in one run and shrinking in the next, so that little is filled twice.
  const ordered = run % 2 === 1 ? ascending : [...ascending].reverse();
  const often = ascending.filter((size) => parseSize(size) <= oftenUpTo);
  const compared = often.at(-1) ?? ascending[0];
  return [
    { kind: "disk" },
    ...carryings(
      walCompressions.filter((one) => !broken.includes(one)),
      configured,
      run,
      run === 1 && runs > 1,
    ),
    ...(run === 1 ? loads.map((load) => ({ kind: "point", load }) as const) : []),
    ...ordered
      .filter((size) => run === 1 || often.includes(size))
      .flatMap((size) => [
        ...bases(size, size === compared ? compressions.filter((one) => !absent.includes(one)) : [], configured, run),
        { kind: "restore", way: "plugin", size } as const,
        { kind: "restore", way: "hand", size } as const,
      ]),
  ];
}

/** To the store and back, by what differs from the stack's setting in one thing, or by the whole grid. */
function carryings(
  known: readonly MeasuredWalCompression[],
  { walCompression, walMaxParallel }: Configured,
  run: number,
  whole: boolean,
): Task[] {
  return orderOf(known, run).flatMap((compression) => [
    // The sidecar comes to believe the compression meanwhile.
    { kind: "archive", way: "hand", compression, parallel: 1 } as const,
    ...parallels
      .filter((parallel) => whole || compression === walCompression || parallel === walMaxParallel)
      .flatMap((parallel) => [
        { kind: "archive", way: "plugin", compression, parallel } as const,
        { kind: "fetch", way: "plugin", compression, parallel } as const,
      ]),
    { kind: "fetch", way: "hand", compression, parallel: 1 } as const,
    { kind: "stored", compression } as const,
  ]);
}

/** The stack's own compression comes last: it is what is restored. Beside others only where they are compared. */
function bases(size: string, compared: readonly MeasuredCompression[], { compression: own }: Configured, run: number) {
  const others = orderOf(
    compared.filter((compression) => compression !== own),
    run,
  );
  const last = compressions.filter((compression) => compression === own);
  return [...others, ...last].flatMap((compression) =>
    (["hand", "plugin"] as const).map((way) => ({ kind: "base", way, compression, size }) as const),
  );
}
