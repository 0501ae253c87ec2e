#!/usr/bin/env bash
# pg_dump -Fd -j and pg_restore -j, by way of the Job's disk; uncompressed, which is fastest here.
# shellcheck source=/dev/null
. /bench/common.sh
at begun
pg_dump -d service=source -Fd -j "$JOBS" --compress=none -f "$WORK/dump" 2>>"$COMPLAINTS"
at dumped
pg_restore -d service=target -j "$JOBS" "$WORK/dump" 2>>"$COMPLAINTS" || true
at restored
analyze
at analyzed
compare
at compared
