\set warnings `cat "$WORK/warnings.json"`
SELECT jsonb_build_object(
  'run', :'run',
  'completed', to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
  'source', jsonb_build_object('where', :'source', 'version', :'source_version', 'bytes', :source_bytes),
  'target', jsonb_build_object('database', :'target', 'version', current_setting('server_version')),
  'phases', (SELECT jsonb_agg(jsonb_build_object('phase', phase, 'seconds', round(extract(epoch FROM coalesce(finished, clock_timestamp()) - started), 1), 'detail', detail) ORDER BY started)
               FROM naytife_migration.phase WHERE run = :'run'),
  'tables', (SELECT coalesce(jsonb_agg(jsonb_build_object('table', name, 'rows', value -> 'rows', 'hash', value -> 'hash') ORDER BY name), '[]')
               FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'target' AND kind = 'table'),
  'compared', (SELECT jsonb_object_agg(kind, many) FROM (SELECT kind, count(*) AS many FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'target' GROUP BY kind) AS kinds),
  'rows', (SELECT coalesce(sum((value ->> 'rows')::bigint), 0) FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'target' AND kind = 'table'),
  'schema', jsonb_build_object('equal', true, 'sha256', :'schema_hash'),
  'sourceUnchanged', :'proof',
  'dump', jsonb_build_object('directory', :'dump', 'bytes', :dump_bytes, 'sha256', :'dump_hash'),
  'warnings', :'warnings'::jsonb
);
