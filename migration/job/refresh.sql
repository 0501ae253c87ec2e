-- Runs on the source, writes for the staging database: the materialized views that hold rows, each after those that it reads.
WITH RECURSIVE reads AS (
  SELECT r.ev_class AS relation, d.refobjid AS used
    FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class
   WHERE r.ev_type = '1'
), depth AS (
  SELECT oid AS relation, 0 AS depth FROM pg_class WHERE relkind IN ('v', 'm') AND oid >= 16384
  UNION SELECT reads.relation, depth + 1 FROM reads JOIN depth ON depth.relation = reads.used
)
SELECT format('REFRESH MATERIALIZED VIEW %s;', oid::regclass)
  FROM depth JOIN pg_class ON oid = relation
 WHERE relkind = 'm' AND relispopulated AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = oid AND d.deptype = 'e')
 GROUP BY oid ORDER BY max(depth), oid;
