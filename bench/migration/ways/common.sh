# What every way's script begins with. It runs in a Job beside the target, in its operand image; what it prints is read by errand.ts.
# shellcheck shell=bash
set -euo pipefail
: "${WORK:=/work}" "${JOBS:?}"

# at NAME: a step is done now.
at() { printf 'at %s %s\n' "$1" "$(date +%s.%N)"; }

# The services `source` and `target`; superusers on both sides.
keep_alive=$'connect_timeout=15\napplication_name=naytife_bench'
export PGSERVICEFILE="$WORK/services" PGPASSFILE="$WORK/passwords"
umask 077
cat >"$PGSERVICEFILE" <<SERVICES
[source]
host=postgres
user=naytife
dbname=naytifedb
$keep_alive

[target]
host=naytife-postgres-rw
user=postgres
dbname=naytifedb
sslmode=verify-full
sslrootcert=/target-ca/ca.crt
$keep_alive
SERVICES
printf 'postgres:*:*:*:%s\nnaytife-postgres-rw:*:*:*:%s\n' "$SOURCE_PASSWORD" "$TARGET_PASSWORD" >"$PGPASSFILE"
unset SOURCE_PASSWORD TARGET_PASSWORD

# Tools that go past errors write them here; what they amount to the comparison says.
COMPLAINTS="$WORK/complaints"
: >"$COMPLAINTS"
trap 'grep -E "ERROR|error:|warning: errors ignored" "$COMPLAINTS" | sed "s/^/complaint /" || true' EXIT

analyze() { vacuumdb -d service=target --analyze-only -j "$JOBS" --quiet 2>>"$COMPLAINTS" || true; }

# compare: rows and order-free hashes of each table on both sides, by what the migration itself compares with, JOBS readers a side; and what belongs to tables.
compare() {
  local side worker reader readers=()
  # Everything that changes how a value is printed, as the migration pins it.
  local pinned="-c datestyle=ISO,MDY -c intervalstyle=postgres -c timezone=UTC -c extra_float_digits=1 -c bytea_output=hex -c xmloption=content -c lc_monetary=C -c lc_numeric=C -c lc_time=C -c search_path= -c row_security=off -c synchronize_seqscans=off"
  for side in source target; do
    PGOPTIONS=$pinned psql "service=$side" -XAtq -v ON_ERROR_STOP=1 -v hash=builtin -f /bench/row-hash.sql -f /bench/hashes.sql >"$WORK/pieces.$side"
    for ((worker = 0; worker < JOBS; worker++)); do
      PGOPTIONS=$pinned LIST="$WORK/pieces.$side" WORKER=$worker WORKERS=$JOBS psql "service=$side" -XAtq -v ON_ERROR_STOP=1 -f /bench/listed.sql >"$WORK/facts.$side.$worker" &
      readers+=($!)
    done
    PGOPTIONS=$pinned psql "service=$side" -XAtq -v ON_ERROR_STOP=1 -f /bench/objects.sql >"$WORK/facts.$side.objects"
  done
  for reader in "${readers[@]}"; do wait "$reader"; done
  for side in source target; do sed "s/^/fact $side /" "$WORK/facts.$side".*; done
}
