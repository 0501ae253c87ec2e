# fetch-by-hand.sh SEGMENT...: one after the other. In the sidecar.
# shellcheck shell=bash
read_keys
rm -rf "$SCRATCH"
mkdir -p "$SCRATCH"
said begun
for segment; do
  barman-cloud-wal-restore "${STORE[@]}" "$DESTINATION" "$SERVER" "$segment" "$SCRATCH/$segment" >&2
done
said fetched
said_cpu
same "$@"
rm -rf "$SCRATCH"
