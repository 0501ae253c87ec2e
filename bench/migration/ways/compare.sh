#!/usr/bin/env bash
# The comparison alone, for ways that have no script of ours.
# shellcheck source=/dev/null
. /bench/common.sh
# An instance may be ready for a moment before its Service leads to it.
for _ in $(seq 100); do
  if psql service=target -Xqc "SELECT" >/dev/null 2>&1; then break; fi
  sleep 0.1
done
at begun
compare
at compared
