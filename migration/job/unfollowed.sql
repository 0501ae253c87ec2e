-- What an online run copies again while clients wait, if it is much, in words. ASCII, since it passes through the source's encoding.
SELECT format('tables without a primary key, unlogged ones and those with REPLICA IDENTITY FULL cannot be followed and are copied again in the freeze, %s: %s', pg_size_pretty(sum(bytes)), replace(left(string_agg(target::text, ', ' ORDER BY bytes DESC), 500), E'\n', ' '))
  FROM (:followed) AS f WHERE NOT followed HAVING sum(bytes) > 16 * 1024 * 1024;
SELECT format('large objects cannot be followed and are copied again in the freeze, %s', pg_size_pretty(pg_table_size('pg_largeobject'))) WHERE pg_table_size('pg_largeobject') > 16 * 1024 * 1024;
