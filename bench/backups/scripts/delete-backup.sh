# delete-backup.sh BACKUP: from the store. In the sidecar.
# shellcheck shell=bash
read_keys
barman-cloud-backup-delete "${STORE[@]}" --backup-id "$1" "$DESTINATION" "$SERVER" >&2
