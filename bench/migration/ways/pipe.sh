#!/usr/bin/env bash
# The plan's way.
# shellcheck source=/dev/null
. /bench/common.sh
at begun
pg_dump -d service=source 2>>"$COMPLAINTS" | psql -d service=target -X -q >/dev/null 2>>"$COMPLAINTS" || true
at moved
analyze
at analyzed
compare
at compared
