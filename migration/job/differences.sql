-- What is not the same on both sides, at most twenty, named. A role's password and a setting's value are never shown, only that they differ.
SELECT string_agg(what, '; ') FROM (
  SELECT format('%s %s: %s', kind, name, CASE
      WHEN target.value IS NULL THEN 'missing in the copy'
      WHEN source.value IS NULL THEN 'only in the copy'
      ELSE (SELECT string_agg(CASE WHEN key = 'password' THEN 'another password' WHEN key = 'hash' THEN 'other contents' WHEN kind = 'setting' THEN 'another value' ELSE format('%s is %s in the source and %s in the copy', key, s.value, coalesce(t.value, 'null')) END, ', ')
              FROM jsonb_each(CASE jsonb_typeof(source.value) WHEN 'object' THEN source.value ELSE jsonb_build_object('value', source.value) END) s
              LEFT JOIN jsonb_each(CASE jsonb_typeof(target.value) WHEN 'object' THEN target.value ELSE jsonb_build_object('value', target.value) END) t USING (key)
             WHERE s.value IS DISTINCT FROM t.value) END) AS what
    FROM (SELECT * FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'source' AND kind <> 'refreshed rows') AS source
    FULL JOIN (SELECT * FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'target' AND kind <> 'refreshed rows') AS target USING (kind, name)
   WHERE source.value IS DISTINCT FROM target.value
   ORDER BY kind, name LIMIT 20) AS differences;
