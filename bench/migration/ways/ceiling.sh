#!/usr/bin/env bash
# What this machine can do: each pipe copies its share of every big table and of the small ones, in one session a side; then all indexes and constraints at once.
# Nothing is resumable, kept, frozen or recorded, and large objects are left out.
# shellcheck source=/dev/null
. /bench/common.sh
: "${PIPES:?}" "${WORKERS:?}" "${MAINTENANCE_MEMORY:?}"
at begun
pg_dump -d service=source -Fc --schema-only -f "$WORK/definitions" 2>>"$COMPLAINTS"
pg_restore -d service=target --section=pre-data "$WORK/definitions" 2>>"$COMPLAINTS" || true
# As the migration: autovacuum comes when all is there.
autovacuum() {
  psql service=target -XAtq -c "SELECT format('ALTER TABLE %s $1;', oid::regclass) FROM pg_class WHERE relkind = 'r' AND oid >= 16384 AND relnamespace::regnamespace::text <> 'information_schema'" |
    psql service=target -Xq >/dev/null 2>>"$COMPLAINTS"
}
autovacuum "SET (autovacuum_enabled = off)"
at defined
shares=()
for ((share = 0; share < PIPES; share++)); do
  psql service=source -XAtq -v shares="$PIPES" -v share="$share" -f /bench/ceiling.sql 2>>"$COMPLAINTS" |
    PGOPTIONS="-c synchronous_commit=off" psql service=target -Xq 2>>"$COMPLAINTS" >/dev/null &
  shares+=($!)
done
for share in "${shares[@]}"; do wait "$share"; done
psql service=source -XAtq -c "SELECT format('SELECT setval(%L, %s);', format('%I.%I', schemaname, sequencename), last_value) FROM pg_sequences WHERE last_value IS NOT NULL" |
  psql service=target -Xq >/dev/null 2>>"$COMPLAINTS"
at copied
PGOPTIONS="-c synchronous_commit=off -c maintenance_work_mem=$MAINTENANCE_MEMORY -c max_parallel_maintenance_workers=$WORKERS" \
  pg_restore -d service=target --section=post-data -j "$JOBS" "$WORK/definitions" 2>>"$COMPLAINTS" || true
autovacuum "RESET (autovacuum_enabled)"
at indexed
analyze
at analyzed
compare
at compared
