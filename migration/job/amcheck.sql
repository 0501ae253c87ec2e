-- PostgreSQL's own check of the copy's files, one line a relation: every btree index against its table, every table's tuples. Names and counts alone are told.
-- By functions of the session's own, made from amcheck's library: no extension is made, so that a comparison leaves nothing in the database that it reads,
-- whatever ends it. `check_toast` is off: every value was read by the hashes, and TOAST tables and their indexes are checked as any other.
-- Runs as worker :worker of :workers.
SET event_triggers = off;
CREATE FUNCTION pg_temp.bt_index_check(regclass, boolean) RETURNS void LANGUAGE c STRICT AS '$libdir/amcheck', 'bt_index_check';
CREATE FUNCTION pg_temp.verify_heapam(regclass, boolean, boolean, text, bigint, bigint, OUT blkno bigint, OUT offnum integer, OUT attnum integer, OUT msg text) RETURNS SETOF record LANGUAGE c AS '$libdir/amcheck', 'verify_heapam';
CREATE FUNCTION pg_temp.damage(relation regclass, kind "char") RETURNS text LANGUAGE plpgsql AS $body$
DECLARE found text;
BEGIN
  IF kind = 'i' THEN
    PERFORM pg_temp.bt_index_check(relation, true);
  ELSE
    SELECT count(*) || ' damaged places, the first: ' || min(format('block %s, %s', blkno, msg)) INTO found FROM pg_temp.verify_heapam(relation, false, false, 'none', NULL, NULL) HAVING count(*) > 0;
  END IF;
  RETURN found;
EXCEPTION WHEN OTHERS THEN
  RETURN SQLERRM;
END
$body$;
SELECT format('SELECT json_build_object(''bytes'', %s, ''kind'', %L, ''name'', %L, ''value'', pg_temp.damage(%s, %L))', pg_relation_size(oid), CASE relkind WHEN 'i' THEN 'amcheck of an index' ELSE 'amcheck of a table' END, oid::regclass, oid, relkind)
FROM (
  SELECT c.oid, c.relkind, row_number() OVER (ORDER BY pg_relation_size(c.oid) DESC, c.oid) AS place
    FROM pg_class c JOIN pg_am a ON a.oid = c.relam LEFT JOIN pg_index i ON i.indexrelid = c.oid
   WHERE c.oid >= 16384 AND c.relpersistence <> 't' AND (c.relkind IN ('r', 'm', 't') AND a.amname = 'heap' OR c.relkind = 'i' AND a.amname = 'btree' AND i.indisvalid AND i.indisready)
) AS checked WHERE place % :workers = :worker ORDER BY place
\gexec
