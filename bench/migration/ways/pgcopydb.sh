#!/usr/bin/env bash
# pgcopydb as this machine's PATH has it. It vacuums and analyzes by itself, beside the copy.
# shellcheck source=/dev/null
. /bench/common.sh
at begun
/program/pgcopydb clone --source "postgresql://naytife@postgres/naytifedb" \
  --target "postgresql://postgres@naytife-postgres-rw/naytifedb?sslmode=verify-full&sslrootcert=/target-ca/ca.crt" \
  --dir "$WORK/pgcopydb" --table-jobs "$JOBS" --index-jobs "$JOBS" --split-tables-larger-than 32MB >"$WORK/pgcopydb.log" 2>&1 || {
  tail -n 20 "$WORK/pgcopydb.log"
  echo "error: pgcopydb ended with an error" >>"$COMPLAINTS"
}
grep -E ' (ERROR|FATAL) ' "$WORK/pgcopydb.log" >>"$COMPLAINTS" || true
at moved
compare
at compared
