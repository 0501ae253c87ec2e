-- One fact for each relation that stores rows: partitions leaf by leaf, populated materialized views, unlogged tables, what an extension lets its users
-- fill. Count, and two sums of 64 bits of each row's MD5: the order of the rows does not matter, and a changed, missing or doubled row does.
-- A hash partition is compared as its parent: hashes of an enum follow the values' OIDs, so its rows lie in other leaves after any restore.
-- A materialized view is filled anew by the restore from tables that are compared; its rows on the source may be stale, so they are a kind of their own.
-- Runs on either side as worker :worker of :workers; `\gexec` runs each line that it makes.
SELECT format($query$SELECT json_build_object('kind', %6$L, 'name', %1$L, 'value', json_build_object('rows', count(*),
  'hash', coalesce(lpad(to_hex((sum(('x' || substr(h, 1, 16))::bit(64)::bigint) %% 9223372036854775808)::bigint), 16, '0'), '0') || coalesce(lpad(to_hex((sum(('x' || substr(h, 17, 16))::bit(64)::bigint) %% 9223372036854775808)::bigint), 16, '0'), '0')))
  FROM (SELECT md5(%2$s) AS h FROM %5$s AS naytife_row %4$s) AS hashed$query$,
  relation, CASE WHEN :'convert' = 'yes' THEN $$convert_to((naytife_row.*)::text, 'UTF8')$$ ELSE '(naytife_row.*)::text' END, relation, filter,
  CASE relkind WHEN 'r' THEN 'ONLY ' || relation ELSE relation END, CASE relkind WHEN 'm' THEN 'refreshed rows' ELSE 'table' END)
FROM (
  SELECT c.oid::regclass::text AS relation, c.relkind, coalesce(x.filter, '') AS filter, row_number() OVER (ORDER BY CASE WHEN c.relkind = 'p' THEN 1e18 ELSE pg_relation_size(c.oid) END DESC, c.oid) AS place
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN (SELECT unnest(extconfig) AS oid, unnest(extcondition) AS filter FROM pg_extension WHERE extname <> 'pg_stat_statements') x ON x.oid = c.oid
   WHERE (c.relkind = 'r' OR c.relkind = 'm' AND c.relispopulated OR c.relkind = 'p' AND EXISTS (SELECT FROM pg_partitioned_table h WHERE h.partrelid = c.oid AND h.partstrat = 'h'))
     AND NOT EXISTS (SELECT FROM pg_partition_ancestors(c.oid) a JOIN pg_partitioned_table h ON h.partrelid = a.relid WHERE h.partstrat = 'h' AND a.relid <> c.oid) AND c.relpersistence <> 't' AND c.oid >= 16384 AND n.nspname NOT LIKE 'pg\_toast%'
     AND (x.oid IS NOT NULL OR NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
) AS relations WHERE place % :workers = :worker ORDER BY place
\gexec
