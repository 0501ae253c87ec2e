# The source stops taking writes, provably, and can be let go again.
# One session holds a SHARE lock on every table, on the list of large objects and on pg_class until the end. Readers are not disturbed; a writer, whatever
# it sets, waits for a lock that it never gets, so that nothing is acknowledged. The database's default tells honest clients at once: read-only.
# shellcheck shell=bash disable=SC2034 # the parts share their variables

# hold SQL: runs SQL in the session that holds the locks, and prints the answer. Fails if that session is gone.
hold() {
  local line
  { printf '%s\n\\echo end-of-answer\n' "$1" >&"${HOLDER_SESSION[1]}"; } 2>/dev/null || return 1
  while read -r -t "${2:-60}" -u "${HOLDER_SESSION[0]}" line; do
    if [[ $line == end-of-answer ]]; then return 0; fi
    printf '%s\n' "$line"
  done
  return 1
}

# Ends every other session in the source's database.
terminate_clients() {
  sql source_admin -v database="$SOURCE_DATABASE" -v ours="naytife_migration $RUN" >/dev/null <<'SQL'
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :'database' AND application_name <> :'ours' AND pid <> pg_backend_pid();
SQL
}

# source_position: changes with every transaction that writes anything on the source, and with every sequence that moves.
source_position() {
  sql source -c "SELECT (SELECT system_identifier FROM pg_control_system()) || '.' || (SELECT oid FROM pg_database WHERE datname = current_database()) || '.' || pg_snapshot_xmax(pg_current_snapshot()) || '.' ||
    (SELECT md5(coalesce(string_agg(seqrelid || '=' || coalesce(pg_sequence_last_value(seqrelid)::text, ''), ',' ORDER BY seqrelid), '')) FROM pg_sequence)"
}

freeze() {
  begin freeze
  if [[ -z $(recall source_freeze) ]]; then
    # Remembered before it is changed, or a crash in between would forget it.
    remember source_freeze "$(sql source_admin -v database="$SOURCE_DATABASE" <<'SQL'
SELECT coalesce((SELECT 'set:' || substr(entry, length('default_transaction_read_only=') + 1)
  FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(setconfig) entry
 WHERE d.datname = :'database' AND s.setrole = 0 AND entry LIKE 'default\_transaction\_read\_only=%'), 'unset');
SQL
    )"
    sql source_admin -v database="$SOURCE_DATABASE" <<<'ALTER DATABASE :"database" SET default_transaction_read_only = on;'
  fi
  terminate_clients
  local attempt
  for attempt in 1 2 3 4 5 6; do
    if take_locks; then
      SOURCE_POSITION=$(source_position)
      finish "$LOCKED tables locked against writes"
      return
    fi
    note "the locks were not to be had (attempt $attempt of 6); sessions are ended and it is tried again"
    release_locks
    terminate_clients
    sleep 1
  done
  fail "the source's tables could not be locked within six attempts" "Look for sessions that hold locks: SELECT * FROM pg_stat_activity WHERE state <> 'idle'."
}

# take_locks: false when it should be tried again.
take_locks() {
  local statement snapshot
  statement=$(sql source <<'SQL'
SELECT 'LOCK TABLE ' || string_agg('ONLY ' || c.oid::regclass, ', ' ORDER BY c.oid) || ' IN SHARE MODE;'
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
   AND (c.oid >= 16384 AND n.nspname NOT LIKE 'pg\_toast%' OR c.oid IN ('pg_largeobject_metadata'::regclass, 'pg_class'::regclass));
SQL
  )
  # shellcheck disable=SC2034 # bash makes HOLDER_SESSION_PID
  coproc HOLDER_SESSION { exec psql "service=source" -X -A -t -q -v ON_ERROR_STOP=1 2>&1; }
  HOLDER=$HOLDER_SESSION_PID
  local answer
  # The locks come before the snapshot, so that no write slips in between the two.
  answer=$(hold "SET lock_timeout = '10s'; BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE; $statement SET LOCAL lock_timeout = 0; SELECT 'snapshot ' || pg_export_snapshot();") || { note "${answer##*ERROR: }"; return 1; }
  snapshot=$(sed -n 's/^snapshot //p' <<<"$answer")
  LOCKED=$(locked_tables)
  # A table that was made after the list was read is in the snapshot, and not locked.
  local unlocked
  unlocked=$(hold "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND c.oid >= 16384 AND n.nspname NOT LIKE 'pg\\_toast%'
    AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.relation = c.oid AND l.mode = 'ShareLock' AND l.granted);") || return 1
  SNAPSHOT=$snapshot
  [[ -n $snapshot && $unlocked == 0 ]]
}

locked_tables() {
  hold "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND mode = 'ShareLock' AND locktype = 'relation' AND granted;"
}

# still_frozen: the locks of the beginning are still held.
still_frozen() {
  local now
  now=$(locked_tables) || now=0
  [[ $now == "$LOCKED" ]] || fail "the session that kept the source's writers out was lost; a write may have happened since" "Run \`pulumi up\` again."
}

# lock_large_objects: pg_dump itself opens large objects with a writer's lock, so their contents are locked only when it is through. Whatever a client
# that makes itself writable wrote to one meanwhile is found by the comparison, which comes after.
lock_large_objects() {
  terminate_clients
  hold "LOCK TABLE ONLY pg_catalog.pg_largeobject IN SHARE MODE;" || fail "a client of the source holds its large objects for more than a minute" "End it (SELECT * FROM pg_stat_activity), then run \`pulumi up\` again."
  LOCKED=$(locked_tables)
}

release_locks() {
  if [[ -n $HOLDER ]]; then
    kill "$HOLDER" 2>/dev/null || true
    wait "$HOLDER" 2>/dev/null || true
    HOLDER=
  fi
}

# seal_source: the source's database takes no connection any more, and nobody is left in it but the session that holds the locks.
seal_source() {
  remember source_sealed yes
  sql source_admin -v database="$SOURCE_DATABASE" <<<'ALTER DATABASE :"database" WITH ALLOW_CONNECTIONS false;'
  local look left
  for look in $(seq 50); do
    terminate_clients
    sleep 0.2
    left=$(sql source_admin -v database="$SOURCE_DATABASE" -v ours="naytife_migration $RUN" <<<"SELECT count(*) FROM pg_stat_activity WHERE datname = :'database' AND application_name <> :'ours';")
    # A backend that was still starting shows up between two looks.
    if [[ $left == 0 && $look -ge 2 ]]; then return; fi
  done
  fail "$left sessions would not leave the source" "Look for them: SELECT * FROM pg_stat_activity."
}

unseal_source() {
  sql source_admin -v database="$SOURCE_DATABASE" <<<'ALTER DATABASE :"database" WITH ALLOW_CONNECTIONS true;'
  remember source_sealed ""
}

# undo_freeze: lets the source go back to work, and prints what is true of both sides now. For the exit handler: never fails.
undo_freeze() {
  # finished DATABASE: the cut-over is done, or cannot be ruled out; then the source stays sealed.
  local finished previous
  release_locks
  finished=$(sql target_admin -v d="$TARGET_DATABASE" 2>/dev/null <<<"SELECT count(*) FROM naytife_migration.marker WHERE target_database = :'d';") || finished=unknown
  if [[ $finished == 1 ]]; then
    echo "The cut-over is done: the target has the data, the source stays sealed."
    return
  fi
  if [[ $finished == unknown && $PHASE == "cut over" ]]; then
    echo "The target does not answer, so the source stays sealed until the next run knows which of the two is in charge."
    return
  fi
  if [[ $finished == unknown ]]; then
    echo "The target does not answer. The source was never changed, unless a run had frozen it: docs/migration.md has the command that lets it go."
    return
  fi
  previous=$(recall source_freeze 2>/dev/null)
  if [[ -z $previous ]]; then
    echo "Nothing was changed: the source works as before, the target's database $TARGET_DATABASE is as it was."
    return
  fi
  if [[ -n $(recall source_sealed 2>/dev/null) ]]; then unseal_source 2>/dev/null; fi
  if thaw_source "$previous" 2>/dev/null; then
    echo "The source takes writes again; the target's database $TARGET_DATABASE is as it was, and what was copied so far lies in $STAGING."
  else
    echo "The source could not be reached to let it go: it is still read-only; docs/migration.md has the command. The target's database $TARGET_DATABASE is as it was."
  fi
}

# thaw_source PREVIOUS: default_transaction_read_only as it was before the freeze.
thaw_source() {
  case $1 in
  unset) sql source_admin -v database="$SOURCE_DATABASE" <<<'ALTER DATABASE :"database" RESET default_transaction_read_only;' || return 1 ;;
  set:*) sql source_admin -v database="$SOURCE_DATABASE" -v previous="${1#set:}" <<<'ALTER DATABASE :"database" SET default_transaction_read_only = :'"'previous';" || return 1 ;;
  esac
  # Sessions that began read-only stay so; they reconnect.
  terminate_clients
  remember source_freeze ""
}
