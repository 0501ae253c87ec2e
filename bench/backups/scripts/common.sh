# Stands before each of the scripts, which run by `bash -c` in a container of the primary. ENDPOINT, DESTINATION and SERVER say where the store is.
# shellcheck shell=bash disable=SC2034 # the scripts use it
set -euo pipefail

# Beside the server's data, in its volume.
SCRATCH=/var/lib/postgresql/data/bench
STORE=(--cloud-provider aws-s3 --endpoint-url "$ENDPOINT")

# said STEP: when it was done.
said() { printf 'at %s %s\n' "$1" "$(date +%s.%N)"; }

# read_keys: the store's, from standard input, which is in no command and in no log.
read_keys() {
  IFS= read -r AWS_ACCESS_KEY_ID
  IFS= read -r AWS_SECRET_ACCESS_KEY
  export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
  # The image's own files cannot be written; this is where the plugin has its temporary files.
  export TMPDIR=/controller/backup
  mkdir -p "$TMPDIR"
}

# said_cpu: what this shell and its commands took, as the kernel counts it.
said_cpu() { printf 'cpu %s\n' "$(<"/proc/$$/stat")"; }

# empty_spool: the plugin takes what lies there for archived, or for fetched; an attempt that failed may have left something.
empty_spool() { rm -f /controller/wal-restore-spool/*; }

# same SEGMENT...: whether what was fetched is what lies in the WAL's own folder.
same() {
  local segment
  for segment; do
    cmp "$PGDATA/pg_wal/$segment" "$SCRATCH/$segment"
  done
}
