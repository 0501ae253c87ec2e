-- What is not the same on both sides, at most forty, named. A password, a setting's value, a comment and a row are never shown, only that they differ.
-- Kinds that may differ are warnings (warnings.sql, foreseen.sql); state.sql says which they are.
WITH differences AS (
  SELECT kind, name, row_number() OVER (ORDER BY kind, name) AS place, format('%s %s: %s', kind, name, CASE
      WHEN target IS NULL THEN 'missing in the copy'
      WHEN source IS NULL THEN 'only in the copy'
      ELSE (SELECT string_agg(CASE
                WHEN key = 'password' THEN 'another password'
                WHEN key = 'hash' THEN 'other contents'
                WHEN key = 'comment' THEN 'another comment'
                WHEN kind = 'setting' THEN 'another value'
                WHEN key = 'equality' THEN 'other values are equal to each other than in the source'
                ELSE format('%s is %s in the source and %s in the copy', key, s.value, coalesce(t.value, 'null')) END, ', ')
              FROM jsonb_each(CASE jsonb_typeof(source) WHEN 'object' THEN source ELSE jsonb_build_object('value', source) END) s
              LEFT JOIN jsonb_each(CASE jsonb_typeof(target) WHEN 'object' THEN target ELSE jsonb_build_object('value', target) END) t USING (key)
             WHERE s.value IS DISTINCT FROM t.value) END) AS what
    FROM naytife_migration.difference WHERE target_database = :'target' AND NOT may_differ
)
SELECT string_agg(what, '; ' ORDER BY place) FILTER (WHERE place <= 40) || CASE WHEN count(*) > 40 THEN format('; and %s more', count(*) - 40) ELSE '' END FROM differences;
