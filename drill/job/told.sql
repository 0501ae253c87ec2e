-- Runs on the primary: what was read on a side, in words, without what no backup holds.
SELECT format('%s tables, %s rows, %s sequences, %s large objects',
    count(*) FILTER (WHERE kind IN ('table', 'refreshed rows')), coalesce(sum((value ->> 'rows')::bigint), 0),
    count(*) FILTER (WHERE kind IN ('sequence', 'sequence before')), coalesce(sum((value ->> 'objects')::bigint), 0))
  FROM fact AS f WHERE drill = :'drill' AND side = :'side' AND NOT EXISTS (SELECT FROM fact AS u WHERE u.drill = f.drill AND u.kind = 'unlogged' AND u.name = f.name);
