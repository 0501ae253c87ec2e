-- One line for each piece of a relation that stores rows: partitions leaf by leaf, populated materialized views, unlogged tables, what an extension lets
-- its users fill. Count, and two sums of 64 bits of each row's hash: the order of the rows does not matter, and a changed, missing or doubled row does.
-- row-hash.sql says how a row is hashed.
-- A hash partition is counted to its parent, in the parent's order of columns: hashes of an enum follow the values' OIDs, so its rows lie in other leaves
-- after any restore. A materialized view is filled anew by the restore from tables that are compared; its rows on the source may be stale, so they are a
-- kind of their own. Big tables come in pieces of 32 MB, by ranges of pages (from source 14 on, before which every piece would read the whole table).
-- Runs on either side and makes the list, a JSON string for each piece; listed.sql runs it. One list for all workers: autovacuum changes sizes, and a list
-- that each makes for itself would then have one table twice and another not at all.
SELECT to_json(format(CASE WHEN up_to <= :hash_limit THEN :'template' ELSE :'counting' END,
  CASE relkind WHEN 'm' THEN 'refreshed rows' ELSE 'table' END, coalesce(parent, relation)::regclass, CASE relkind WHEN 'r' THEN 'ONLY ' ELSE '' END || relation,
  CASE WHEN pieces > 1 THEN format('WHERE ctid >= ''(%s,0)'' AND ctid < ''(%s,0)''', piece * pages, CASE piece WHEN pieces - 1 THEN 4294967295 ELSE (piece + 1) * pages END) ELSE filter END,
  bytes / pieces, '::' || parent))
FROM (
  SELECT *, row_number() OVER (ORDER BY bytes / pieces DESC, relation, piece) AS place
    FROM (
      SELECT *, sum(bytes) OVER (ORDER BY bytes, relation) AS up_to, CASE WHEN :SERVER_VERSION_NUM >= 140000 AND filter = '' THEN least(bytes / 33554432 + 1, greatest(relation_pages, 1)) ELSE 1 END AS pieces
        FROM (
          SELECT c.oid::regclass AS relation, c.relkind, coalesce(x.filter, '') AS filter, pg_table_size(c.oid) AS bytes, pg_relation_size(c.oid) / current_setting('block_size')::int AS relation_pages,
                 (SELECT a.relid FROM pg_partition_ancestors(c.oid) WITH ORDINALITY AS a (relid, depth) JOIN pg_partitioned_table h ON h.partrelid = a.relid WHERE h.partstrat = 'h' AND a.relid <> c.oid ORDER BY depth DESC LIMIT 1)::regclass AS parent
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN (SELECT unnest(extconfig) AS oid, unnest(extcondition) AS filter FROM pg_extension WHERE extname <> 'pg_stat_statements') x ON x.oid = c.oid
           WHERE (c.relkind = 'r' OR c.relkind = 'm' AND c.relispopulated) AND c.relpersistence <> 't' AND c.oid >= 16384 AND n.nspname NOT LIKE 'pg\_toast%'
             AND (x.oid IS NOT NULL OR NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
        ) AS relations
    ) AS sized, generate_series(0, pieces - 1) AS piece, LATERAL (SELECT (relation_pages + pieces - 1) / pieces AS pages) AS divided
) AS listed ORDER BY place;
