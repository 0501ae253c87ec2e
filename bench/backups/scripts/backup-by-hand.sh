# backup-by-hand.sh [OPTION...]: a base backup with the options that the plugin gives. In the sidecar, which knows where the server listens.
# shellcheck shell=bash
read_keys
said begun
barman-cloud-backup --user postgres --immediate-checkpoint "$@" "${STORE[@]}" "$DESTINATION" "$SERVER" >&2
said stored
