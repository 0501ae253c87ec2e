# The way back: what was written to the target since the cut-over goes into the source, verified, and the source is the database again.
# Until the marker says so, the target is the database: whatever fails before, its clients get it back.
# The source stays closed to everybody all the while: it was sealed at the cut-over, and this run opens it under another name that no client knows.
# shellcheck shell=bash disable=SC2034 # the parts share their variables

rollback() {
  rollback_preflight
  hold_target
  carry_back
  prove_return
  turn_back
}

# standing: what the marker says: nothing, `done`, `ended` (done, and the way back was ended) or `rolled back`. A COMMIT in flight is waited for; fails if the target does not answer.
standing() {
  sql target_admin -v target="$TARGET_DATABASE" <<'SQL'
BEGIN;
SET LOCAL lock_timeout = '30s';
LOCK TABLE naytife_migration.marker IN SHARE MODE;
SELECT CASE WHEN rolled_back IS NOT NULL THEN 'rolled back' WHEN retain_ended IS NOT NULL THEN 'ended' ELSE 'done' END FROM naytife_migration.marker WHERE target_database = :'target';
COMMIT;
SQL
}

rollback_preflight() {
  PHASE=preflight
  local where="the source $SOURCE_USER@$SOURCE_HOST:$SOURCE_PORT" now
  connect target_admin "the target $TARGET_HOST:$TARGET_PORT" "Is the Cluster healthy (kubectl get cluster)?"
  now=$(standing)
  case $now in
  done)
    # A run that was killed just before the switch left it closed to us too; its clients stay out.
    if [[ -n $(recall target_closed) ]]; then sql target_admin -v d="$TARGET_DATABASE" <<<'ALTER DATABASE :"d" WITH ALLOW_CONNECTIONS true;'; fi
    ;;
  "rolled back")
    connect source_admin "$where/$SOURCE_ADMIN_DATABASE" "Check the migrationSource… settings."
    open_source
    note "the switch was made by an earlier run; the source is open"
    exit 0
    ;;
  ended) fail "the way back was ended by \`npm run migration -- finish\`" "The new database is the database." ;;
  *) fail "there is no finished migration into $TARGET_DATABASE, so there is nothing to go back from" "The source is the database already." ;;
  esac
  begin preflight
  hash_of_report
  connect source_admin "$where/$SOURCE_ADMIN_DATABASE" "Is the old database still there, and do the migrationSource… settings still name it?"
  (($(printf '%s' "$SOURCE_OPENED_AS" | wc -c) <= 63)) || fail "the source's database name $SOURCE_DATABASE is too long for ${SOURCE_OPENED_AS#"$SOURCE_DATABASE"} at its end" "Rename it there to one of at most 54 bytes, and set migrationSourceDatabase to it."
  TARGET_MAJOR=$(sql target_admin -c "SELECT current_setting('server_version_num')::int / 10000")
  SOURCE_MAJOR=$(sql source_admin -c "SELECT current_setting('server_version_num')::int / 10000")
  find_source "$where"
  open_for_us
  SOURCE_ENCODING=$(sql source -c "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()")
  TARGET_ENCODING=$(sql target -c "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()")

  # The files of neither side are checked: the old ones are not a copy, and the new ones go out of use.
  AMCHECK=0
  read_sides target
  refuse_altered
  local other
  # By us, and not since: the cut-over sets the role's search_path where the old database had none, and a run that was killed left a connection limit.
  local ours="kind = 'setting' AND source IS NULL AND name LIKE 'search_path of role % in the database'"
  if [[ -n $(recall target_closed) ]]; then ours+=" OR kind = 'database'"; fi
  other=$(differing "kind IN ($SERVER_KINDS) AND NOT ($ours)")
  [[ -z $other ]] || warn "changed on the new database since the cut-over, and not carried back: $other"

  # What is overwritten must be what we know: the rows of the cut-over, or those that an earlier rollback brought.
  local strange counted
  counted=$(sql target_admin -v target="$TARGET_DATABASE" <<<"SELECT coalesce(report -> 'online' ->> 'counted', 'true') FROM naytife_migration.marker WHERE target_database = :'target';")
  [[ $counted == true ]] || warn "the old database was not counted when it was sealed, so it cannot be told whether somebody wrote to it since: the new one's rows take the place of what is there"
  strange=$(strange_tables "(SELECT report -> 'tables' FROM naytife_migration.marker WHERE target_database = :'target')")
  if [[ $counted == true && -n $strange && -n $(strange_tables "(SELECT coalesce(returned, '[]') FROM naytife_migration.state WHERE target_database = :'target')") ]]; then
    fail "the old database is not as it was at the cut-over: somebody wrote to it since ($strange)" \
      "What was written there would be lost by going back, so nothing is done. Carry it to the new database by hand and make those tables of the old one as they were, then run this again."
  fi
  finish "PostgreSQL $TARGET_MAJOR → $SOURCE_MAJOR, the old database is as it was left"
}

# What rows are made of, and what is the server's and not the database's: the first is carried, the second only told.
ROWS_KINDS="'table', 'refreshed rows', 'sequence', 'large object'"
SERVER_KINDS="'role', 'membership', 'setting', 'database'"

# hash_of_report: rows are hashed as the migration did it, so that what is read now can be compared with its report.
hash_of_report() {
  case $(sql target_admin -v target="$TARGET_DATABASE" <<<"SELECT report -> 'verification' ->> 'rowHash' FROM naytife_migration.marker WHERE target_database = :'target';") in
  "two sums of 64-bit hashes") HASH="builtin" ;;
  "two sums of the halves of MD5") HASH="md5" ;;
  *) fail "the migration's report does not say how its rows were hashed, so it cannot be told whether the old database is as it was left" \
    "An earlier version of this program wrote it: carry what was written since by hand (docs/migration.md, \"Going back\")." ;;
  esac
}

# refuse_altered: what is not rows must be the same on both sides: an old server cannot be asked to hold what was never defined there.
refuse_altered() {
  same_schemas || fail "the new database was altered since the cut-over (< old, > new): $(schema_differences)" "Undo that on the new database, then run this again."
  local other
  other=$(differing "NOT may_differ AND kind NOT IN ($ROWS_KINDS, $SERVER_KINDS)")
  [[ -z $other ]] || fail "the new database was altered since the cut-over: $other" "Undo that on the new database, then run this again."
}

# differing CONDITION: the names of the facts that both sides do not share, at most twenty.
differing() {
  sql target_admin -v target="$TARGET_DATABASE" <<<"SELECT string_agg(what, ', ') FROM (SELECT kind || ' ' || name AS what FROM naytife_migration.difference WHERE target_database = :'target' AND $1 ORDER BY 1 LIMIT 20) AS differences;"
}

# changed KIND: the same as a JSON list of names.
changed() {
  sql target_admin -v target="$TARGET_DATABASE" -v kind="$1" <<<"SELECT coalesce(json_agg(name ORDER BY name), '[]') FROM naytife_migration.difference WHERE target_database = :'target' AND kind = :'kind';"
}

# strange_tables LIST: tables of the source, at most ten, that are not as in LIST, an SQL expression for a list as the report has it.
strange_tables() {
  sql target_admin -v target="$TARGET_DATABASE" <<<"SELECT string_agg(name, ', ') FROM (SELECT name FROM (SELECT name, value FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'source' AND kind = 'table') AS s
    FULL JOIN (SELECT t ->> 'table' AS name, t FROM jsonb_array_elements($1) AS t) AS known USING (name) WHERE value -> 'hash' IS DISTINCT FROM t -> 'hash' OR value -> 'rows' IS DISTINCT FROM t -> 'rows' ORDER BY name LIMIT 10) AS strange;"
}

# remember_tables SIDE: what the source's tables are, or will be as soon as the copy is committed.
remember_tables() {
  sql target_admin -v target="$TARGET_DATABASE" -v side="$1" <<<"UPDATE naytife_migration.state SET returned = (SELECT coalesce(jsonb_agg(jsonb_build_object('table', name, 'rows', value -> 'rows', 'hash', value -> 'hash')), '[]')
    FROM naytife_migration.fact WHERE target_database = :'target' AND side = :'side' AND kind = 'table') WHERE target_database = :'target';"
}

# find_source WHERE: the sealed database of the cut-over, and no other.
find_source() {
  local facts name accepts identity others
  facts=$(sql source_admin -v database="$SOURCE_DATABASE" -v alias="$SOURCE_OPENED_AS" -F ' ' <<'SQL'
SELECT datname = :'alias', datallowconn, (SELECT system_identifier FROM pg_control_system()) || '.' || oid FROM pg_database WHERE datname IN (:'database', :'alias');
SQL
  )
  [[ -n $facts ]] || fail "$1 has no database $SOURCE_DATABASE any more; on an emptyDir it is gone with its pod" "There is nothing to go back to. The dump has the data as of the cut-over."
  [[ $(wc -l <<<"$facts") == 1 ]] || fail "$1 has both a database $SOURCE_DATABASE and a $SOURCE_OPENED_AS" "One of them is not this migration's: rename it."
  read -r name accepts identity <<<"$facts"
  others=$(recall dump_position)
  [[ $(cut -d. -f1,2 <<<"$others") == "$identity" ]] || fail "$SOURCE_DATABASE of $1 is not the database that the data came from" "Check the migrationSource… settings. Was the old server made anew?"
  [[ $name == t || $accepts == f ]] || fail "$SOURCE_DATABASE of the source was opened since the cut-over, so clients may be in it" \
    "If nobody needs what they do there, close it, in another database of that server: ALTER DATABASE $SOURCE_DATABASE WITH ALLOW_CONNECTIONS false; then run this again: it compares before it changes anything."
}

# open_for_us / close_for_us: the source under a name of ours, and sealed under its own. Both do nothing where it is done.
open_for_us() {
  terminate_opened
  sql source_admin -v database="$SOURCE_DATABASE" -v alias="$SOURCE_OPENED_AS" <<'SQL'
SELECT EXISTS (SELECT FROM pg_database WHERE datname = :'database') AS sealed \gset
BEGIN;
\if :sealed
ALTER DATABASE :"database" RENAME TO :"alias";
\endif
ALTER DATABASE :"alias" WITH ALLOW_CONNECTIONS true;
COMMIT;
SQL
}
close_for_us() {
  terminate_opened || return 1
  sql source_admin -v database="$SOURCE_DATABASE" -v alias="$SOURCE_OPENED_AS" <<'SQL'
SELECT EXISTS (SELECT FROM pg_database WHERE datname = :'alias') AS opened \gset
\if :opened
BEGIN;
ALTER DATABASE :"alias" WITH ALLOW_CONNECTIONS false;
ALTER DATABASE :"alias" RENAME TO :"database";
COMMIT;
\endif
SQL
}

# terminate_opened: sessions that this run, or one that was killed, has in the source under our name. None of them is a client's.
terminate_opened() {
  local look left
  for look in $(seq 50); do
    left=$(sql source_admin -v alias="$SOURCE_OPENED_AS" <<<"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = :'alias';")
    # In a trap, a bare return has the status of what went before the trap.
    if [[ $left == 0 ]]; then return 0; fi
    sleep 0.1
  done
}

# hold_target: from here on nobody's write to the target is acknowledged, until it is given back or the switch is made.
hold_target() {
  begin hold
  hold_clients
  close_target
  lock_side target
  hold "LOCK TABLE ONLY pg_catalog.pg_largeobject IN SHARE MODE;" >/dev/null || fail "the target's large objects could not be locked within a minute" "If a client holds them, end it (SELECT * FROM pg_stat_activity), then run this again."
  LOCKED=$(locked_tables)
  HELD_FROM=$(date +%s%N)
  finish "$LOCKED tables locked against writes"
}

# carry_back: in one transaction, so that the source is as it was or has it all.
carry_back() {
  begin "carry back"
  read_sides target
  # Between the first look and the locks somebody may have altered it.
  refuse_altered
  remember_tables target
  local place=0 line convert=no
  if [[ $SOURCE_ENCODING != "$TARGET_ENCODING" ]]; then convert=yes; fi
  rm -rf "$WORK/return"
  mkdir "$WORK/return"
  # Lists go by files: one may be longer than a command's argument.
  changed table >"$WORK/return/tables"
  changed "large object" >"$WORK/return/objects"
  changed "refreshed rows" >"$WORK/return/views"
  changed sequence >"$WORK/return/sequences"
  sql source -v convert="$convert" -f "$SCRIPTS/return-tables.sql" >"$WORK/return/lines"
  while read -r line; do
    place=$((place + 1))
    printf '%s' "$line" >"$WORK/return/$place.table"
  done <"$WORK/return/lines"
  TABLES=$place
  note "$TABLES tables differ; their rows are carried"
  return_script >"$WORK/return/script"
  watched carry_progress carry
  still_frozen
  finish "$TABLES tables"
}

# return_script: the transaction that makes the source's rows those of the target.
return_script() {
  local place
  printf '%s\n' '\o /dev/null' 'BEGIN READ WRITE;' 'SET LOCAL session_replication_role = replica;' "SET LOCAL work_mem = '64MB';"
  sql source -v quiet=yes -f "$SCRIPTS/return-quiet.sql"
  for ((place = 1; place <= TABLES; place++)); do
    printf '\\echo %s\n\\setenv TABLE %s\n\\i %s\n' "$place" "$WORK/return/$place.table" "$SCRIPTS/return-table.sql"
  done
  sql source -v side=source -f "$SCRIPTS/return-objects.sql"
  sql target -v side=target -f "$SCRIPTS/return-objects.sql"
  sql source -f "$SCRIPTS/return-views.sql"
  sql source -v quiet=no -f "$SCRIPTS/return-quiet.sql"
  # Last, since a sequence that was moved stays so, even if the transaction fails.
  sql target_admin -v target="$TARGET_DATABASE" -f "$SCRIPTS/return-sequences.sql"
  echo 'COMMIT;'
}

carry() {
  sql source -f "$WORK/return/script" >"$WORK/return/progress"
}

carry_progress() {
  local place
  place=$(tail -n 1 "$WORK/return/progress")
  [[ -z $place ]] || progress "$((place - 1))" "$TABLES" "tables" "$(sed -E 's/^\{"relation" : "(.*)", "rows" : .*/\1/' "$WORK/return/$place.table")"
}

# prove_return: the comparison of the cut-over once more, in the other direction.
prove_return() {
  begin verify
  read_sides target
  remember_tables source
  same_schemas || fail "the definitions differ after the copy (< old, > new): $(schema_differences)" "Nothing was switched. Run this again."
  local other
  other=$(differing "NOT may_differ AND kind NOT IN ($SERVER_KINDS)")
  [[ -z $other ]] || fail "the old database is not as the new one after the copy: $other" "Nothing was switched. Run this again."
  other=$(differing "kind = 'refreshed rows'")
  [[ -z $other ]] || warn "materialized views are fresh in the old database and were stale in the new one: $other"
  still_frozen
  finish "$(verdict)"
}

# turn_back: the switch is the marker's row. Before it the source is closed, after it the target is: never both open.
turn_back() {
  local turned
  begin switch
  seal target
  still_frozen
  printf '[%s]' "$(sort -u "$WORK/warnings" | paste -sd,)" >"$WORK/warnings.json"
  turned=$(sql target_admin -v target="$TARGET_DATABASE" -v run="$RUN" -v tables="$TABLES" -v held="$((($(date +%s%N) - HELD_FROM) / 1000000))" -f "$SCRIPTS/rollback.sql")
  [[ $turned == turned ]] || fail "the way back was ended meanwhile by \`npm run migration -- finish\`" "The new database is the database."
  release_locks
  open_source
  event switched ""
  sql target_admin -v target="$TARGET_DATABASE" <<<"DELETE FROM naytife_migration.fact WHERE target_database = :'target'; UPDATE naytife_migration.phase SET finished = clock_timestamp() WHERE run = '$RUN' AND phase = 'switch';" ||
    note "the working tables of the rollback could not be cleared"
}

# open_source: under its own name, for everybody, writeable as before the migration, in one transaction. Does nothing where it is done.
open_source() {
  local previous
  terminate_opened
  previous=$(recall source_freeze)
  sql source_admin -v database="$SOURCE_DATABASE" -v alias="$SOURCE_OPENED_AS" -v previous="${previous#set:}" -v had="$([[ $previous == set:* ]] && echo true || echo false)" <<'SQL'
SELECT EXISTS (SELECT FROM pg_database WHERE datname = :'alias') AS ours \gset
\if :ours
BEGIN;
ALTER DATABASE :"alias" RENAME TO :"database";
ALTER DATABASE :"database" WITH ALLOW_CONNECTIONS true;
\if :had
ALTER DATABASE :"database" SET default_transaction_read_only = :'previous';
\else
ALTER DATABASE :"database" RESET default_transaction_read_only;
\endif
COMMIT;
\endif
SQL
  # Forgotten last: until then the next run opens what is not open yet.
  sql target_admin -v target="$TARGET_DATABASE" <<<"UPDATE naytife_migration.state SET source_freeze = NULL, source_sealed = NULL, returned = NULL WHERE target_database = :'target';"
}

# undo_rollback: gives the target back to its clients and seals the source again, and prints what is true of both sides now. For the exit handler: never fails.
undo_rollback() {
  local now
  release_locks
  now=$(standing 2>/dev/null) || now=unknown
  case $now in
  "rolled back") echo "The switch is made: the old database has everything, the new one is closed. What is left to do, the next run of this command does." ;;
  done | ended)
    if ! reopen_target 2>/dev/null; then
      echo "The new database could not be opened again: it is closed to clients until the next run of this command. The old one is closed as before."
      return
    fi
    if close_for_us 2>/dev/null; then
      echo "The new database is the database, and open as before; the old one is closed as before."
    else
      echo "The new database is the database, and open as before. The old one is closed to clients, but could not be given its name back: it is $SOURCE_OPENED_AS until the next run of this command."
    fi
    ;;
  unknown) echo "The target does not answer. If it was closed to clients, it stays so until the next run of this command; the old database is closed as before." ;;
  *) echo "Nothing was changed." ;;
  esac
}
