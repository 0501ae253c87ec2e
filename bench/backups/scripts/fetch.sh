# fetch.sh SEGMENT...: as a server in recovery fetches them, by the restore_command that the operator gives it. In the container of PostgreSQL.
# shellcheck shell=bash
rm -rf "$SCRATCH"
mkdir -p "$SCRATCH"
empty_spool
said begun
for segment; do
  # Its words are a log in JSON.
  if ! words=$(/controller/manager wal-restore "$segment" "$SCRATCH/$segment" 2>&1); then
    tail -n 3 <<<"$words" >&2
    exit 1
  fi
done
said fetched
same "$@"
rm -rf "$SCRATCH"
