# archive-by-hand.sh SEGMENT...: one after the other, as PostgreSQL's archiver calls an archive_command. In the sidecar. COMPRESSION: empty for none.
# shellcheck shell=bash
read_keys
said begun
for segment; do
  barman-cloud-wal-archive "${STORE[@]}" ${COMPRESSION:+"--$COMPRESSION"} "$DESTINATION" "$SERVER" "$PGDATA/pg_wal/$segment" >&2
done
said archived
said_cpu
