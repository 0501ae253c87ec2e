#!/usr/bin/env bash
# What the session that writes to the source reads from the target, by \copy … FROM PROGRAM: `hashes` and `rows` of the table in $TABLE, `pages` of large objects.
set -euo pipefail

ask() {
  psql service=target -X -A -t -q -v ON_ERROR_STOP=1 -v VERBOSITY=terse -v SHOW_CONTEXT=never -f "$SCRIPTS/return-$1.sql" </dev/null
}

if [[ $1 == rows ]]; then
  # A list of places stands in a statement: in pieces, so that neither side needs much memory for it.
  rm -f "$WORK"/return/places.*
  split -l 50000 -a 5 "$WORK/return/places" "$WORK/return/places."
  for piece in "$WORK"/return/places.*; do
    [[ -e $piece ]] || continue
    PLACES=$piece.json
    { echo '['; paste -sd, "$piece"; echo ']'; } >"$PLACES"
    export PLACES
    ask rows
    rm "$piece" "$PLACES"
  done
else
  ask "$1"
fi
