-- How far the copy is, as a line for the engine: chunks that are committed, and what the server says of those under way. In bytes of the source.
WITH planned AS (
  SELECT target, to_regclass(target) AS relation, sum(bytes) AS total, coalesce(sum(bytes) FILTER (WHERE c.number IS NOT NULL), 0) AS done, coalesce(sum(c.rows) FILTER (WHERE number > 0), 0) AS rows
    FROM naytife_migration_copy.piece LEFT JOIN naytife_migration_copy.copied c USING (number) GROUP BY target
), now AS (
  SELECT relid, sum(bytes_processed) AS bytes, sum(tuples_processed) AS rows FROM pg_stat_progress_copy WHERE datname = current_database() GROUP BY relid
), so_far AS (
  SELECT target, total, least(total, done + coalesce(bytes, 0)) AS done, planned.rows + coalesce(now.rows, 0) AS rows, relid IS NOT NULL AS active
    FROM planned LEFT JOIN now ON relid = relation
)
SELECT json_build_object('phase', :'phase', 'event', 'progress', 'done', coalesce(sum(done), 0), 'total', coalesce(sum(total), 0), 'unit', 'bytes', 'rows', coalesce(sum(rows), 0),
  'tables', coalesce(json_agg(json_build_object('name', target, 'done', done, 'total', total, 'rows', rows) ORDER BY total DESC) FILTER (WHERE active), '[]'))
  FROM so_far;
