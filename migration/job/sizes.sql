-- Runs on the source: how much there is to move, as one JSON object.
WITH relation AS (
  SELECT c.oid, c.relkind, c.oid::regclass::text AS name, c.reltuples FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND c.oid >= 16384 AND n.nspname NOT LIKE 'pg\_toast%'
)
SELECT json_build_object(
  'database', pg_database_size(current_database()),
  'tables', (SELECT coalesce(sum(pg_table_size(oid)), 0) FROM relation),
  'indexes', (SELECT coalesce(sum(pg_indexes_size(oid)), 0) FROM relation),
  'largeObjects', pg_table_size('pg_largeobject'),
  'count', (SELECT count(*) FROM relation),
  -- What the server counted last; a table that was never analysed has no number.
  'largest', (SELECT coalesce(json_agg(l), '[]') FROM (
    SELECT name AS "table", pg_table_size(oid) AS bytes, pg_indexes_size(oid) AS indexes, CASE WHEN reltuples >= 0 THEN reltuples::bigint END AS rows
      FROM relation ORDER BY pg_table_size(oid) DESC, name LIMIT 10) AS l));
