/** What the benchmark of the backups leaves. docs/benchmarks-backups.md is made from this alone. */
import type { Heading } from "../results-file";
import type { Configured, Kind, Task, Wanted } from "./plan";

/** What is measured of each kind. Times are seconds, rates bytes a second. */
export interface Figures {
  readonly disk: { readonly write: number; readonly read: number };
  readonly fetch: Carried;
  readonly archive: Carried;
  /** Bytes that one segment takes. */
  readonly stored: { readonly segmentBytes: number };
  readonly point: {
    /** Ages of the oldest commit that was not in the store, and how many times that was asked. */
    readonly samples: number;
    readonly median: number;
    readonly most: number;
    /** WAL segments that waited, at most. */
    readonly waiting: number;
    readonly commits: number;
    readonly walBytes: number;
    /** Of the load. */
    readonly seconds: number;
  };
  readonly base: { readonly seconds: number; readonly databaseBytes: number; readonly storedBytes: number };
  readonly restore: {
    /** Of the base backup's files. */
    readonly fetchSeconds: number;
    readonly databaseBytes: number;
    /** By the drill alone. */
    readonly recovery?: {
      /** From the order to the first query that was answered, with the row there that had been written before. */
      readonly seconds: number;
      readonly replaySeconds: number | null;
      readonly walSegments: number;
      readonly fixedSeconds: number | null;
      readonly largestDatabaseBytes: number | null;
    };
  };
}

/** Segments that were carried to the store or from it. */
export interface Carried {
  readonly seconds: number;
  readonly segments: number;
  /** Of the sidecar, or of the commands by hand. Fetching, it is the sidecar's share alone. */
  readonly cpuSeconds: number;
}

/** One task in one run: what was measured, or why nothing was. */
export type Outcome = {
  [Each in Kind]: Extract<Task, { kind: Each }> & {
    readonly run: number;
    readonly figures?: Figures[Each];
    readonly failure?: string;
    /** Wall time of it all, in seconds. */
    readonly wall: number;
  };
}[Kind];

/** Outcomes of one kind. */
export type OutcomeOf<Each extends Kind> = Extract<Outcome, { kind: Each }>;

export interface Results extends Heading, Wanted {
  readonly kind: "backups";
  readonly configured: Configured;
  /** Seconds. */
  readonly promises: {
    readonly recoveryPoint: number;
    readonly uploadAllowance: number;
    readonly archiveTimeout: number;
    readonly recoveryTime: number;
  };
  readonly instance: {
    readonly memory: string;
    readonly cpu: string;
    readonly sidecarMemory: string;
    readonly sidecarCpu: string;
  };
  /** WAL segments that are archived and fetched. */
  readonly segments: number;
  readonly outcomes: readonly Outcome[];
}
