-- For the scripts after it, on the source, as the variable `followed`: a query of all tables that hold rows of their own, as `source`; as `target` where their
-- rows go in, which for a hash partition is the topmost table that is partitioned so; `filter`, of an extension's table; and `followed`, whether an online copy
-- can follow their changes: logged, of no extension, and with a key, whose columns find a row on the other side. A table that is published without one would
-- refuse its UPDATEs to the application. REPLICA IDENTITY FULL is none: a value may have no equality, and each change would read the whole table.
SELECT $followed$
  SELECT c.oid::regclass AS source, t.target::regclass AS target, x.filter, pg_table_size(c.oid) AS bytes,
         c.relpersistence = 'p' AND NOT x.known AND NOT EXISTS (
           SELECT FROM (SELECT c.oid, c.relreplident UNION SELECT p.relid, l.relreplident FROM pg_partition_tree(t.target) AS p JOIN pg_class l ON l.oid = p.relid) AS member
            WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = member.oid AND i.indisvalid AND i.indimmediate AND CASE member.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident AND t.target = c.oid END)) AS followed
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
         LATERAL (SELECT coalesce((SELECT h.partrelid FROM pg_partition_ancestors(c.oid) WITH ORDINALITY AS ancestor (oid, place) JOIN pg_partitioned_table h ON h.partrelid = ancestor.oid AND h.partstrat = 'h'
                    ORDER BY place DESC LIMIT 1), c.oid) AS target) AS t,
         LATERAL (SELECT coalesce(max(nullif(condition, '')), '') AS filter, count(*) > 0 AS known
                    FROM (SELECT unnest(extconfig) AS oid, unnest(extcondition) AS condition FROM pg_extension WHERE extname <> 'pg_stat_statements') AS configured WHERE configured.oid = c.oid) AS x
   WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND c.oid >= 16384 AND n.nspname NOT LIKE 'pg\_toast%'
     AND (x.known OR NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
$followed$ AS followed \gset
