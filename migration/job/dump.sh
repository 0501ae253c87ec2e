# The backup: a dump in directory format on a volume that is kept. It is made of the copy's snapshot, beside the comparison and at low priority: until the copy is whole
# nothing shall hold that up, and nothing is switched before the dump is whole.
# shellcheck shell=bash disable=SC2034 # the parts share their variables

# dump_beside: starts the dump. await_dump: waits for its end, unless that is known already.
dump_beside() {
  beside dump_or_tell
  DUMPER=$!
}
await_dump() {
  local phase=$PHASE
  if [[ -z $DUMPER ]]; then return; fi
  PHASE=dump
  wait "$DUMPER" || exit 1
  DUMPER=
  still_frozen
  DUMP_DIRECTORY="$DUMP/$(recall dump)"
  PHASE=$phase
}

# dump_or_tell: a failure ends the whole run, whatever it does now.
dump_or_tell() {
  trap 'tell_failure $? "phase dump"' EXIT
  dump
}
tell_failure() {
  if [[ $1 == 0 ]]; then return; fi
  sleep 0.2
  [[ -s $WORK/failure ]] || { echo "$2 ended with status $1: "; grep -v '^{' "$WORK/stderr" | tail -n 5; } >"$WORK/failure"
  kill -USR1 $$
}

dump() {
  begin dump
  local made
  made=$(recall dump)
  if [[ -n $made && $(recall dump_position) == "$SOURCE_POSITION" && -d "$DUMP/$made" ]] && (cd "$DUMP/$made" && sha256sum --quiet --check SHA256SUMS >/dev/null 2>&1); then
    finish "the dump of an earlier run is whole, and the source has not changed since"
    return
  fi
  remember dump ""
  # Only what this program put there, of this target.
  find "$DUMP" -mindepth 1 -maxdepth 1 -name "$TARGET_DATABASE-*" -exec rm -rf {} +
  local partial="$DUMP/$TARGET_DATABASE-$RUN.partial" whole="$DUMP/$TARGET_DATABASE-$RUN"
  watched dump_progress nice -n 19 pg_dump -d "service=source" -Fd -j "$JOBS" --compress=zstd:1 --snapshot="$SNAPSHOT" --lock-wait-timeout=60000 \
    --exclude-extension=pg_stat_statements --no-subscriptions --no-tablespaces -f "$partial"
  pg_restore -l "$partial" >/dev/null
  (cd "$partial" && find . -type f -printf '%P\0' | sort -z | xargs -0 sha256sum -- >"$WORK/SHA256SUMS" && mv "$WORK/SHA256SUMS" .)
  find "$partial" -print0 | xargs -0 sync
  mv "$partial" "$whole"
  sync "$DUMP"
  remember dump "$(basename "$whole")"
  remember dump_position "$SOURCE_POSITION"
  finish "$(human "$(du -sb "$whole" | cut -f1)")"
}

dump_progress() {
  progress "$(du -sb "$DUMP/$TARGET_DATABASE-$RUN.partial" | cut -f1)" null "bytes written"
}
