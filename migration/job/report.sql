\set warnings `cat "$WORK/warnings.json"`
SELECT jsonb_build_object(
  'run', :'run',
  'completed', to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
  'source', jsonb_build_object('where', :'source', 'version', :'source_version', 'bytes', :source_bytes, 'locale', :'source_locale'),
  'target', jsonb_build_object('database', :'target', 'version', current_setting('server_version'), 'locale', :'target_locale'),
  'tools', jsonb_build_array(:'pg_dump', :'pg_restore', :'psql'),
  'phases', (SELECT jsonb_agg(jsonb_build_object('phase', phase, 'seconds', round(extract(epoch FROM coalesce(finished, clock_timestamp()) - started), 1), 'detail', detail) ORDER BY started)
               FROM naytife_migration.phase WHERE run = :'run'),
  'tables', (SELECT coalesce(jsonb_agg(jsonb_build_object('table', name, 'rows', value -> 'rows', 'hash', value -> 'hash') ORDER BY name), '[]')
               FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'target' AND kind = 'table'),
  'compared', (SELECT jsonb_object_agg(kind, many) FROM (SELECT kind, count(*) AS many FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'target' GROUP BY kind) AS kinds),
  'rows', (SELECT coalesce(sum((value ->> 'rows')::bigint), 0) FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'target' AND kind = 'table'),
  'schema', jsonb_build_object('equal', true, 'sha256', :'schema_hash'),
  'verification', jsonb_build_object('seconds', round(:milliseconds / 1000.0, 1), 'bytes', :compared_bytes, 'bytesPerSecond', :compared_bytes::bigint * 1000 / (:milliseconds + 1), 'workersPerSide', :jobs,
    -- rollback.sh goes by these words.
    'rowHash', CASE :'hash' WHEN 'builtin' THEN 'two sums of 64-bit hashes' ELSE 'two sums of the halves of MD5' END),
  'text', (SELECT jsonb_build_object('probes', count(*), 'differing', count(*) FILTER (WHERE differs)) FROM (
      SELECT count(*) <> 2 OR count(DISTINCT value) > 1 AS differs FROM naytife_migration.fact
       WHERE target_database = :'target' AND kind IN ('text order', 'index order', 'letter case', 'character class', 'text search', 'unique text index') GROUP BY kind, name) AS probes),
  'amcheck', (SELECT CASE WHEN count(*) > 0 THEN jsonb_build_object('tables', count(*) FILTER (WHERE kind = 'amcheck of a table'), 'indexes', count(*) FILTER (WHERE kind = 'amcheck of an index'), 'damaged', count(*) FILTER (WHERE value <> 'null')) END
               FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'check'),
  'online', CASE WHEN :'snapshot' <> '' THEN jsonb_build_object('counted', false, 'snapshot', :'snapshot', 'freeze', :'freeze', 'frozenSeconds', round(extract(epoch FROM clock_timestamp()) - :frozen_at / 1000.0, 1),
      'changedRows', (SELECT coalesce(sum((value ->> 'rows')::bigint), 0) FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'target' AND kind = 'changed rows'),
      'tables', (SELECT coalesce(jsonb_agg(name ORDER BY name), '[]') FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'target' AND kind = 'changed rows')) END,
  'extensions', (SELECT coalesce(jsonb_agg(jsonb_build_object('extension', name, 'source', source.value, 'target', target.value) ORDER BY name), '[]')
               FROM (SELECT name, value FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'source' AND kind = 'extension version') AS source
               FULL JOIN (SELECT name, value FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'target' AND kind = 'extension version') AS target USING (name)),
  'sourceUnchanged', :'proof',
  'dump', jsonb_build_object('directory', :'dump', 'bytes', :dump_bytes, 'sha256', :'dump_hash'),
  'warnings', :'warnings'::jsonb
);
