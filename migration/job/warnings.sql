-- What differs and may, in words, one warning a line.
WITH differing AS (
  SELECT kind, name, source.value AS source, target.value AS target
    FROM (SELECT * FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'source') AS source
    FULL JOIN (SELECT * FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'target') AS target USING (kind, name)
   WHERE source.value IS DISTINCT FROM target.value
), named (kind, many, names) AS (
  SELECT kind, count(*), replace(left(string_agg(name || CASE kind WHEN 'extension version' THEN format(' %s → %s', coalesce(source #>> '{}', 'none'), coalesce(target #>> '{}', 'none')) ELSE '' END, ', ' ORDER BY name), 2000), E'\n', ' ')
    FROM differing GROUP BY kind
)
SELECT format('materialized views were stale on the source and are fresh in the copy: %s', names) FROM named WHERE kind = 'refreshed rows'
UNION ALL
SELECT format('extensions have other versions in the copy: %s', names) FROM named WHERE kind = 'extension version'
UNION ALL
SELECT format('rights on parameters of the server are not carried: %s', names) FROM named WHERE kind = 'parameter right'
UNION ALL
SELECT format('text sorts otherwise in the copy %s, so that ORDER BY and ranges give other results; indexes on text that it concerns%s',
    (SELECT format('(%s)', names) FROM named WHERE kind = 'text order'), coalesce((SELECT format(' (%s): %s', many, names) FROM named WHERE kind = 'index order'), ': none'))
  WHERE EXISTS (SELECT FROM named WHERE kind IN ('text order', 'index order'))
UNION ALL
SELECT format('%s in the copy (%s)', CASE kind WHEN 'letter case' THEN 'lower, upper or initcap of letters beyond ASCII come out otherwise'
                                               WHEN 'character class' THEN 'regular expressions and ILIKE take other characters for letters, digits or spaces'
                                               ELSE 'full-text search cuts text into other words' END, names)
  FROM named WHERE kind IN ('letter case', 'character class', 'text search')
UNION ALL
SELECT format('passwords kept as MD5, which PostgreSQL 18 warns of: %s', replace(left(string_agg(name, ', ' ORDER BY name), 2000), E'\n', ' '))
  FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'target' AND kind = 'role' AND value ->> 'kind of password' = 'md5' HAVING count(*) > 0;
