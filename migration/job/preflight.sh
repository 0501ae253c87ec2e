# Everything that can be known before anything changes: may we, is there room, is the target ours to fill. All of it is looked at before any of it is told:
# a migration ends with everything that is in the way, a plan lists everything it found.
# shellcheck shell=bash disable=SC2034 # the parts share their variables

# What is in the way, and what removes it.
OBSTACLES=()
REMEDIES=()

# blocker WHAT NEXT: it must be removed before a migration. caution WHAT [NEXT]: it comes along changed, or not at all; kept in the report.
blocker() {
  OBSTACLES+=("$1")
  REMEDIES+=("$2")
  if [[ $MODE == plan ]]; then finding blocker "$1" "$2"; fi
}
caution() {
  if [[ $MODE == plan ]]; then finding warning "$1" "${2:-}"; else warn "$1"; fi
}
# finding SEVERITY WHAT [NEXT]: one line of a plan; SEVERITY is blocker, warning or info.
finding() {
  printf '{"phase":"%s","event":"finding","severity":"%s","text":%s%s}\n' "$PHASE" "$1" "$(json_string "$2")" "${3:+,\"next\":$(json_string "$3")}"
}

# stop_at_obstacles: ends the run if anything is in the way.
stop_at_obstacles() {
  local place what next
  case ${#OBSTACLES[@]} in
  0) return ;;
  1) fail "${OBSTACLES[0]}" "${REMEDIES[0]}" ;;
  esac
  what="${#OBSTACLES[@]} things are in the way:"
  for place in "${!OBSTACLES[@]}"; do what+=$'\n'"    $((place + 1)). ${OBSTACLES[place]}"$'\n'"       Next: ${REMEDIES[place]}"; done
  fail "$what" "Remove them, then run \`pulumi up\` again. \`npm run migration -- plan\` looks without changing anything."
}

# can_connect SERVICE WHAT NEXT: the first connection; its error is the reader's. connect: the same, and the run ends without it.
can_connect() {
  local answer look
  for look in $(seq 15); do
    if answer=$(sql "$1" -c "SELECT 1" 2>&1); then return 0; fi
    # An instance may be ready for a moment before its Service leads to it.
    [[ $answer == *"Connection refused"* ]] || break
    sleep 1
  done
  blocker "cannot log in to $2: ${answer##*: error: }" "$3"
  return 1
}
connect() { can_connect "$@" || stop_at_obstacles; }

preflight() {
  PHASE=preflight
  check_names
  connect target_admin "the target $TARGET_HOST:$TARGET_PORT" "Is the Cluster healthy (kubectl get cluster), and does its pg_hba let $TARGET_USER in by TLS?"
  # Another engine's Job may have ended while this one was being made. Its source is sealed, and stays so.
  local finished
  finished=$(cut_over_done)
  if [[ $finished == 1 ]]; then
    note "another run finished the migration; nothing is left to do"
    exit 0
  fi
  begin preflight
  check_both_sides
  stop_at_obstacles
  if [[ -n $(recall publisher) ]]; then
    note "what an online run that was cut short left on the source is taken away"
    unpublish || fail "the replication slots of an earlier run could not be dropped, and keep the source's WAL" "In $SOURCE_DATABASE of the source: SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name LIKE 'naytife\_migration%'; then run \`pulumi up\` again."
  fi
  finish "PostgreSQL $SOURCE_MAJOR → $TARGET_MAJOR, $(human "$SOURCE_BYTES")"
}

# check_both_sides: everything but the login to the target's server. SOURCE_OPEN and TARGET_OPEN say which side's database could be looked into.
# No check stands in a condition: bash would go on after an error inside it.
check_both_sides() {
  SOURCE_OPEN=no TARGET_OPEN=no
  check_source_server
  check_target_server
  check_target_database
  check_alias
  if [[ $SOURCE_OPEN == yes ]]; then
    check_room
    check_extensions
    check_contents
    if [[ $MIGRATION_MODE == online ]]; then check_replication; fi
    # An older target, a blocker already, lacks columns that are asked for.
    if [[ $TARGET_OPEN == yes ]] && ((TARGET_MAJOR >= 17)); then
      check_locale
      check_collations
    fi
  fi
}

# check_alias: who comes by the source's old name after the switch comes to the target's pooler, with the name and password that he has.
check_alias() {
  if [[ -z ${ALIAS:-} ]]; then return; fi
  local next="Or set migrationAlias to false: then applications are told of the new database by the Secret alone."
  if [[ $SOURCE_DATABASE != "$TARGET_DATABASE" ]]; then
    blocker "clients that come by $ALIAS ask for the database $SOURCE_DATABASE, and the target's is $TARGET_DATABASE" "Set databaseName to $SOURCE_DATABASE. $next"
  fi
  if [[ $SOURCE_USER != "$TARGET_OWNER" ]]; then
    caution "clients that come by $ALIAS as $TARGET_OWNER, if there are any, log in by the target's password of that role" "Set databasePassword to the one that they have."
  elif [[ $SAME_PASSWORD == no ]]; then
    blocker "clients that come by $ALIAS as $SOURCE_USER could not log in to the target: its password is another one (Secret $TARGET_OWNER_SECRET) than the source's" \
      "Set databasePassword to the source's (pulumi config set --secret databasePassword), then \`pulumi up\`. $next"
  fi
  caution "after the switch $ALIAS leads to a pooler that takes TLS alone: clients whose URL says sslmode=disable will be refused" "Have them say sslmode=require, or prefer. What the pooler's mode means for sessions: docs/migration.md, \"The old host name\"."
}

check_names() {
  # Names longer than 63 bytes are cut off by the server, and would then mean another database.
  (($(printf '%s' "$TARGET_DATABASE" | wc -c) <= 46)) || blocker "the database name $TARGET_DATABASE is longer than 46 bytes, so there is no room for ${REPLACED#"$TARGET_DATABASE"} at its end" "Set databaseName to a shorter name."
  case $TARGET_DATABASE in postgres | template0 | template1) blocker "the target's database $TARGET_DATABASE is the server's own" "Set databaseName to another name." ;; esac
}

# check_source_server: there, ours to read and to stop.
check_source_server() {
  local where="the source $SOURCE_USER@$SOURCE_HOST:$SOURCE_PORT"
  await_service
  can_connect source_admin "$where/$SOURCE_ADMIN_DATABASE" "Check the migrationSource… settings: host, port, user, and the Secret and key that hold the password." || return 0
  local facts super accepts prepared standby
  facts=$(sql source_admin -v database="$SOURCE_DATABASE" -F ' ' <<'SQL'
SELECT current_setting('server_version_num')::int / 10000,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
       coalesce((SELECT datallowconn::text FROM pg_database WHERE datname = :'database'), 'missing'),
       (SELECT count(*) FROM pg_prepared_xacts WHERE database = :'database'),
       pg_is_in_recovery();
SQL
  )
  read -r SOURCE_MAJOR super accepts prepared standby <<<"$facts"
  ((SOURCE_MAJOR >= 13)) || blocker "the source is PostgreSQL $SOURCE_MAJOR, and the migration needs 13 or above" "Upgrade the source to 13 or above first (pg_upgrade), or move its data by hand with pg_dump."
  [[ $super == t ]] || blocker "$SOURCE_USER is not a superuser of the source, so it can neither read every row nor stop every writer" "Give migrationSourceUser a superuser of the source."
  [[ $standby == f ]] || blocker "the source is a standby, which cannot be stopped from taking its primary's writes" "Set migrationSourceHost to the primary."
  [[ $prepared == 0 ]] || blocker "$prepared prepared transactions hold locks in $SOURCE_DATABASE" "Commit or roll them back: SELECT * FROM pg_prepared_xacts."
  case $accepts in
  missing)
    local others
    others=$(sql source_admin -c "SELECT string_agg(datname, ', ' ORDER BY datname) FROM pg_database WHERE NOT datistemplate")
    blocker "$where has no database $SOURCE_DATABASE; it has: $others" "Check migrationSourceDatabase."
    return 0
    ;;
  false)
    local sealed
    sealed=$(recall source_sealed)
    if [[ -z $sealed ]]; then
      blocker "$SOURCE_DATABASE of the source accepts no connections, and this migration did not seal it" \
        "If it is the right one, in another database of the source: ALTER DATABASE $SOURCE_DATABASE WITH ALLOW_CONNECTIONS true; ALTER DATABASE $SOURCE_DATABASE RESET default_transaction_read_only; (an earlier migration leaves both)."
      return 0
    elif [[ $MODE == plan ]]; then
      finding warning "the source was sealed by a run that was cut short, so its contents were not looked at" "Run \`pulumi up\`: it does what is left."
      return 0
    fi
    note "the source was sealed by a run that did not finish; it is opened again, still frozen"
    unseal_source
    ;;
  esac
  if [[ $super != t ]] || ((SOURCE_MAJOR < 13)); then return 0; fi
  can_connect source "$where/$SOURCE_DATABASE" "Check the migrationSource… settings." || return 0
  SOURCE_OPEN=yes
  local sizes
  sizes=$(sql source -c "SELECT pg_database_size(current_database()), (SELECT coalesce(sum(pg_relation_size(c.oid)), 0) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'i' AND c.oid >= 16384 AND n.nspname NOT LIKE 'pg\\_toast%')")
  IFS='|' read -r SOURCE_BYTES INDEX_BYTES <<<"$sizes"
}

# await_service: where the old name is to be an alias, the Service that leads to the source was made a moment ago, and this node may not have heard of it.
await_service() {
  if [[ -z ${ALIAS:-} ]]; then return; fi
  local look answer
  for look in $(seq 30); do
    if answer=$(sql source_admin -c "SELECT 1" 2>&1) || [[ $answer != *"No route to host"* && $answer != *"Connection refused"* ]]; then return; fi
    sleep 0.5
  done
}

# check_target_server: versions. The client must be the target's, and not older than the source.
check_target_server() {
  TARGET_MAJOR=$(sql target_admin -c "SELECT current_setting('server_version_num')::int / 10000")
  local client
  client=$(pg_dump --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
  [[ $client == "$TARGET_MAJOR" ]] || blocker "pg_dump of the Job's image is $client, the target is $TARGET_MAJOR" "Leave the image to the Cluster's own."
  ((TARGET_MAJOR >= ${SOURCE_MAJOR:-0})) || blocker "the source is PostgreSQL $SOURCE_MAJOR, newer than the target's $TARGET_MAJOR" "Set postgresImage to major $SOURCE_MAJOR or above."
  ((TARGET_MAJOR >= 17)) || blocker "the target is PostgreSQL $TARGET_MAJOR, and the migration needs 17 or above" "Set postgresImage to 17 or above."
}

# check_target_database: empty, or emptied by us.
check_target_database() {
  local exists other made answer closed=
  if [[ $MODE == plan ]]; then
    closed=$(recall target_closed)
  else
    # What a run that was killed at its end left closed.
    reopen_target
  fi
  made=$(recall staging)
  for other in "$STAGING" "$REPLACED"; do
    exists=$(sql target_admin -v d="$other" <<<"SELECT count(*) FROM pg_database WHERE datname = :'d';")
    if [[ $exists == 1 && $made != "$STAGING" ]]; then
      blocker "the target has a database $other that no run of this migration made" "Look into it; rename or drop it if it is not needed."
    fi
  done
  exists=$(sql target_admin -v d="$TARGET_DATABASE" <<<"SELECT count(*) FROM pg_database WHERE datname = :'d' AND datallowconn;")
  if [[ $exists != 1 ]]; then
    blocker "the target has no database $TARGET_DATABASE that accepts connections" "Is the Cluster bootstrapped with it (databaseName)?"
    return
  fi
  TARGET_OPEN=yes
  local held
  held=$(contents target)
  [[ -z $held ]] || blocker "$(not_empty "$TARGET_DATABASE" "$held")" "$NOT_EMPTY_NEXT"
  if [[ -z $closed ]]; then
    answer=$(sql owner -c "SELECT 1" 2>&1) || blocker "the application's role $TARGET_OWNER cannot log in to the target: ${answer##*: error: }" "Does Secret $TARGET_OWNER_SECRET hold its password?"
  fi
}

# check_room: for the dump and for the copy. What an earlier run of ours left is used again or deleted, so it takes none.
check_room() {
  local large_object_bytes dump_free=$DUMP_CAPACITY dump_left staging_left reserve free
  TABLE_BYTES=$(sql source -c "SELECT coalesce(sum(pg_table_size(oid)), 0) FROM pg_class WHERE relkind IN ('r', 'm', 't') AND oid >= 16384")
  large_object_bytes=$(sql source -c "SELECT pg_table_size('pg_largeobject')")
  TABLE_BYTES=$((TABLE_BYTES + large_object_bytes))
  # A plan makes no volume; where there is none yet, it will be as large as it is asked for.
  if [[ $DUMP_VOLUME == present ]]; then
    if [[ $MODE != plan ]]; then
      { : >"$DUMP/.naytife-migration" && rm "$DUMP/.naytife-migration"; } 2>/dev/null || fail "the dump volume cannot be written to by user $(id -u)" "Does its StorageClass honour fsGroup? Set storageClass to one that does."
    fi
    dump_left=$(find "$DUMP" -mindepth 1 -maxdepth 1 -name "$TARGET_DATABASE-*" -exec du -sB1 {} + | awk '{ sum += $1 } END { printf "%d", sum }')
    free=$(df --output=avail -B1 "$DUMP" | tail -n 1 | tr -d ' ')
    if ((free + dump_left < dump_free)); then dump_free=$((free + dump_left)); fi
  fi
  DUMP_WANTED=$((TABLE_BYTES + 16777216))
  ((dump_free >= DUMP_WANTED)) || blocker "the dump volume has $(human "$dump_free") free, and the source's tables are $(human "$TABLE_BYTES")" "Set migrationDumpStorage to at least $(human $((DUMP_WANTED * 5 / 4)))."
  reserve=$(sql target_admin -c "SELECT pg_size_bytes(current_setting('max_wal_size'))")
  staging_left=$(sql target_admin -v d="$STAGING" <<<"SELECT coalesce(sum(pg_database_size(oid)), 0) FROM pg_database WHERE datname = :'d';")
  TARGET_FREE=$((TARGET_FREE + staging_left > 0 ? TARGET_FREE + staging_left : 0))
  TARGET_WANTED=$((SOURCE_BYTES * 5 / 4 + reserve))
  ((TARGET_FREE >= TARGET_WANTED)) || blocker "the target's volume has $(human "$TARGET_FREE") free; $(human "$SOURCE_BYTES") of data and its WAL need $(human "$TARGET_WANTED")" "Set storageSize higher."
}

check_extensions() {
  local missing
  sql source -c "SELECT quote_literal(extname) FROM pg_extension" | paste -sd, >"$WORK/extensions"
  missing=$(sql target_admin -c "SELECT string_agg(e, ', ') FROM unnest(ARRAY[$(cat "$WORK/extensions")]::text[]) e WHERE NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = e)")
  [[ -z $missing ]] || blocker "the target's image lacks these extensions of the source: $missing" "Use a postgresImage that has them, or drop them from the source."
}

# check_contents: what cannot come along, or comes along changed.
check_contents() {
  local line lines
  lines=$(sql source -v database="$SOURCE_DATABASE" -v owner="$TARGET_OWNER" -f "$SCRIPTS/incompatible.sql")
  while read -r line; do [[ -z $line ]] || caution "$line"; done <<<"$lines"
}

check_locale() {
  SOURCE_ENCODING=$(sql source -c "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()")
  TARGET_ENCODING=$(sql target -c "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()")
  local locale="encoding || ' ' || datlocprovider::text || ' ' || datcollate || ' ' || datctype"
  local source_locale target_locale
  if ((SOURCE_MAJOR < 15)); then locale="encoding || ' c ' || datcollate || ' ' || datctype"; fi
  source_locale=$(sql source -c "SELECT $locale FROM pg_database WHERE datname = current_database()")
  target_locale=$(sql target -c "SELECT encoding || ' ' || datlocprovider::text || ' ' || datcollate || ' ' || datctype || coalesce(' ' || datlocale, '') FROM pg_database WHERE datname = current_database()")
  if [[ $source_locale != "$target_locale" ]]; then
    caution "locales differ: the source sorts and folds case by ($source_locale), the target by ($target_locale); ORDER BY on text may give another order"
  fi
}

# check_collations: a dump names the collations that came with the source's server, and makes none of them.
check_collations() {
  local used missing
  used=$(sql source -c "SELECT coalesce(json_agg(DISTINCT collname), '[]') FROM pg_depend d JOIN pg_collation c ON d.refclassid = 'pg_collation'::regclass AND d.refobjid = c.oid WHERE collnamespace = 'pg_catalog'::regnamespace")
  missing=$(sql target -v used="$used" <<<"SELECT string_agg(quote_ident(used), ', ' ORDER BY used) FROM json_array_elements_text(:'used') AS used
    WHERE NOT EXISTS (SELECT FROM pg_collation WHERE collname = used AND collnamespace = 'pg_catalog'::regnamespace AND collencoding IN (-1, pg_char_to_encoding('$TARGET_ENCODING')));")
  [[ -z $missing ]] || blocker "the target's image lacks these collations that the source uses: $missing" "Use a postgresImage that has them, or give the columns and indexes another collation on the source."
}

# contents SERVICE: what the database holds that no empty one does, in one line.
contents() { sql "$1" -f "$SCRIPTS/empty.sql" | paste -sd, | sed 's/,/, /g'; }
NOT_EMPTY_NEXT="If this data may go, drop it yourself; if it is the application's already, set migrationEnabled to false."
not_empty() { echo "the target's database $1 is not empty and this migration did not fill it. It holds: $2"; }

# refuse_foreign SERVICE DATABASE: a target that holds anything is not ours to fill.
refuse_foreign() {
  local held
  held=$(contents "$1")
  [[ -z $held ]] || fail "$(not_empty "$2" "$held")" "$NOT_EMPTY_NEXT"
}
