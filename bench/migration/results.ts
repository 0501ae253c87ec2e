/** What a benchmark leaves: everything that was measured, and on what. docs/benchmarks.md is made from this alone. */
import type { Heading } from "../results-file";

export const wayNames = ["ours", "alone", "pipe", "parallel", "pgcopydb", "import", "ceiling"] as const;
export type WayName = (typeof wayNames)[number];

export const shapeNames = ["dominant", "many", "toast", "indexes", "legacy"] as const;
export type ShapeName = (typeof shapeNames)[number];

/** How much of which shape, as it was asked for. */
export type Sizes = Readonly<Partial<Record<ShapeName, string>>>;

/** Both sides compared, read by the bench itself: rows and an order-free hash of each table, and what belongs to tables. */
export interface Parity {
  readonly equal: boolean;
  readonly tables: number;
  readonly rows: number;
  /** What differs, or is missing on one side. */
  readonly differing: readonly string[];
}

/** One way, measured once. All times are seconds. */
export interface Measurement {
  /** Making the Cluster that the move begins with. Part of the move where the way makes it itself. */
  readonly cluster: number;
  /** Steps in their order, as far as the way tells them apart. */
  readonly parts: Readonly<Record<string, number>>;
  /** From the first definition to the last index; without ANALYZE. */
  readonly copyAndIndex: number;
  /** From the start of the move until rows and hashes were known to be equal. */
  readonly verified: number;
  /** From the start of the move until that, and all instances streamed and had replayed all of it, and with backups a base backup and all WAL lay in the store. The ceiling has none. */
  readonly safe?: number;
  readonly parity: Parity;
  /** Errors that a tool went past. */
  readonly complaints: readonly string[];
}

/** One run of one way. */
export interface Outcome {
  readonly shape: ShapeName;
  readonly way: WayName;
  /** From 1. */
  readonly run: number;
  /** Which of this run's ways it was, from 1. */
  readonly place: number;
  readonly measurement?: Measurement;
  /** Why there is no measurement. */
  readonly failure?: string;
  /** Wall time of it all, target made and taken away included. */
  readonly seconds: number;
}

/** The data of one shape, as the source holds it. */
export interface ShapeFacts {
  readonly shape: ShapeName;
  readonly description: string;
  readonly tables: number;
  readonly tableBytes: number;
  readonly indexes: number;
  readonly indexBytes: number;
}

export interface Results extends Heading {
  /** Results of the time before there was another benchmark do not say it. */
  readonly kind?: "migration";
  readonly sizes: Sizes;
  readonly ways: readonly WayName[];
  readonly runs: number;
  readonly instances: number;
  readonly jobs: number;
  /** Whether targets archived their WAL, and were backed up before they counted as safe. */
  readonly backups: boolean;
  /** One instance of the target. */
  readonly instance: {
    readonly memory: string;
    readonly cpu: string;
    readonly parameters: Readonly<Record<string, string>>;
  };
  /** What was asked for and is not here; `ways` has the others. */
  readonly absent: readonly { readonly way: WayName; readonly why: string }[];
  readonly shapes: readonly ShapeFacts[];
  readonly outcomes: readonly Outcome[];
}
