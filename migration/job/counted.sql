-- Runs on the target after the switch of an online run: the tables' rows and hashes of the freeze take the place of those of the snapshot, and the report is signed anew.
\getenv key SIGNING_KEY
UPDATE naytife_migration.marker SET report = counted, sha256 = encode(sha256(convert_to(counted::text, 'UTF8')), 'hex'), signature = naytife_migration.signature(counted, $1)
  FROM (SELECT report || jsonb_build_object('online', report -> 'online' || '{"counted": true}',
            'rows', (SELECT coalesce(sum((value ->> 'rows')::bigint), 0) FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'final' AND kind = 'table'),
            'tables', (SELECT coalesce(jsonb_agg(jsonb_build_object('table', name, 'rows', value -> 'rows', 'hash', value -> 'hash') ORDER BY name), '[]')
                         FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'final' AND kind = 'table')) AS counted
          FROM naytife_migration.marker WHERE target_database = :'target') AS told
 WHERE target_database = :'target' \bind :key \g
