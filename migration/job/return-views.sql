-- Runs on the source, writes for it: fills the materialized views that differ anew, each after those that it reads.
\set views `cat "$WORK/return/views"`
WITH RECURSIVE reads AS (
  SELECT DISTINCT r.ev_class AS relation, d.refobjid AS of FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
   WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class
), below AS (
  SELECT c.oid AS view, c.oid AS relation, 0 AS depth FROM pg_class c WHERE relkind = 'm'
  UNION SELECT below.view, reads.of, depth + 1 FROM below JOIN reads USING (relation)
)
SELECT format('REFRESH MATERIALIZED VIEW %s;', name) FROM json_array_elements_text(:'views') AS name
 ORDER BY (SELECT max(depth) FROM below WHERE view = name::regclass), name;
