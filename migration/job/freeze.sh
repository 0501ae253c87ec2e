# The source stops taking writes, provably, and can be let go again.
# One session holds a SHARE lock on every table, on the list of large objects and on pg_class until the end. Readers are not disturbed; a writer, whatever
# it sets, waits for a lock that it never gets, so that nothing is acknowledged. The database's default tells honest clients at once: read-only.
# shellcheck shell=bash disable=SC2034 # the parts share their variables

# hold SQL: runs SQL in the session that holds the locks, and prints the answer. Fails if that session is gone. Only for $(…): to write to a dead session ends the shell that does.
hold() {
  # bash unsets these when the session ends.
  local line to=${HOLDER_SESSION[1]:-} from=${HOLDER_SESSION[0]:-}
  if [[ -z $to || -z $from ]]; then return 1; fi
  { printf '%s\n\\echo end-of-answer\n' "$1" >&"$to"; } 2>/dev/null || return 1
  while read -r -t 60 -u "$from" line; do
    if [[ $line == end-of-answer ]]; then return 0; fi
    printf '%s\n' "$line"
  done
  return 1
}

# database_of SIDE: the database that is moved, by that side's name for it.
database_of() {
  if [[ $1 == source ]]; then echo "$SOURCE_DATABASE"; else echo "$TARGET_DATABASE"; fi
}

# terminate_clients SIDE [SECONDS]: ends every other session in that side's database, and prints how many are there SECONDS (0) later.
terminate_clients() {
  sql "$1_admin" -v database="$(database_of "$1")" -v ours="naytife_migration $RUN" -v seconds="${2:-0}" <<'SQL'
SELECT count(pg_terminate_backend(pid)), pg_sleep(:seconds) FROM pg_stat_activity WHERE datname = :'database' AND application_name <> :'ours' AND pid <> pg_backend_pid() \g /dev/null
SELECT count(*) FROM pg_stat_activity WHERE datname = :'database' AND application_name <> :'ours' AND pid <> pg_backend_pid();
SQL
}

# source_position: changes with every transaction that writes anything on the source, and with every sequence that moves.
source_position() {
  sql source -c "SELECT (SELECT system_identifier FROM pg_control_system()) || '.' || (SELECT oid FROM pg_database WHERE datname = current_database()) || '.' || pg_snapshot_xmax(pg_current_snapshot()) || '.' ||
    (SELECT md5(coalesce(string_agg(seqrelid || '=' || coalesce(pg_sequence_last_value(seqrelid)::text, ''), ',' ORDER BY seqrelid), '')) FROM pg_sequence)"
}

# read_only_default: default_transaction_read_only of the source's database as it is now: `unset`, or `set:` and its value.
read_only_default() {
  sql source_admin -v database="$SOURCE_DATABASE" <<'SQL'
SELECT coalesce((SELECT 'set:' || substr(entry, length('default_transaction_read_only=') + 1)
  FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(setconfig) entry
 WHERE d.datname = :'database' AND s.setrole = 0 AND entry LIKE 'default\_transaction\_read\_only=%'), 'unset');
SQL
}

# caution_read_only DEFAULT: as it was before any run of ours.
caution_read_only() {
  if [[ ${1,,} =~ ^set:(on|t|tr|tru|true|y|ye|yes|1)$ ]]; then
    caution "$SOURCE_DATABASE of the source was read-only by default before the migration, which is not carried to the target; if an earlier run left it: ALTER DATABASE $SOURCE_DATABASE RESET default_transaction_read_only"
  fi
}

freeze() {
  begin freeze
  local previous
  previous=$(recall source_freeze)
  if [[ -z $previous ]]; then
    # Remembered before it is changed, or a crash in between would forget it.
    previous=$(read_only_default)
    remember source_freeze "$previous"
  fi
  # A small database is moved before clients lose patience, and of an online copy only the end is left, so they need not see the freeze at all.
  if [[ $MIGRATION_MODE == online ]] || ((SOURCE_BYTES <= ${HOLD_SECONDS:-0} * HELD_BYTES_PER_SECOND)); then hold_clients; fi
  FROZEN_FROM=$previous
  caution_read_only "$previous"
  # Also where an earlier run froze it: it may have been let go by hand since. Where it was not, nothing is written: the source's position stays what it was.
  sql source_admin -v database="$SOURCE_DATABASE" <<'SQL'
SELECT NOT EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
  WHERE d.datname = :'database' AND s.setrole = 0 AND 'default_transaction_read_only=on' = ANY (setconfig)) AS open \gset
\if :open
ALTER DATABASE :"database" SET default_transaction_read_only = on;
\endif
SQL
  terminate_clients source >/dev/null
  lock_side source
  SOURCE_POSITION=$(source_position)
  finish "$LOCKED tables locked against writes"
}

# lock_side SIDE: that side's tables take no writes until release_locks. Sessions in the way are ended.
lock_side() {
  local attempt
  for attempt in 1 2 3 4 5 6; do
    if take_locks "$1"; then return; fi
    note "the locks were not to be had (attempt $attempt of 6); sessions are ended and it is tried again"
    release_locks
    terminate_clients "$1" 1 >/dev/null
  done
  fail "the $1's tables could not be locked within six attempts" "Look there for sessions that hold locks: SELECT * FROM pg_stat_activity WHERE state <> 'idle'."
}

# take_locks SIDE: false when it should be tried again.
take_locks() {
  local statement snapshot
  statement=$(sql "$1" <<'SQL'
SELECT 'LOCK TABLE ' || string_agg('ONLY ' || c.oid::regclass, ', ' ORDER BY c.oid) || ' IN SHARE MODE;'
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
   AND (c.oid >= 16384 AND n.nspname NOT LIKE 'pg\_toast%' OR c.oid IN ('pg_largeobject_metadata'::regclass, 'pg_class'::regclass));
SQL
  )
  # shellcheck disable=SC2034 # bash makes HOLDER_SESSION_PID
  coproc HOLDER_SESSION { exec psql "service=$1" -X -A -t -q -v ON_ERROR_STOP=1 2>&1; }
  HOLDER=${HOLDER_SESSION_PID:-}
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

# still_frozen: the locks of the beginning are still held, if there are any as yet.
still_frozen() {
  local now
  # An online copy is read in a snapshot, and every reader asks for it.
  if [[ -z $LOCKED ]]; then return; fi
  now=$(locked_tables) || now=0
  [[ $now == "$LOCKED" ]] || fail "the session that kept writers out was lost; a write may have happened since" "Run $AGAIN"
}

# lock_large_objects: pg_dump itself opens large objects with a writer's lock, so their contents are locked only when it has dumped them. Whatever a client
# that makes itself writable wrote to one meanwhile is found by the comparison, which comes after.
lock_large_objects() {
  terminate_clients source >/dev/null
  local answer
  answer=$(hold "LOCK TABLE ONLY pg_catalog.pg_largeobject IN SHARE MODE;") || fail "the source's large objects could not be locked within a minute${answer:+: $answer}" "If a client holds them, end it (SELECT * FROM pg_stat_activity), then run \`pulumi up\` again."
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
  seal source
}

# seal SIDE: that side's database takes no connection any more, not even a superuser's, and nobody is left in it but this run.
seal() {
  local look left database
  database=$(database_of "$1")
  sql "$1_admin" -v database="$database" <<<'ALTER DATABASE :"database" WITH ALLOW_CONNECTIONS false;'
  for look in $(seq 100); do
    left=$(terminate_clients "$1" 0.1)
    # A backend that was still starting shows up between two looks.
    if [[ $left == 0 && $look -ge 2 ]]; then return; fi
  done
  fail "$left sessions would not leave the $1" "Look for them there: SELECT * FROM pg_stat_activity."
}

unseal_source() {
  sql source_admin -v database="$SOURCE_DATABASE" <<<'ALTER DATABASE :"database" WITH ALLOW_CONNECTIONS true;' || return 1
  # Forgotten later if not now: an open database is not opened again.
  remember source_sealed "" || true
}

# undo_freeze: lets the source go back to work, and prints what is true of both sides now. For the exit handler: never fails.
undo_freeze() {
  local finished previous target_now="The target's database $TARGET_DATABASE is as it was"
  release_locks
  finished=$(cut_over_done 2>/dev/null) || finished=unknown
  if [[ $finished == 1 ]]; then
    echo "The cut-over is done: the target has the data, the source stays sealed."
    return
  fi
  if [[ $finished == unknown && ($PHASE == "cut over" || $PHASE == retain) ]]; then
    echo "The target does not answer, so the source stays closed to writers until the next run knows which of the two is in charge."
    return
  fi
  if [[ $finished == unknown ]]; then
    target_now="The target does not answer; nothing was switched there"
  elif [[ -n ${ALIAS:-} ]]; then
    # While the old name may lead there nobody is to be let into an empty database.
    [[ -z $(recall target_closed 2>/dev/null) ]] || target_now+=", closed to clients until $ALIAS leads to the source again"
  elif ! reopen_target 2>/dev/null; then
    target_now+=", but still closed to clients (CONNECTION LIMIT 0): the next run opens it"
  fi
  previous=$FROZEN_FROM
  if [[ -z $previous ]] && ! previous=$(recall source_freeze 2>/dev/null); then
    echo "This run did not freeze the source; if an earlier one did, it may still be read-only: docs/migration.md, \"Letting the source go\". $target_now."
    return
  fi
  if [[ -z $previous ]]; then
    echo "Nothing was changed: the source works as before. $target_now."
    return
  fi
  # Sealed in `cut over` alone, whose end is known here, or by an earlier run.
  if { [[ -z $(recall source_sealed 2>/dev/null) ]] || unseal_source; } 2>/dev/null && thaw_source "$previous" 2>/dev/null; then
    echo "The source takes writes again, unless it took none before the migration. $target_now; what was copied so far, if anything, lies in $STAGING."
  else
    echo "The source could not be reached to let it go: it is still read-only; docs/migration.md, \"Letting the source go\", has the command. $target_now."
  fi
}

# thaw_source PREVIOUS: default_transaction_read_only as it was before the freeze.
thaw_source() {
  case $1 in
  unset) sql source_admin -v database="$SOURCE_DATABASE" <<<'ALTER DATABASE :"database" RESET default_transaction_read_only;' || return 1 ;;
  set:*) sql source_admin -v database="$SOURCE_DATABASE" -v previous="${1#set:}" <<<'ALTER DATABASE :"database" SET default_transaction_read_only = :'"'previous';" || return 1 ;;
  esac
  # Sessions that began read-only stay so; they reconnect. What cannot be forgotten now is harmless: the next run freezes again whatever it finds.
  terminate_clients source >/dev/null || true
  remember source_freeze "" || true
}
