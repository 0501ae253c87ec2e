import type { Kubernetes } from "../migration/engine/kubernetes";
import { literal } from "../migration/engine/settings";
import type { Target } from "./plan";
import type { RecoveryPlan } from "./plan";
import type { Progress } from "./progress";
import { targetTime } from "./target-time";

/** One thing that must hold in a recovered database. */
export interface Check {
  readonly check: string;
  readonly passed: boolean;
  readonly detail: string;
}

/** What is in a recovered database. */
export interface Contents {
  readonly timeline: number;
  readonly postgresql: string;
  readonly tables: readonly { readonly table: string; readonly rows: number }[];
  /** null: the image has no amcheck. */
  readonly indexes: { readonly checked: number; readonly damaged: readonly string[] } | null;
  /** The newest row of the restore drill's table, ISO 8601; null: it is not there, or empty. */
  readonly canary: string | null;
}

/** The database that the restore drill writes a row into before it restores (drill/job/tables.sql). */
const drillDatabase = "naytife_drill";

/** Looks at a recovered database, and changes nothing in it. */
export async function lookAt(server: Kubernetes, database: string): Promise<Contents> {
  const [timeline = "0", postgresql = ""] = (
    await server.control("SELECT timeline_id, current_setting('server_version') FROM pg_control_checkpoint()")
  ).split("|");
  const tables = JSON.parse(
    await server.controlIn(
      database,
      `SELECT coalesce(json_agg(json_build_object('table', format('%I.%I', n.nspname, c.relname), 'rows',
         (xpath('//rows/text()', query_to_xml(format('SELECT count(*) AS rows FROM %I.%I', n.nspname, c.relname), false, true, '')))[1]::text::bigint
       ) ORDER BY n.nspname, c.relname), '[]') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema')`,
    ),
  ) as Contents["tables"];
  return {
    timeline: Number(timeline),
    postgresql,
    tables,
    indexes: await checkIndexes(server, database),
    canary: await canary(server),
  };
}

/** Every B-tree against its order, in a transaction that is rolled back: the extension was not there, and is not left there. */
async function checkIndexes(server: Kubernetes, database: string): Promise<Contents["indexes"]> {
  const there = await server.controlIn(database, "SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'");
  if (there === "0") return null;
  const answer = await server.controlIn(
    database,
    "SET client_min_messages = warning",
    "BEGIN",
    "CREATE EXTENSION IF NOT EXISTS amcheck",
    "CREATE TEMPORARY TABLE checked (index text, fault text) ON COMMIT DROP",
    `DO $check$
     DECLARE one record; place text := (SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'amcheck');
     BEGIN
       FOR one IN SELECT i.indexrelid::regclass AS index FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
         WHERE a.amname = 'btree' AND c.relkind = 'i' AND i.indisready AND i.indisvalid AND c.relpersistence = 'p'
       LOOP
         BEGIN
           EXECUTE format('SELECT %s.bt_index_check($1)', place) USING one.index;
           INSERT INTO checked VALUES (one.index::text, NULL);
         EXCEPTION WHEN OTHERS THEN
           INSERT INTO checked VALUES (one.index::text, SQLERRM);
         END;
       END LOOP;
     END $check$`,
    "SELECT json_build_object('checked', count(*), 'damaged', coalesce(json_agg(index || ': ' || fault) FILTER (WHERE fault IS NOT NULL), '[]')) FROM checked",
    "ROLLBACK",
  );
  return JSON.parse(answer) as Contents["indexes"];
}

async function canary(server: Kubernetes): Promise<string | null> {
  const there = await server.control(`SELECT count(*) FROM pg_database WHERE datname = ${literal(drillDatabase)}`);
  if (there === "0" || (await server.controlIn(drillDatabase, "SELECT to_regclass('canary') IS NOT NULL")) !== "t")
    return null;
  const newest = await server.controlIn(
    drillDatabase,
    `SELECT to_char(max(planted) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') FROM canary`,
  );
  return newest === "" ? null : newest;
}

/**
 * Whether the recovery ended where it was to end. Ready alone proves nothing: one version of the operator ended at the base backup's timeline without an
 * error (cloudnative-pg#10818).
 */
export function endedWhereAsked(target: Target, plan: RecoveryPlan, progress: Progress): Check[] {
  const { lastCommit, stoppedBefore, segment, consistent } = progress;
  const commit = lastCommit === undefined ? undefined : targetTime(lastCommit, "UTC");
  const at = commit !== undefined && "instant" in commit ? commit.instant : undefined;
  switch (target.kind) {
    case "time":
      return [
        {
          check: "no commit later than the target",
          passed: at === undefined || at.milliseconds <= target.instant.milliseconds,
          detail: at === undefined ? "no commit was replayed" : `the last one is of ${at.text}`,
        },
        {
          check: "the target was reached",
          passed: stoppedBefore !== undefined,
          detail:
            stoppedBefore === undefined
              ? "PostgreSQL did not say that it stopped for the target"
              : `it stopped at the commit of ${stoppedBefore}`,
        },
      ];
    case "latest": {
      const last = plan.segments.at(-1) ?? "";
      // On a later timeline the same place has another first part of its name.
      const passed =
        segment !== undefined && segment.slice(8) >= last.slice(8) && segment.slice(0, 8) >= last.slice(0, 8);
      return [
        {
          check: "all WAL was replayed",
          passed,
          detail: `up to ${segment ?? "none"}; the archive's last was ${last}`,
        },
      ];
    }
    case "backup":
      return [
        {
          check: "the base backup alone was recovered",
          passed: consistent === true,
          detail:
            consistent === true
              ? `it stopped where ${plan.backup.id} is consistent`
              : "PostgreSQL did not say that it stopped there",
        },
      ];
  }
}

/** What the contents themselves show. */
export function soundContents(target: Target, { indexes, canary: newest }: Contents): Check[] {
  const checks: Check[] = [];
  if (indexes !== null) {
    const { checked, damaged } = indexes;
    checks.push({
      check: "indexes are sound (amcheck)",
      passed: damaged.length === 0,
      detail: damaged.length === 0 ? `${checked} checked` : damaged.join("; "),
    });
  }
  if (newest !== null && target.kind === "time") {
    checks.push({
      check: "no row of the restore drill is later than the target",
      passed: Date.parse(newest) <= target.instant.milliseconds,
      detail: `the newest is of ${newest}`,
    });
  }
  return checks;
}
