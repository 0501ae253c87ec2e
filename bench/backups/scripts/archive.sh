# archive.sh SEGMENT...: has the archiver archive them once more. In the container of PostgreSQL.
# shellcheck shell=bash
status=$PGDATA/pg_wal/archive_status
limit=$((SECONDS + 120))
empty_spool
said begun
for segment; do mv "$status/$segment.done" "$status/$segment.ready"; done
# It looks for work whenever it is woken, for whatever reason.
psql -XAtq -d postgres -c "SELECT pg_reload_conf()" >&2
for segment; do
  until [[ -e $status/$segment.done ]]; do
    if ((SECONDS > limit)); then
      echo "segment $segment was not archived within 120 s" >&2
      exit 1
    fi
    sleep 0.02
  done
done
said archived
