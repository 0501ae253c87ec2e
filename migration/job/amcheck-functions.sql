-- What amcheck.sql's list is run with: functions of the session's own, made from amcheck's library. No extension is made, so that a comparison leaves nothing in the
-- database that it reads, whatever ends it. `check_toast` is off: every value was read by the hashes, and TOAST tables and their indexes are checked as any other.
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
