# The backup: a dump in directory format on a volume that is kept. It is what the target is restored from.
# shellcheck shell=bash

dump() {
  begin dump
  local made
  made=$(recall dump)
  if [[ -n $made && $(recall dump_position) == "$SOURCE_POSITION" && -d "$DUMP/$made" ]] && (cd "$DUMP/$made" && sha256sum --quiet --check SHA256SUMS >/dev/null 2>&1); then
    DUMP_DIRECTORY="$DUMP/$made"
    finish "the dump of an earlier run is whole, and the source has not changed since"
    return
  fi
  remember dump ""
  # Only what this program put there, of this target.
  find "$DUMP" -mindepth 1 -maxdepth 1 -name "$TARGET_DATABASE-*" -exec rm -rf {} +
  local partial="$DUMP/$TARGET_DATABASE-$RUN.partial"
  DUMP_DIRECTORY="$DUMP/$TARGET_DATABASE-$RUN"
  watched dump_progress pg_dump -d "service=source" -Fd -j "$JOBS" --compress=zstd:1 --snapshot="$SNAPSHOT" --lock-wait-timeout=60000 \
    --exclude-extension=pg_stat_statements --no-subscriptions --no-tablespaces -f "$partial"
  still_frozen
  pg_restore -l "$partial" >/dev/null
  (cd "$partial" && find . -type f -printf '%P\0' | sort -z | xargs -0 sha256sum -- >"$WORK/SHA256SUMS" && mv "$WORK/SHA256SUMS" .)
  find "$partial" -print0 | xargs -0 sync
  mv "$partial" "$DUMP_DIRECTORY"
  sync "$DUMP"
  remember dump "$(basename "$DUMP_DIRECTORY")"
  remember dump_position "$SOURCE_POSITION"
  finish "$(human "$(du -sb "$DUMP_DIRECTORY" | cut -f1)")"
}

# The tables that pg_dump reads right now, with the rows that it has read of them.
dump_progress() {
  local done_bytes item=
  done_bytes=$(du -sb "$DUMP/$TARGET_DATABASE-$RUN.partial" | cut -f1)
  # From 14 on the server says what it reads.
  if ((SOURCE_MAJOR >= 14)); then item=$(sql source -c "SELECT string_agg(format('%s (%s rows)', relid::regclass, tuples_processed), ', ' ORDER BY tuples_processed DESC) FROM pg_stat_progress_copy WHERE datname = current_database() AND command = 'COPY TO'"); fi
  progress "$done_bytes" null "bytes written" "$item"
}
