# Whether the copy is what was recorded.
# shellcheck shell=bash disable=SC2034 # the parts share their variables

check() {
  local found=() committed=0 differences next damaged
  next="Do not count on the backups before this is understood: what was restored is not what was there. \`npm run recover\` restores a copy to look at; the application's database was not touched."
  remember measured databaseBytes "$(await_superuser)"
  [[ $(sql copy_drill -v drill="$DRILL" <<<"SELECT count(*) FROM canary WHERE drill = :'drill';") == 1 ]] ||
    found+=("the row that was written and archived before is missing")
  [[ $(sql copy_drill -v drill="$DRILL" <<<"SELECT count(*) FROM afterwards WHERE drill = :'drill';") == 0 ]] ||
    found+=("the recovery did not stop at WAL position $TARGET_POSITION: a row is there that was written later")
  # What was just then committing is in the copy, and not in the record.
  if [[ $UNDER_WAY != - ]]; then
    committed=$(sql copy_drill -v xids="$UNDER_WAY" <<<"SELECT count(*) FROM unnest(string_to_array(:'xids', ',')) AS x WHERE pg_xact_status(x::xid8) = 'committed';")
  fi
  TO_READ=$(sql copy -f "$SCRIPTS/to-read.sql")
  rm -f "$WORK/source.lines"
  watched reading read_tables copy
  watched reading read_large_objects copy
  sql copy -v kind=sequence -f "$SCRIPTS/sequences.sql" >>"$WORK/copy.lines"
  sql copy_superuser -f "$SCRIPTS/amcheck.sql" >"$WORK/amcheck.pieces"
  LIST="$WORK/amcheck.pieces" watched checking sql copy_superuser -o "$WORK/amcheck.lines" -f "$SCRIPTS/amcheck-functions.sql" -f "$SCRIPTS/listed.sql"
  cat "$WORK/copy.lines" "$WORK/amcheck.lines" | sql primary -v drill="$DRILL" -v side=restored -f "$SCRIPTS/gather.sql"
  differences=$(sql primary -v drill="$DRILL" -f "$SCRIPTS/differences.sql")
  if [[ -n $differences && ($committed -gt 0 || $QUIET != t) ]]; then
    found+=("the record cannot be compared exactly, since writes went on in the very instant of it: $differences")
    if ((${#found[@]} == 1)); then next="Run \`npm run drill\` again, at a quieter time."; fi
  elif [[ -n $differences ]]; then
    found+=("the restored copy is not what was recorded: $differences")
  fi
  if ((${#found[@]} > 0)); then fail "$(printf '%s; ' "${found[@]}" | sed 's/; $//')" "$next"; fi
  CHECKED_TOLD="$(sql primary -v drill="$DRILL" -v side=restored -f "$SCRIPTS/told.sql") are what was recorded, "
  CHECKED_TOLD+=$(sql primary -v drill="$DRILL" <<<"SELECT format('files of %s tables and %s indexes are sound', count(*) FILTER (WHERE kind = 'amcheck of a table'), count(*) FILTER (WHERE kind = 'amcheck of an index')) FROM fact WHERE drill = :'drill';")
}

# await_superuser: the bytes of all databases, which says as well that the operator has given the superuser of the copy its password.
await_superuser() {
  until sql copy_superuser -c "SELECT sum(pg_database_size(oid)) FROM pg_database" 2>"$WORK/superuser"; do
    in_time "the superuser of the throw-away Cluster could not log in: $(tail -n 1 "$WORK/superuser")"
    sleep 1
  done
}

checking() {
  progress "$(sed -n 's/^{"bytes" : \([0-9]*\),.*/\1/p' "$WORK/amcheck.lines" | awk '{ sum += $1 } END { printf "%d", sum }')" null bytes "amcheck"
}
