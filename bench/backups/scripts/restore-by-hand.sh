# restore-by-hand.sh BACKUP: the files of a base backup, into the instance's own volume, and away. In the sidecar.
# shellcheck shell=bash
read_keys
rm -rf "$SCRATCH"
said begun
barman-cloud-restore "${STORE[@]}" "$DESTINATION" "$SERVER" "$1" "$SCRATCH" >&2
said fetched
rm -rf "$SCRATCH"
