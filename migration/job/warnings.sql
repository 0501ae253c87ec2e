-- What differs and may, in words, one warning a line: what only the comparison shows. foreseen.sql has the rest.
WITH named (kind, many, names) AS (
  SELECT kind, count(*), replace(left(string_agg(name, ', ' ORDER BY name), 2000), E'\n', ' ')
    FROM naytife_migration.difference WHERE target_database = :'target' GROUP BY kind
)
SELECT format('materialized views were stale on the source and are fresh in the copy: %s', names) FROM named WHERE kind = 'refreshed rows'
UNION ALL
SELECT format('text sorts otherwise in the copy %s, so that ORDER BY and ranges give other results; indexes on text that it concerns%s',
    (SELECT format('(%s)', names) FROM named WHERE kind = 'text order'), coalesce((SELECT format(' (%s): %s', many, names) FROM named WHERE kind = 'index order'), ': none'))
  WHERE EXISTS (SELECT FROM named WHERE kind IN ('text order', 'index order'))
UNION ALL
SELECT format('%s in the copy (%s)', CASE kind WHEN 'letter case' THEN 'lower, upper or initcap of letters beyond ASCII come out otherwise'
                                               WHEN 'character class' THEN 'regular expressions and ILIKE take other characters for letters, digits or spaces'
                                               ELSE 'full-text search cuts text into other words' END, names)
  FROM named WHERE kind IN ('letter case', 'character class', 'text search');
