-- The switch back: from this row's COMMIT on the source is the database.
\set warnings `cat "$WORK/warnings.json"`
UPDATE naytife_migration.marker SET rolled_back = clock_timestamp(), rollback = jsonb_build_object(
  'run', :'run',
  'rolledBack', to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
  'heldMilliseconds', :held,
  'tablesCarried', :tables,
  'phases', (SELECT jsonb_agg(jsonb_build_object('phase', phase, 'seconds', round(extract(epoch FROM coalesce(finished, clock_timestamp()) - started), 1), 'detail', detail) ORDER BY started)
               FROM naytife_migration.phase WHERE run = :'run'),
  'rows', (SELECT coalesce(sum((value ->> 'rows')::bigint), 0) FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'source' AND kind = 'table'),
  'warnings', :'warnings'::jsonb
) WHERE target_database = :'target' AND rolled_back IS NULL AND retain_ended IS NULL RETURNING 'turned';
