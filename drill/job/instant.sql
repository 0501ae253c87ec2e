-- Runs on the primary, in the database that is compared: takes a snapshot together with the position in the WAL at which a restored copy holds exactly what the
-- snapshot shows, writes both to :answer, and keeps the snapshot until the file :done is there.
--
-- A snapshot taken while nothing is written to the WAL, and while no transaction is under way, shows everything that was committed before that position and nothing
-- else. Such an instant comes soon even on a busy server, microseconds are enough. Where none comes in ten seconds, transactions may be under way: those that the copy
-- takes for committed were just then committing, which check.sh finds out. Where the WAL is never quiet for even that long, it says so.
BEGIN;
DO $drill$
DECLARE
  began CONSTANT timestamptz := clock_timestamp();
  before pg_lsn;
  position pg_lsn;
  seen pg_snapshot;
  name text;
  quiet boolean;
BEGIN
  LOOP
    before := pg_current_wal_insert_lsn();
    SELECT pg_current_snapshot(), pg_current_wal_insert_lsn() INTO seen, position;
    quiet := before = position AND (clock_timestamp() > began + interval '10 seconds' OR NOT EXISTS (SELECT FROM pg_snapshot_xip(seen)));
    IF quiet OR clock_timestamp() > began + interval '20 seconds' THEN
      -- Another statement has another snapshot: it is looked at again.
      before := pg_current_wal_insert_lsn();
      SELECT pg_current_snapshot(), pg_export_snapshot(), pg_current_wal_insert_lsn() INTO seen, name, position;
      EXIT WHEN before = position AND (clock_timestamp() > began + interval '10 seconds' OR NOT EXISTS (SELECT FROM pg_snapshot_xip(seen)));
      EXIT WHEN clock_timestamp() > began + interval '20 seconds';
    END IF;
    PERFORM pg_sleep(0.001);
  END LOOP;
  PERFORM set_config('naytife_drill.instant', concat_ws(E'\t', name, position, before = position, (SELECT coalesce(string_agg(x::text, ','), '-') FROM pg_snapshot_xip(seen) AS x)), true);
END
$drill$;
SELECT current_setting('naytife_drill.instant') \g :answer
\setenv DONE :done
\! while [ ! -e "$DONE" ]; do sleep 0.2; done
COMMIT;
