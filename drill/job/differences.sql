-- Runs on the primary: in what the copy differs from what was recorded, and what is damaged in it, at most forty; empty if in nothing. No row is shown.
WITH recorded AS (
  SELECT kind, name, value FROM fact WHERE drill = :'drill' AND side = 'primary' AND kind <> 'unlogged'
), restored AS (
  SELECT kind, name, value FROM fact WHERE drill = :'drill' AND side = 'restored' AND kind NOT LIKE 'amcheck %'
), found AS (
  SELECT format('%s %s: %s', kind, name, CASE
      WHEN r.value IS NULL THEN 'missing'
      WHEN p.value IS NULL THEN 'was not there'
      WHEN r.value -> 'rows' <> p.value -> 'rows' THEN format('%s rows, %s were recorded', r.value -> 'rows', p.value -> 'rows')
      WHEN r.value ->> 'hash' <> p.value ->> 'hash' THEN format('other contents in its %s rows', r.value -> 'rows')
    END) AS what
    FROM recorded p FULL JOIN restored r USING (kind, name)
   WHERE (r.value IS NULL OR p.value IS NULL OR r.value -> 'rows' <> p.value -> 'rows' OR r.value ->> 'hash' <> p.value ->> 'hash')
     AND NOT EXISTS (SELECT FROM fact u WHERE u.drill = :'drill' AND u.kind = 'unlogged' AND u.name = coalesce(p.name, r.name))
  UNION ALL
  SELECT format('%s %s: %s', kind, name, value #>> '{}') FROM fact WHERE drill = :'drill' AND kind LIKE 'amcheck %' AND value <> 'null'
), numbered AS (
  SELECT what, row_number() OVER (ORDER BY what) AS place FROM found
)
SELECT string_agg(what, '; ' ORDER BY place) FILTER (WHERE place <= 40) || CASE WHEN count(*) > 40 THEN format('; and %s more', count(*) - 40) ELSE '' END FROM numbered;
