import * as fs from "node:fs";
import * as path from "node:path";
import type { MigrationReport } from "../migration";
import { MigrationFailure, nothingChanged } from "./failure";
import type { Kubernetes } from "./kubernetes";
import { literal } from "./settings";

/** A phase of the latest run, as the Job recorded it in the target. */
export interface RecordedPhase {
  readonly run: string;
  readonly phase: string;
  /** ISO 8601. */
  readonly started: string;
  readonly finished: string | null;
  readonly detail: string | null;
  /** Why the run ended in it; JSON of what happened, what was left untouched and what to do next. */
  readonly failure?: { readonly text: string; readonly untouched: string; readonly next: string } | null;
}

/** What the target remembers of its migration (schema naytife_migration of its database postgres). */
export interface MigrationRecord {
  /** Of a finished migration. */
  readonly marker: {
    readonly run: string;
    readonly completed: string;
    readonly report: MigrationReport;
    /** When the source became the database again. */
    readonly rolled_back?: string | null;
    readonly rollback?: RollbackReport | null;
    /** When somebody ended the way back. */
    readonly retain_ended?: string | null;
  } | null;
  /** What a run that is under way, or was cut short, left behind. */
  readonly state: {
    readonly source_freeze: string | null;
    readonly source_sealed: string | null;
    readonly dump: string | null;
    /** The target is closed to clients: by a cut-over or a rollback that has not come to its end. */
    readonly target_closed?: string | null;
    /** An online run has, or may have, replication slots on the source. */
    readonly publisher?: string | null;
    /** Clients are held: `wanted` by the Job, or `held` by the engine. */
    readonly clients?: string | null;
  } | null;
  /** Of the latest run, oldest first. */
  readonly phases: readonly RecordedPhase[];
}

/** What a rollback did. */
export interface RollbackReport {
  readonly run: string;
  /** ISO 8601. */
  readonly rolledBack: string;
  /** How long nobody could write, neither to the one database nor to the other. */
  readonly heldMilliseconds: number;
  readonly tablesCarried: number;
  /** Of the database when it was verified. */
  readonly rows: number;
  readonly phases: readonly { readonly phase: string; readonly seconds: number; readonly detail: string | null }[];
  readonly warnings: readonly string[];
}

/** Which of the two databases is in use. */
export type Side = "source" | "target";

/**
 * Why `up` may not go on: what the stack says is in use is not what is. Neither side is ever changed by `up` to make it so.
 *
 * @param active what the stack's activeDatabase says
 */
export function contradiction({ marker, state }: MigrationRecord, active: Side): MigrationFailure | undefined {
  const back = "npm run migration -- rollback";
  const set = (side: Side) => `pulumi config set activeDatabase ${side}`;
  const refusal = (what: string, next: string) => new MigrationFailure(what, nothingChanged, next);
  if (marker === null) {
    if (active === "target") return undefined;
    return refusal(
      "activeDatabase is source, and nothing has been rolled back",
      `${set("target")}, then \`pulumi up\`.`,
    );
  }
  if (marker.rolled_back != null) {
    if (active === "source") return undefined;
    return refusal(
      `the migration was rolled back at ${marker.rolled_back}: the old database is in use, and this stack says that the new one is`,
      `${set("source")}, then \`pulumi up\`. To move once more instead: \`npm run migration -- again\`.`,
    );
  }
  if (active === "source") {
    return refusal(
      "activeDatabase is source, but the new database is in use: it has the data",
      marker.retain_ended == null
        ? `\`${back}\` carries it back first; or ${set("target")}.`
        : `${set("target")}, then \`pulumi up\`: the way back was ended at ${marker.retain_ended}.`,
    );
  }
  if (state?.target_closed != null) {
    return refusal(
      "a rollback was begun and has not come to its end, and the new database is closed to clients",
      `If it does not run any more, \`${back}\` goes on, or, where it cannot, opens the new database again.`,
    );
  }
  return undefined;
}

/** How long the way back is kept, or since when there is none. */
export interface Retention {
  /** ISO 8601. From then on `finish` may end it; it does not end by itself. */
  readonly retainedUntil?: string;
  /** ISO 8601. */
  readonly retainEnded?: string;
}

/** @param days for which the way back is kept from the cut-over on */
export function retention({ marker }: MigrationRecord, days: number): Retention {
  if (marker === null || marker.rolled_back != null) return {};
  if (marker.retain_ended != null) return { retainEnded: marker.retain_ended };
  return { retainedUntil: new Date(Date.parse(marker.completed) + days * 86_400_000).toISOString() };
}

/** The tables of the record, as SQL that makes them where they are not there yet. */
export function recordSchema(): string {
  return fs.readFileSync(path.join(__dirname, "..", "job", "state.sql"), "utf8");
}

const empty: MigrationRecord = { marker: null, state: null, phases: [] };

/** What the target remembers; nothing at all where no migration has begun. A comparison (`verify`) is none. */
export async function readRecord(kubernetes: Kubernetes, database: string): Promise<MigrationRecord> {
  const known = await kubernetes.control("SELECT to_regclass('naytife_migration.marker') IS NOT NULL");
  if (known !== "t") return empty;
  const target = literal(database);
  const text = await kubernetes.control(
    `SELECT json_build_object(
       'marker', (SELECT to_jsonb(m) FROM naytife_migration.marker m WHERE target_database = ${target}),
       'state', (SELECT to_jsonb(s) FROM naytife_migration.state s WHERE target_database = ${target}),
       'phases', (SELECT coalesce(json_agg(to_jsonb(p) ORDER BY started), '[]') FROM naytife_migration.phase p
                   WHERE run = (SELECT run FROM naytife_migration.phase WHERE target_database = ${target} AND phase = 'preflight' ORDER BY started DESC LIMIT 1)))`,
  );
  return JSON.parse(text) as MigrationRecord;
}
