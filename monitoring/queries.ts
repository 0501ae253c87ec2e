import { stringify } from "yaml";

/** How many statements are followed: those that took the longest. Each is two series of the primary. */
const followedStatements = 50;

/**
 * What the operator's own queries do not tell, in the form of config/manager/default-monitoring.yaml. The instance manager runs them as
 * cnpg_metrics_exporter, a member of pg_monitor, read-only, with search_path pg_catalog, public, and keeps the answers for half a minute.
 *
 * No text of a statement leaves the database: texts hold customers' data. A queryid leads to it: see the runbook of PostgreSQLQueriesSlow.
 */
const queries = {
  naytife_statements: {
    primary: true,
    target_databases: ["postgres"],
    predicate_query: "SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'pg_stat_statements')",
    // showtext false: the file of texts is not read.
    query: [
      "SELECT queryid::text AS queryid, pg_catalog.sum(calls) AS calls, pg_catalog.sum(total_exec_time) / 1000 AS exec_seconds",
      "FROM pg_stat_statements(false)",
      "WHERE toplevel AND queryid IS NOT NULL",
      `GROUP BY queryid ORDER BY pg_catalog.sum(total_exec_time) DESC LIMIT ${followedStatements}`,
    ].join("\n"),
    metrics: [
      { queryid: { usage: "LABEL", description: "Identifier of the statement" } },
      { calls: { usage: "COUNTER", description: "How often it was executed" } },
      { exec_seconds: { usage: "COUNTER", description: "Time spent executing it, in seconds" } },
    ],
  },
  naytife_timeline: {
    target_databases: ["postgres"],
    // The control file of a replica lags behind until its next restart point; what it receives does not.
    query: [
      "SELECT CASE WHEN pg_catalog.pg_is_in_recovery()",
      "THEN COALESCE((SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver), (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()))",
      "ELSE ('x' || pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8))::pg_catalog.bit(32)::pg_catalog.int4",
      "END AS id",
    ].join("\n"),
    metrics: [{ id: { usage: "GAUGE", description: "Timeline that the instance writes, or follows" } }],
  },
};

/** The key of the ConfigMap that holds the queries. */
export const queriesKey = "queries";

/** The queries as the operator reads them: `spec.monitoring.customQueriesConfigMap`. */
export function customQueries(): string {
  return stringify(queries, { lineWidth: 0 });
}

/** Each query's SQL by its name, for the tests that run it. */
export function queryTexts(): Record<string, string> {
  return Object.fromEntries(Object.entries(queries).map(([name, { query }]) => [name, query]));
}
