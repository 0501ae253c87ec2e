import { humanBytes, humanSeconds } from "../migration/engine/events";

/** A promise, and what was measured. */
interface Promised {
  /** null where the drill did not come so far. */
  readonly seconds: number | null;
  readonly promised: number;
  readonly held: boolean | null;
}

/** A drill's report, as job/report.sql writes it. Where the primary could not be asked there is only the first part. */
export interface DrillReport {
  readonly drill: string;
  readonly cluster: string;
  readonly database: string;
  readonly finished: string;
  readonly passed: boolean;
  readonly reason: string | null;
  readonly started?: string;
  /** From the order to restore to the first query that was answered. */
  readonly recoveryTime?: Promised;
  /** From the commit of a row to its arrival in the store. `archiveTimeout` in seconds. */
  readonly recoveryPoint?: Promised & { readonly archiveTimeout: number | null };
  readonly restore?: {
    /** Of the base backup. */
    readonly fetchSeconds: number | null;
    /** Of the WAL since then, with its fetching. */
    readonly replaySeconds: number | null;
    readonly walBytes: number | null;
    readonly walSegments: number;
    /** All the rest: volumes, pods, the server's start. */
    readonly fixedSeconds: number | null;
    readonly databaseBytes: number | null;
    readonly bytesPerSecond: number | null;
    /** The largest database for which the promised time holds. */
    readonly largestDatabaseBytes: number | null;
  } | null;
  readonly backup?: { readonly name: string; readonly id: string; readonly stopped: string } | null;
  readonly target?: { readonly position: string; readonly recorded: string } | null;
  /** null where the drill did not come so far. */
  readonly compared?: {
    readonly tables: number;
    readonly rows: number;
    /** Tables too big for the limit: only counted. */
    readonly countedOnly: readonly string[];
    /** Tables that no backup holds. */
    readonly unlogged: readonly string[];
    /** Not there where the stack's last `pulumi up` was of a checkout whose drill did not know them. */
    readonly sequences?: number;
    readonly largeObjects?: {
      readonly objects: number;
      readonly bytes: number;
      /** Too big for the limit. */
      readonly countedOnly: boolean;
    };
  } | null;
  readonly amcheck?: { readonly tables: number; readonly indexes: number; readonly damaged: number };
  readonly phases?: readonly { readonly phase: string; readonly seconds: number; readonly detail: string }[];
  readonly server?: string;
}

/** A script can go by it: 0 the backups are good, 1 they are not or the drill could not tell, 2 they are good and a promise was not held. */
export function exitCode({ passed, recoveryTime, recoveryPoint }: DrillReport): 0 | 1 | 2 {
  if (!passed) return 1;
  return recoveryTime?.held === true && recoveryPoint?.held === true ? 0 : 2;
}

/** Shorter fetches are mostly their own beginning: the rate that they show is below the storage's. */
const tellingSeconds = 10;

/** The report for a person. */
export function describe(report: DrillReport): string {
  const { recoveryTime, recoveryPoint, restore, backup, target, compared, amcheck } = report;
  const lines = [
    report.passed
      ? `PASSED: the backups of ${report.cluster} are good.`
      : `FAILED: ${report.reason ?? "the drill does not say why"}`,
    promise("recovery time", recoveryTime, "from the order to restore to the first query answered"),
    promise(
      "recovery point",
      recoveryPoint,
      `from a commit to the object store${recoveryPoint?.archiveTimeout == null ? "" : `; archive_timeout is ${recoveryPoint.archiveTimeout} s`}`,
    ),
    backup && `base backup     ${backup.name} (${backup.id}) of ${backup.stopped}`,
    target && `restored to     WAL position ${target.position}, recorded ${target.recorded}`,
    compared && `compared        ${contents(compared)}`,
    amcheck &&
      amcheck.tables + amcheck.indexes > 0 &&
      `files           ${amcheck.tables} tables and ${amcheck.indexes} indexes checked, ${amcheck.damaged} damaged`,
    measured(restore),
    largest(restore, recoveryTime),
  ];
  return `${lines.filter((line) => typeof line === "string" && line !== "").join("\n")}\n`;
}

function promise(what: string, of: Promised | undefined, meaning: string): string {
  if (of?.seconds == null) return "";
  const held = of.held === true ? "" : ", WHICH WAS NOT HELD";
  return `${what.padEnd(16)}${of.seconds} s (${meaning}); promised ${humanSeconds(of.promised)}${held}`;
}

function contents(compared: NonNullable<DrillReport["compared"]>): string {
  const { tables, rows, countedOnly, unlogged, sequences, largeObjects } = compared;
  return [
    `${tables} tables, ${rows} rows`,
    sequences === undefined ? "" : `, ${sequences} sequences`,
    largeObjects === undefined ? "" : `, ${largeObjects.objects} large objects (${humanBytes(largeObjects.bytes)})`,
    sublist("only counted", largeObjects?.countedOnly === true ? [...countedOnly, "large objects"] : countedOnly),
    sublist("unlogged, so in no backup", unlogged),
  ].join("");
}

function sublist(what: string, names: readonly string[]): string {
  return names.length === 0 ? "" : `; ${what}: ${names.join(", ")}`;
}

function measured(restore: DrillReport["restore"]): string {
  if (restore?.fetchSeconds == null || restore.databaseBytes === null) return "";
  const { fetchSeconds, replaySeconds, walBytes, fixedSeconds, databaseBytes, bytesPerSecond } = restore;
  const parts = [
    `${humanBytes(databaseBytes)} fetched in ${fetchSeconds} s (${humanBytes(bytesPerSecond ?? 0)}/s)`,
    ...(replaySeconds === null ? [] : [`${humanBytes(walBytes ?? 0)} of WAL replayed in ${replaySeconds} s`]),
    ...(fixedSeconds === null ? [] : [`${fixedSeconds} s for all the rest`]),
  ];
  return `restore         ${parts.join(", ")}`;
}

function largest(restore: DrillReport["restore"], recoveryTime: Promised | undefined): string {
  if (restore?.largestDatabaseBytes == null || recoveryTime === undefined) return "";
  const atLeast = (restore.fetchSeconds ?? 0) < tellingSeconds ? "at least " : "";
  const why = atLeast === "" ? "" : " (this database is too small to show the storage's rate)";
  return `largest         ${atLeast}${humanBytes(restore.largestDatabaseBytes)} would be back within ${humanSeconds(recoveryTime.promised)}, with as much WAL as now${why}`;
}
