# What the drill does on the primary: the row that must come back, the record of what is there, and the wait until the WAL is safe.
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share their variables

# open_services: the services that psql connects by. Passwords go to a file of ours alone and leave the environment.
open_services() {
  local common=$'keepalives_idle=30\nkeepalives_interval=10\nkeepalives_count=6\napplication_name=naytife_drill\nconnect_timeout=2'
  # Both sides are read by the same role with the same settings, so that rows print alike; no limit of theirs may end a long session.
  local options="-c search_path= -c row_security=off -c client_min_messages=warning -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0"
  local primary="host=$CLUSTER-rw"$'\nport=5432\nsslmode=verify-full\nsslrootcert=/ca/ca.crt\n'"$common"
  # Its certificates come into being with it. SCRAM bound to the TLS channel proves that the other side knows the password.
  local copy="host=$COPY-rw"$'\nport=5432\nsslmode=require\nchannel_binding=require\n'"$common"
  export PGSERVICEFILE="$WORK/services" PGPASSFILE="$WORK/passwords" PGCLIENTENCODING=UTF8 PGTZ=UTC
  {
    printf '[primary]\n%s\nuser=naytife_drill\ndbname=naytife_drill\n\n' "$primary"
    printf '[source]\n%s\nuser=naytife_drill\ndbname=%s\noptions=%s\n\n' "$primary" "$DATABASE" "$options"
    printf '[copy]\n%s\nuser=naytife_drill\ndbname=%s\noptions=%s\n\n' "$copy" "$DATABASE" "$options"
    printf '[copy_drill]\n%s\nuser=naytife_drill\ndbname=naytife_drill\n\n' "$copy"
    printf '[copy_superuser]\n%s\nuser=postgres\ndbname=%s\noptions=%s\n' "$copy" "$DATABASE" "$options"
  } >"$PGSERVICEFILE"
  {
    printf '*:*:*:naytife_drill:%s\n' "$(escape_pgpass "$DRILL_PASSWORD")"
    printf '*:*:*:postgres:%s\n' "$(escape_pgpass "$SUPERUSER_PASSWORD")"
  } >"$PGPASSFILE"
  unset DRILL_PASSWORD SUPERUSER_PASSWORD
}

# remember KIND NAME JSON: a fact of this drill.
remember() {
  sql primary -v drill="$DRILL" -v kind="$1" -v name="$2" -v value="$3" <<<"INSERT INTO fact VALUES (:'drill', 'drill', :'kind', :'name', :'value') ON CONFLICT (drill, side, kind, name) DO UPDATE SET value = EXCLUDED.value;"
}

# reach_primary: the drill's own role and database are there. The operator makes them from the stack's declarations, half a minute after it at the latest.
reach_primary() {
  local deadline=$((STARTED + 90))
  until sql primary -f "$SCRIPTS/tables.sql" 2>"$WORK/primary"; do
    (($(date +%s) < deadline)) || fail "the drill cannot work in its database naytife_drill on $CLUSTER-rw: $(tail -n 1 "$WORK/primary")" "Is the Cluster healthy? kubectl get databaseroles.postgresql.cnpg.io,databases.postgresql.cnpg.io says whether the operator made role and database; \`pulumi up\` declares them."
    sleep 2
  done
}

# plant_canary: a row, with its time and the WAL segment that holds its commit.
plant_canary() {
  sql primary -v drill="$DRILL" <<<"INSERT INTO canary (drill) VALUES (:'drill');"
  CANARY_PLANTED=$(date +%s%N)
  CANARY_SEGMENT=$(sql primary -c "SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
  rm -f "$WORK/canary-archived"
  watch_canary &
  WATCHER=$!
  note "a row was written, in WAL segment $CANARY_SEGMENT"
}

# record: what is in the database at one position of the WAL, to which the copy will be restored.
record() {
  local keeper exact
  rm -f "$WORK/recorded" "$WORK/instant"
  sql source -c "SELECT" >/dev/null 2>"$WORK/source" ||
    fail "the drill cannot read $DATABASE: $(tail -n 2 "$WORK/source" | paste -sd ' ')" "The drill's role is a member of pg_monitor, and what is refused to PUBLIC is refused to it, unless somebody says: GRANT CONNECT ON DATABASE $DATABASE TO pg_monitor. Earlier migrations did not."
  sql source -v kind="sequence before" -f "$SCRIPTS/sequences.sql" >"$WORK/sequences.lines"
  sql source -v answer="$WORK/instant" -v done="$WORK/recorded" -f "$SCRIPTS/instant.sql" &
  keeper=$!
  until [[ -s $WORK/instant ]]; do
    kill -0 "$keeper" 2>/dev/null || fail "no snapshot of $DATABASE could be taken" "The lines above say why."
    sleep 0.1
  done
  # psql has made the file, and may be writing.
  sleep 0.2
  IFS=$'\t' read -r SNAPSHOT TARGET_POSITION QUIET UNDER_WAY <"$WORK/instant"
  sql source -v kind="sequence after" -f "$SCRIPTS/sequences.sql" >>"$WORK/sequences.lines"
  # Recovery ends before the first record at or after its target, which has to be there.
  LAST_SEGMENT=$(sql primary -v drill="$DRILL" <<<"INSERT INTO afterwards VALUES (:'drill'); SELECT pg_walfile_name(pg_current_wal_insert_lsn());")
  TO_READ=$(sql source -f "$SCRIPTS/to-read.sql")
  watched reading read_tables source
  watched reading read_large_objects source
  touch "$WORK/recorded"
  wait "$keeper" || fail "the snapshot was lost while $DATABASE was read" "The primary ended the session: did it restart or fail over? Run \`npm run drill\` again."
  sql source -f "$SCRIPTS/unlogged.sql" >>"$WORK/source.lines"
  cat "$WORK/source.lines" "$WORK/sequences.lines" | sql primary -v drill="$DRILL" -v side=primary -f "$SCRIPTS/gather.sql"
  exact="at an instant without writes"
  [[ $UNDER_WAY == - ]] || exact="while transactions were under way"
  [[ $QUIET == t ]] || exact="while the WAL was written without a pause"
  remember measured target "$(printf '{"position":"%s","recorded":%s}' "$TARGET_POSITION" "$(json_string "$exact")")"
  RECORDED_TOLD=$(sql primary -v drill="$DRILL" -v side=primary -f "$SCRIPTS/told.sql")
  RECORDED_TOLD+=" at WAL position $TARGET_POSITION, $exact"
}

# read_tables SERVICE: counts and hashes, one line each, into a file. On the primary as the snapshot shows them. One session: the application needs its server.
read_tables() {
  local snapshot=()
  if [[ $1 == source ]]; then snapshot=(-c "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" -c "SET TRANSACTION SNAPSHOT '$SNAPSHOT'"); fi
  sql "$1" "${snapshot[@]}" -v hash=builtin -v hash_limit="$HASH_LIMIT" -f "$SCRIPTS/row-hash.sql" -f "$SCRIPTS/hashes.sql" >"$WORK/$1.pieces"
  LIST="$WORK/$1.pieces" sql "$1" "${snapshot[@]}" -f "$SCRIPTS/listed.sql" >"$WORK/$1.lines"
}

# read_large_objects SERVICE: the same of large objects, after them.
read_large_objects() {
  local snapshot=()
  if [[ $1 == source ]]; then snapshot=(-v snapshot="$SNAPSHOT"); fi
  sql "$1" "${snapshot[@]}" -v hash_limit="$HASH_LIMIT" -f "$SCRIPTS/large-objects.sql" >>"$WORK/$1.lines"
}

reading() {
  local bytes
  bytes=$(cat "$WORK"/source.lines "$WORK"/copy.lines 2>/dev/null | sed -n 's/^{"bytes" : \([0-9]*\),.*/\1/p' | awk '{ sum += $1 } END { printf "%d", sum }')
  progress "$bytes" "$TO_READ" bytes
}

# archived SEGMENT: t once it lies in the store. Segments go there in order; a failover changes the first eight digits. What was archived is marked as done until the file is used again.
archived() {
  sql primary -v segment="$1" <<<"SELECT coalesce(substr(last_archived_wal, 9, 16) >= substr(:'segment', 9, 16) AND last_archived_wal ~ '^[0-9A-F]{24}$', false) OR EXISTS (SELECT FROM pg_ls_archive_statusdir() WHERE name = :'segment' || '.done') FROM pg_stat_archiver;"
}

# watch_canary: notes when the canary was safe, whatever else is being done.
watch_canary() {
  until [[ $(archived "$CANARY_SEGMENT" 2>/dev/null) == t ]]; do sleep 0.5; done
  date +%s%N >"$WORK/canary-archived"
}

# await_archive: until the canary, and then all that the restored copy needs, lies in the store.
await_archive() {
  local failed said=''
  until [[ -s $WORK/canary-archived && $(archived "$LAST_SEGMENT") == t ]]; do
    in_time "WAL segment $LAST_SEGMENT was not archived"
    failed=$(sql primary -c "SELECT last_failed_wal FROM pg_stat_archiver WHERE last_failed_time > coalesce(last_archived_time, '-infinity')")
    if [[ -n $failed && $failed != "$said" ]]; then note "the archiver fails at WAL segment $failed, and tries again"; fi
    said=$failed
    sleep 0.5
  done
  RPO=$(seconds_since "$CANARY_PLANTED" "$(<"$WORK/canary-archived")")
  remember measured rpoSeconds "$RPO"
  remember measured archiveTimeout "$(sql primary -c "SELECT setting FROM pg_settings WHERE name = 'archive_timeout'")"
}
