-- Runs on the primary: in what the copy differs from what was recorded, and what is damaged in it, at most forty; empty if in nothing. No row is shown.
WITH recorded AS (
  SELECT kind, name, value FROM fact WHERE drill = :'drill' AND side = 'primary' AND kind IN ('table', 'refreshed rows')
), restored AS (
  SELECT kind, name, value FROM fact WHERE drill = :'drill' AND side = 'restored' AND kind IN ('table', 'refreshed rows')
), sequences AS (
  -- Where each stands, in the direction in which it counts; as far as the WAL is ahead of it. sequences.sql says why these are its bounds.
  SELECT name, max(at) FILTER (WHERE kind = 'sequence before') AS earliest, max(at + ahead) FILTER (WHERE kind = 'sequence after') AS latest,
         max(at) FILTER (WHERE kind = 'sequence') AS stands, max(direction) AS direction,
         -- Somebody set it back in that very time, and it may have stood anywhere.
         coalesce(max(at) FILTER (WHERE kind = 'sequence before') > max(at) FILTER (WHERE kind = 'sequence after'), false) AS set_back
    FROM fact, LATERAL (SELECT (value ->> 'step')::numeric AS step) AS counted,
         LATERAL (SELECT sign(step) AS direction, sign(step) * (value ->> 'at')::numeric AS at, 32 * abs(step) AS ahead) AS turned
   WHERE drill = :'drill' AND kind IN ('sequence before', 'sequence after', 'sequence') GROUP BY name
), large AS (
  SELECT p.value AS recorded, r.value AS restored FROM fact p JOIN fact r USING (drill, kind, name)
   WHERE drill = :'drill' AND kind = 'large objects' AND p.side = 'primary' AND r.side = 'restored'
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
  SELECT format('sequence %s: %s', name, CASE
      WHEN stands IS NULL THEN 'missing'
      WHEN earliest IS NULL AND latest IS NULL THEN 'was not there'
      WHEN stands < earliest THEN format('at %s, and would give out again what it gave out up to %s', direction * stands, direction * earliest)
      ELSE format('at %s, and cannot have been beyond %s', direction * stands, direction * latest)
    END)
    FROM sequences
   -- One that was made or dropped in that very time is there or not.
   WHERE CASE WHEN stands IS NULL THEN earliest IS NOT NULL AND latest IS NOT NULL
              WHEN earliest IS NULL AND latest IS NULL THEN true
              ELSE NOT set_back AND (coalesce(stands < earliest, false) OR coalesce(stands > latest, false)) END
  UNION ALL
  SELECT 'large objects: ' || CASE
      WHEN restored -> 'objects' <> recorded -> 'objects' THEN format('%s, %s were recorded', restored -> 'objects', recorded -> 'objects')
      WHEN restored -> 'bytes' <> recorded -> 'bytes' THEN format('%s bytes, %s were recorded', restored -> 'bytes', recorded -> 'bytes')
      ELSE format('other contents in their %s bytes', restored -> 'bytes')
    END
    FROM large WHERE restored - 'hash' <> recorded - 'hash' OR restored ->> 'hash' <> recorded ->> 'hash'
  UNION ALL
  SELECT format('%s %s: %s', kind, name, value #>> '{}') FROM fact WHERE drill = :'drill' AND kind LIKE 'amcheck %' AND value <> 'null'
), numbered AS (
  SELECT what, row_number() OVER (ORDER BY what) AS place FROM found
)
SELECT string_agg(what, '; ' ORDER BY place) FILTER (WHERE place <= 40) || CASE WHEN count(*) > 40 THEN format('; and %s more', count(*) - 40) ELSE '' END FROM numbered;
