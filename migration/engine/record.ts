import type { MigrationReport } from "../migration";
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
  readonly marker: { readonly run: string; readonly completed: string; readonly report: MigrationReport } | null;
  /** What a run that is under way, or was cut short, left behind. */
  readonly state: {
    readonly source_freeze: string | null;
    readonly source_sealed: string | null;
    readonly dump: string | null;
  } | null;
  /** Of the latest run, oldest first. */
  readonly phases: readonly RecordedPhase[];
}

const empty: MigrationRecord = { marker: null, state: null, phases: [] };

/** What the target remembers; nothing at all where no migration has begun. A comparison (`verify`) is none. */
export async function readRecord(kubernetes: Kubernetes, database: string): Promise<MigrationRecord> {
  const known = await kubernetes.control("SELECT to_regclass('naytife_migration.marker') IS NOT NULL");
  if (known !== "t") return empty;
  const target = literal(database);
  const text = await kubernetes.control(
    `SELECT json_build_object(
       'marker', (SELECT json_build_object('run', run, 'completed', completed, 'report', report) FROM naytife_migration.marker WHERE target_database = ${target}),
       'state', (SELECT to_jsonb(s) FROM naytife_migration.state s WHERE target_database = ${target}),
       'phases', (SELECT coalesce(json_agg(to_jsonb(p) ORDER BY started), '[]') FROM naytife_migration.phase p
                   WHERE run = (SELECT run FROM naytife_migration.phase WHERE target_database = ${target} AND phase = 'preflight' ORDER BY started DESC LIMIT 1)))`,
  );
  return JSON.parse(text) as MigrationRecord;
}
