# The online mode: the copy is made while the application writes, its changes follow by logical replication, and only the end of it is frozen.
# Proven in two parts, since what nobody may read while clients wait is the whole database: all rows in the snapshot of the copy, before any change is applied to
# it; then, in the freeze, the rows that changed since. Which those are tells a second slot, which the replication knows nothing of.
# shellcheck shell=bash disable=SC2034 # the parts share their variables

move_online() {
  publish
  follow_beside
  copy
  index
  dump_beside
  verify
  await_dump
  catch_up
  stand_by_to_count
  FROZEN_AT=$(date +%s%3N)
  freeze
  prove
}

# check_replication: whether the source's changes can be followed, before anything is made for it.
check_replication() {
  local level free_slots free_senders strange line lines answer workers
  IFS='|' read -r level free_slots free_senders strange <<<"$(sql source -f "$SCRIPTS/replication.sql")"
  [[ $level == logical ]] || blocker "the source's wal_level is $level, and the online mode needs logical" "Set migrationMode to offline. Or on the source: ALTER SYSTEM SET wal_level = logical, which takes a restart; a database on an emptyDir must not be restarted."
  if [[ -n $(recall publisher) ]]; then
    # An earlier run's, which goes before this one begins.
    strange=
  else
    ((free_slots >= 2)) || blocker "the source has $free_slots replication slots free, and the online mode needs 2" "Drop slots that nobody reads, or raise max_replication_slots, which takes a restart of the source; or set migrationMode to offline."
    ((free_senders >= 2)) || blocker "the source has $free_senders WAL senders free, and the online mode needs 2" "End readers of the source's WAL, or raise max_wal_senders, which takes a restart of the source; or set migrationMode to offline."
  fi
  [[ -z $strange ]] || blocker "the source has $strange, which no run of this migration made" "If no migration runs on it, drop it in $SOURCE_DATABASE of the source: SELECT pg_drop_replication_slot(…), DROP PUBLICATION, DROP OWNED BY and DROP ROLE. A slot that nobody reads fills the source's disk."
  workers=$(sql target_admin -c "SELECT least(current_setting('max_logical_replication_workers')::int, current_setting('max_replication_slots')::int)")
  ((workers > 0)) || blocker "the target may run no logical replication" "Set max_logical_replication_workers and max_replication_slots of the Cluster above 0."
  # With no password as yet, it is refused, which only a server that was reached can do.
  answer=$(REPLICATION_PASSWORD=none log_in_from_target) || true
  [[ $answer == *FATAL:* && $answer != *pg_hba.conf* ]] || blocker "the target's server cannot reach the source: ${answer##*ERROR: }" "Let the target's pods connect to $SOURCE_HOST:$SOURCE_PORT (network policies, pg_hba.conf of the source), or set migrationMode to offline."
  lines=$(sql source -f "$SCRIPTS/followed.sql" -f "$SCRIPTS/unfollowed.sql")
  while read -r line; do [[ -z $line ]] || caution "$line" "Give them primary keys on the source, or plan for as long a freeze."; done <<<"$lines"
}

# publish: from here on the source keeps the changes for us. The slots come last: what they are read with must be there before.
publish() {
  begin publish
  local answer followed again frozen
  frozen=$(recall source_freeze)
  if [[ -n $frozen ]]; then
    note "the source, which an earlier run froze, takes writes again"
    thaw_source "$frozen"
  fi
  remember publisher naytife_migration
  PUBLISHED=yes
  sql target_admin -f "$SCRIPTS/decoder.sql"
  sql target_admin -v target="$TARGET_DATABASE" <<<"DELETE FROM naytife_migration.change WHERE target_database = :'target';"
  answer=$(sql source -f "$SCRIPTS/followed.sql" -f "$SCRIPTS/publish.sql" 2>&1) || fail "the source's tables could not be published: ${answer##*ERROR: }" "If a session holds a table, let it finish, then run \`pulumi up\` again."
  answer=$(log_in_from_target) || fail "the target's server cannot follow the source's changes: ${answer##*ERROR: }" "Let the target's pods log in to $SOURCE_HOST:$SOURCE_PORT (network policies, pg_hba.conf of the source), or set migrationMode to offline."
  # Each waits for the transactions that are under way. The proof's is the earlier one, so that it misses nothing that the copy's snapshot lacks.
  watched waiting_progress sql source -o /dev/null -c "SET statement_timeout = '10min'" -c "SELECT pg_create_logical_replication_slot('naytife_migration_proof', 'pgoutput')" ||
    fail "the source gave no replication slot within 10 minutes" "A slot begins when every transaction has ended that was open before: SELECT * FROM pg_stat_activity WHERE xact_start < now() - interval '1 minute'. Then run \`pulumi up\` again."
  # Its snapshot lives as long as this session does nothing else.
  coproc HOLDER_SESSION { exec psql "service=source replication=database" -X -A -t -q -F ' ' -v ON_ERROR_STOP=1 2>&1; }
  HOLDER=${HOLDER_SESSION_PID:-}
  answer=$(hold "CREATE_REPLICATION_SLOT naytife_migration LOGICAL pgoutput EXPORT_SNAPSHOT;") || fail "the source gave no replication slot: ${answer##*ERROR: }" "Let long transactions end, then run \`pulumi up\` again."
  read -r _ SNAPSHOT_AT SNAPSHOT _ <<<"$answer"
  IN_SNAPSHOT=(-c "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" -c "SET TRANSACTION SNAPSHOT '$SNAPSHOT'")
  # No other run can go on from it; a rollback knows the source by the beginning.
  SOURCE_POSITION="$(source_position | cut -d. -f1,2).$RUN"
  followed=$(count_tables "followed")
  again=$(count_tables "NOT followed")
  finish "$followed tables are followed from $SNAPSHOT_AT on, $again are copied again in the freeze"
}

# count_tables CONDITION: of the list in followed.sql.
count_tables() { sql source -f "$SCRIPTS/followed.sql" -f <(echo "SELECT count(*) FROM (:followed) AS f WHERE $1;"); }

waiting_progress() {
  progress "$(sql source_admin -c "SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS NOT NULL")" null "transactions are under way, whose end the slot waits for"
}

# subscribe SERVICE STATEMENT: runs STATEMENT there, in which :'connection' is how the target's server logs in to the source. The password comes from the environment, and
# our sessions on the target are logged nowhere.
subscribe() {
  sql "$1" -v host="$SOURCE_HOST" -v port="$SOURCE_PORT" -v database="$SOURCE_DATABASE" -v ours="naytife_migration $RUN" -f - -f <(echo "$2") <<'SQL'
\getenv password REPLICATION_PASSWORD
SELECT format('host=%s port=%s dbname=%s user=naytife_migration password=%s application_name=''%s'' connect_timeout=15 keepalives_idle=30 keepalives_interval=10 keepalives_count=6', :'host', :'port', :'database', :'password', :'ours') AS connection \gset
SQL
}

# log_in_from_target: whether the target's own server reaches the source, by a subscription that never comes to be. Prints why not.
log_in_from_target() {
  subscribe target_admin "BEGIN; CREATE SUBSCRIPTION naytife_migration CONNECTION :'connection' PUBLICATION naytife_migration_none WITH (create_slot = false, slot_name = NONE, enabled = false, copy_data = false); ROLLBACK;" 2>&1
}

# follow_beside: takes in every few seconds which rows have changed, and ends the run before the source's disk is full of WAL. stop_following: politely, since what it has read it
# must write down.
follow_beside() {
  rm -f "$WORK/enough"
  beside follow_or_tell
  FOLLOWER=$!
}
follow_or_tell() {
  trap 'tell_failure $? "following the source"' EXIT
  local kept look
  while :; do
    drain_proof
    kept=$(sql source -c "SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn))::bigint FROM pg_replication_slots WHERE slot_name IN ('naytife_migration', 'naytife_migration_proof')")
    ((kept <= (SOURCE_BYTES > 5000000000 ? SOURCE_BYTES : 5000000000))) ||
      fail "the source has written $(human "$kept") of WAL since the copy began, and keeps all of it for the copy" "Run \`pulumi up\` again when less is written, or set migrationMode to offline."
    for look in 1 2 3 4 5; do
      if [[ -e $WORK/enough ]]; then return; fi
      sleep 1
    done
  done
}
stop_following() {
  : >"$WORK/enough"
  wait "$FOLLOWER" || exit 1
  FOLLOWER=
}

# excuse_what_moves_on: sequences are not in a snapshot, and a table that was emptied since looks empty in it. Both are compared in the freeze.
excuse_what_moves_on() {
  stop_following
  drain_proof
  sql target_admin -v target="$TARGET_DATABASE" <<'SQL'
DELETE FROM naytife_migration.fact f WHERE target_database = :'target' AND side IN ('source', 'target')
   AND (kind = 'sequence' OR kind = 'table' AND EXISTS (SELECT FROM naytife_migration.change c WHERE c.target_database = :'target' AND c.relation = f.name AND c.key IS NULL));
SQL
}

# drain_proof [LSN]: takes in which rows changed, up to LSN or now. What is lost on the way ends the run.
drain_proof() {
  local upto="pg_current_wal_lsn()" many=50000
  if [[ -n ${1:-} ]]; then upto="'$1'"; fi
  # It ends a portion at the end of a transaction.
  until ((many < 50000)); do many=$(drain_some "$upto"); done
}
drain_some() {
  sql source -c "COPY (SELECT data FROM pg_logical_slot_get_binary_changes('naytife_migration_proof', $1, 50000, 'proto_version', '1', 'publication_names', 'naytife_migration')) TO STDOUT" |
    sql target_admin -v target="$TARGET_DATABASE" -f "$SCRIPTS/changes.sql"
}

# catch_up: what was written meanwhile is applied, until that takes less than a second. The source's vacuum has its freedom again, as the snapshot is let go.
catch_up() {
  begin "catch up"
  release_locks
  IN_SNAPSHOT=()
  # They would do on the copy what they have done on the source, and what comes with the stream.
  sql staging -c "SELECT format('ALTER TABLE ONLY %s ENABLE %s TRIGGER %I;', tgrelid::regclass, CASE tgenabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END, tgname) FROM pg_trigger WHERE tgenabled IN ('A', 'R') AND NOT tgisinternal" >"$WORK/triggers"
  sql staging <<'SQL'
SELECT format('ALTER TABLE ONLY %s DISABLE TRIGGER %I;', tgrelid::regclass, tgname) FROM pg_trigger WHERE tgenabled IN ('A', 'R') AND NOT tgisinternal \gexec
SQL
  subscribe staging "CREATE SUBSCRIPTION naytife_migration CONNECTION :'connection' PUBLICATION naytife_migration WITH (create_slot = false, slot_name = 'naytife_migration', copy_data = false, run_as_owner = true, disable_on_error = true, synchronous_commit = off);"
  nearly_there
  settle_changes
  refresh_views
  same_definitions
  nearly_there
  finish "$(human "$(sql source -c "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '$SNAPSHOT_AT')::bigint")") of WAL since the copy's snapshot"
}

# settle_changes: where many rows have changed, those that are at rest are compared now, so that what the freeze has to compare is what changed lately, however long the
# copy took. The copy is read when it has all that was on the source when that was read: equal rows can differ only by a change that is told later.
settle_changes() {
  local round side upto many mark
  for round in 1 2 3; do
    many=$(sql target_admin -v target="$TARGET_DATABASE" <<<"SELECT count(*) FROM naytife_migration.change WHERE target_database = :'target' AND key IS NOT NULL;")
    if ((many < SETTLE_FROM)); then return; fi
    note "$many changes of rows are compared, before clients have to wait for it (round $round)"
    upto=$(sql target_admin -v target="$TARGET_DATABASE" <<<"SELECT max(number) FROM naytife_migration.change WHERE target_database = :'target';")
    write_changed "$upto" true
    watched true read_changed source
    mark=$(sql source -c "SELECT pg_current_wal_insert_lsn()")
    until [[ $(applied "$mark") == 0 ]]; do sleep 0.5; done
    watched true read_changed staging
    for side in source target; do cat "$WORK/settled.$side".* | sql target_admin -v target="$TARGET_DATABASE" -v side="$side" -f "$SCRIPTS/gather.sql"; done
    sql target_admin -v target="$TARGET_DATABASE" -v upto="$upto" -f "$SCRIPTS/settled.sql"
    nearly_there
  done
}
# How many changes are left to the freeze at most, where the application grants a pause.
SETTLE_FROM=5000

# write_changed UPTO APART: the scripts that compare what changed, one for each worker.
write_changed() {
  local worker
  for ((worker = 0; worker < JOBS; worker++)); do
    sql target_admin -v target="$TARGET_DATABASE" -v workers="$JOBS" -v worker="$worker" -v upto="$1" -v apart="$2" -f "$SCRIPTS/changed.sql" >"$WORK/changed.$worker"
  done
}
read_changed() {
  local worker side=$1 child children=() status=0
  if [[ $1 == staging ]]; then side=target; fi
  for ((worker = 0; worker < JOBS; worker++)); do
    sql "$1" -v hash="$HASH" -f "$SCRIPTS/row-hash.sql" -f "$WORK/changed.$worker" >"$WORK/settled.$side.$worker" &
    children+=($!)
  done
  for child in "${children[@]}"; do wait "$child" || status=$?; done
  return "$status"
}

# nearly_there: waits until what is written is applied within a second.
nearly_there() {
  local mark behind least='' since=$SECONDS
  while :; do
    drain_proof
    mark=$(sql source -c "SELECT pg_current_wal_lsn()")
    sleep 0.5
    behind=$(applied "$mark")
    if [[ $behind == 0 ]]; then return; fi
    if [[ -z $least ]] || ((behind < least)); then
      least=$behind since=$SECONDS
    elif ((SECONDS - since > 1800)); then
      fail "the copy does not catch up: for half an hour it was never nearer than $(human "$least") to what is written on the source" "The target's log says whether it reaches the source. Run \`pulumi up\` again when less is written, or set migrationMode to offline."
    fi
    progress "$(sql source -c "SELECT pg_wal_lsn_diff('$mark', '$SNAPSHOT_AT')::bigint - $behind")" "$(sql source -c "SELECT pg_wal_lsn_diff('$mark', '$SNAPSHOT_AT')::bigint")" "bytes of WAL"
    sleep 1
  done
}

# applied LSN: how many bytes of WAL before LSN the copy lacks. Fails if the replication has stopped.
applied() {
  [[ $(sql staging -c "SELECT subenabled FROM pg_subscription WHERE subname = 'naytife_migration'") == t ]] ||
    fail "the copy could not apply what was written on the source: a table's definition has changed since the copy began, or a change does not fit the copy's" \
      "The target's log has the cause (kubectl logs of its primary, \"logical replication\"). Run \`pulumi up\` again, and change no definitions meanwhile; or set migrationMode to offline."
  sql source -c "SELECT greatest(pg_wal_lsn_diff('$1', confirmed_flush_lsn), 0)::bigint FROM pg_replication_slots WHERE slot_name = 'naytife_migration'"
}

# refresh_views: materialized views are filled anew as late as clients do not wait for it; again in the freeze, if all of them take less than a second.
refresh_views() {
  local began
  began=$(date +%s%N)
  sql source -f "$SCRIPTS/refresh.sql" >"$WORK/refresh"
  watched true sql staging -f "$WORK/refresh"
  VIEWS_MILLISECONDS=$((($(date +%s%N) - began) / 1000000))
}

# same_definitions: a table that was made or altered during the copy is found before any client has to wait for nothing. The copy's definitions are those of verify: some triggers are off now.
same_definitions() {
  schema source >"$WORK/schema.source"
  same_schemas || fail "definitions were changed on the source during the copy (< source, > copy): $(schema_differences)" "Run \`pulumi up\` again, and change no definitions meanwhile."
}

# prove: in the freeze. What is left of the changes is applied, what could not be followed is copied, and what was not compared in the snapshot is compared.
prove() {
  begin prove
  local behind='' since=$SECONDS children=() child status=0
  # A commit: with it all that was committed before is on the source's disk, and so in the stream.
  FREEZE_AT=$(sql source_admin -c "SELECT pg_logical_emit_message(true, 'naytife_migration', 'freeze')")
  until [[ $behind == 0 ]]; do
    behind=$(applied "$FREEZE_AT")
    ((SECONDS - since < 60)) || fail "the last changes did not arrive within a minute" "The target's log says why. Run \`pulumi up\` again."
  done
  drain_proof "$FREEZE_AT"
  # All at once: clients wait.
  unpublish &
  children+=($!)
  { sql source -f "$SCRIPTS/sequences.sql" | sql staging >/dev/null; } &
  children+=($!)
  { sql source -f "$SCRIPTS/followed.sql" -f "$SCRIPTS/recopy.sql" | sql staging; } &
  children+=($!)
  if [[ $(sql source -c "SELECT EXISTS (SELECT FROM pg_largeobject_metadata)")$(sql staging -c "SELECT EXISTS (SELECT FROM pg_largeobject_metadata)") != ff ]]; then
    carry_large_objects &
    children+=($!)
  fi
  for child in "${children[@]}"; do wait "$child" || status=$?; done
  ((status == 0)) || exit "$status"
  PUBLISHED=
  sql staging -f "$WORK/triggers"
  if ((VIEWS_MILLISECONDS < 1000)); then
    sql staging -f "$WORK/refresh"
  elif [[ -s $WORK/refresh ]]; then
    warn "materialized views take $VIEWS_MILLISECONDS ms to fill, so they were filled shortly before the freeze and not in it: refresh them if they must show the last orders"
  fi
  lock_large_objects
  compare_changes
  finish "$CHANGED"
}

# compare_changes: definitions, facts and sequences wholly, of the rows those that changed since the snapshot.
compare_changes() {
  local whole
  PROVED_FROM=$(source_position)
  sql source -f "$SCRIPTS/followed.sql" -f <(echo "SELECT format('INSERT INTO naytife_migration.change VALUES (%L, %L);', :'target', target) FROM (:followed) AS f WHERE NOT followed;") -v target="$TARGET_DATABASE" | sql target_admin
  write_changed 9223372036854775807 false
  ROWS=changed AMCHECK=0
  # The report tells how long the comparison of all rows took.
  whole=$VERIFY_MILLISECONDS
  read_sides staging
  VERIFY_MILLISECONDS=$whole
  judge_sides staging
  CHANGED=$(sql target_admin -v target="$TARGET_DATABASE" <<<"SELECT format('%s changed rows of %s tables equal', sum((value ->> 'rows')::bigint), count(*)) FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'target' AND kind = 'changed rows';")
}

# unpublish: what this run, or an earlier one, made on the source for the changes' sake goes, and so does the subscription.
unpublish() {
  local exists attempt answer
  exists=$(sql target_admin -v d="$STAGING" <<<"SELECT count(*) FROM pg_database WHERE datname = :'d';") || return 1
  if [[ $exists == 1 ]]; then sql staging -f "$SCRIPTS/unsubscribe.sql" || return 1; fi
  for attempt in 1 2 3 4 5 6 7 8 9 10; do
    if answer=$(sql source -f "$SCRIPTS/unpublish.sql" 2>&1); then
      PUBLISHED=
      remember publisher "" || true
      # Said, since a bare `return` gives the exit handler what there was before it.
      return 0
    fi
    # Its reader needs a moment to leave.
    sleep 0.2
  done
  echo "$answer" >&2
  return 1
}

# undo_publish: takes away what keeps WAL on the source, and says so where it could not. For the exit handler: never fails.
undo_publish() {
  if [[ -z $PUBLISHED || $(cut_over_done 2>/dev/null) == 1 ]] || unpublish 2>/dev/null; then return 0; fi
  echo "Replication slots naytife_migration and naytife_migration_proof may still be on the source, where they keep its WAL until the next run, or until: SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name LIKE 'naytife\_migration%';"
}

# The report names every table's rows and hash, by which a rollback knows that the old database is as it was left. To read all of it takes as long as it is large,
# so it is read after the switch, in the sealed source, by a session that was there before nobody could come any more.

# stand_by_to_count: opens the session. One alone: the application has just got its database back, and may share the machine with the old one.
stand_by_to_count() {
  mkfifo "$WORK/count"
  LIST="$WORK/pieces.final" sql source -v hash="$HASH" <"$WORK/count" >"$WORK/counted" &
  COUNTER=$!
  exec {COUNTER_INPUT}>"$WORK/count"
  echo "SET max_parallel_workers_per_gather = 0; SELECT 'there';" >&"$COUNTER_INPUT"
  until [[ -s $WORK/counted ]]; do sleep 0.02; done
}

# count_source: has them read, and puts what was found into the report. Only for conditions: the data is where it should be, and nothing may fail the run.
count_source() {
  # Told to end: other programs of this run may hold the other end open too.
  { echo "\\o $WORK/pieces.final" && cat "$SCRIPTS/row-hash.sql" "$SCRIPTS/hashes.sql" && echo '\o' && cat "$SCRIPTS/listed.sql" && echo '\q'; } >&"$COUNTER_INPUT" || return 1
  exec {COUNTER_INPUT}>&-
  note "the old database's rows are counted for the report; the new one is in use"
  while kill -0 "$COUNTER" 2>/dev/null; do
    progress "$(sed -n 's/^{"bytes" : \([0-9]*\),.*/\1/p' "$WORK/counted" | awk '{ sum += $1 } END { printf "%d", sum }')" "$SOURCE_TABLE_BYTES" "bytes" "the old database"
    sleep 1
  done
  wait "$COUNTER" || return 1
  tail -n +2 "$WORK/counted" | sql target_admin -v target="$TARGET_DATABASE" -v side=final -f "$SCRIPTS/gather.sql" || return 1
  sql target_admin -v target="$TARGET_DATABASE" -f "$SCRIPTS/counted.sql"
}
