# Everything that can be known before anything changes: may we, is there room, is the target ours to fill.
# shellcheck shell=bash disable=SC2034 # the parts share their variables

# connect SERVICE WHAT NEXT: the first connection; its error is the reader's.
connect() {
  local answer
  answer=$(sql "$1" -c "SELECT 1" 2>&1) || fail "cannot log in to $2: ${answer##*: error: }" "$3"
}

preflight() {
  PHASE=preflight
  local where="the source $SOURCE_USER@$SOURCE_HOST:$SOURCE_PORT"
  # Names longer than 63 bytes are cut off by the server, and would then mean another database.
  (($(printf '%s' "$TARGET_DATABASE" | wc -c) <= 46)) || fail "the database name $TARGET_DATABASE is longer than 46 bytes, so there is no room for ${REPLACED#"$TARGET_DATABASE"} at its end" "Set databaseName to a shorter name."
  case $TARGET_DATABASE in postgres | template0 | template1) fail "the target's database $TARGET_DATABASE is the server's own" "Set databaseName to another name." ;; esac
  connect target_admin "the target $TARGET_HOST:$TARGET_PORT" "Is the Cluster healthy (kubectl get cluster), and does its pg_hba let $TARGET_USER in by TLS?"
  # Another engine's Job may have ended while this one was being made. Its source is sealed, and stays so.
  local finished
  finished=$(cut_over_done)
  if [[ $finished == 1 ]]; then
    note "another run finished the migration; nothing is left to do"
    exit 0
  fi
  begin preflight
  connect source_admin "$where/$SOURCE_ADMIN_DATABASE" "Check the migrationSource… settings: host, port, user, and the Secret and key that hold the password."

  # The source: there, ours to read and to stop.
  local source_facts
  source_facts=$(sql source_admin -v database="$SOURCE_DATABASE" -F ' ' <<'SQL'
SELECT current_setting('server_version_num')::int / 10000,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
       coalesce((SELECT datallowconn::text FROM pg_database WHERE datname = :'database'), 'missing'),
       (SELECT count(*) FROM pg_prepared_xacts WHERE database = :'database');
SQL
  )
  local super accepts prepared
  read -r SOURCE_MAJOR super accepts prepared <<<"$source_facts"
  if [[ $accepts == missing ]]; then
    local others
    others=$(sql source_admin -c "SELECT string_agg(datname, ', ' ORDER BY datname) FROM pg_database WHERE NOT datistemplate")
    fail "$where has no database $SOURCE_DATABASE; it has: $others" "Check migrationSourceDatabase."
  fi
  ((SOURCE_MAJOR >= 13)) || fail "the source is PostgreSQL $SOURCE_MAJOR, and the migration needs 13 or above" "Upgrade the source to 13 or above first (pg_upgrade), or move its data by hand with pg_dump."
  [[ $super == t ]] || fail "$SOURCE_USER is not a superuser of the source, so it can neither read every row nor stop every writer" "Give migrationSourceUser a superuser of the source."
  [[ $prepared == 0 ]] || fail "$prepared prepared transactions hold locks in $SOURCE_DATABASE" "Commit or roll them back: SELECT * FROM pg_prepared_xacts."
  if [[ $accepts == false ]]; then
    local sealed
    sealed=$(recall source_sealed)
    [[ -n $sealed ]] || fail "$SOURCE_DATABASE of the source accepts no connections, and this migration did not seal it" \
      "If it is the right one, in another database of the source: ALTER DATABASE $SOURCE_DATABASE WITH ALLOW_CONNECTIONS true; ALTER DATABASE $SOURCE_DATABASE RESET default_transaction_read_only; (an earlier migration leaves both)."
    note "the source was sealed by a run that did not finish; it is opened again, still frozen"
    unseal_source
  fi
  connect source "$where/$SOURCE_DATABASE" "Check the migrationSource… settings."

  # Versions: the client must be the target's, and not older than the source.
  TARGET_MAJOR=$(sql target_admin -c "SELECT current_setting('server_version_num')::int / 10000")
  local client
  client=$(pg_dump --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
  [[ $client == "$TARGET_MAJOR" ]] || fail "pg_dump of the Job's image is $client, the target is $TARGET_MAJOR" "Leave the image to the Cluster's own."
  ((TARGET_MAJOR >= SOURCE_MAJOR)) || fail "the source is PostgreSQL $SOURCE_MAJOR, newer than the target's $TARGET_MAJOR" "Set postgresImage to major $SOURCE_MAJOR or above."
  ((TARGET_MAJOR >= 17)) || fail "the target is PostgreSQL $TARGET_MAJOR, and the migration needs 17 or above" "Set postgresImage to 17 or above."

  # The target: empty, or emptied by us. First what a run that was killed at its end left closed.
  reopen_target
  local exists
  exists=$(sql target_admin -v d="$TARGET_DATABASE" <<<"SELECT count(*) FROM pg_database WHERE datname = :'d' AND datallowconn;")
  [[ $exists == 1 ]] || fail "the target has no database $TARGET_DATABASE that accepts connections" "Is the Cluster bootstrapped with it (databaseName)?"
  refuse_foreign target "$TARGET_DATABASE"
  local other made
  made=$(recall staging)
  for other in "$STAGING" "$REPLACED"; do
    exists=$(sql target_admin -v d="$other" <<<"SELECT count(*) FROM pg_database WHERE datname = :'d';")
    if [[ $exists == 1 && $made != "$STAGING" ]]; then
      fail "the target has a database $other that no run of this migration made" "Look into it; rename or drop it if it is not needed."
    fi
  done
  local answer
  answer=$(sql owner -c "SELECT 1" 2>&1) || fail "the application's role $TARGET_OWNER cannot log in to the target: ${answer##*: error: }" "Does Secret $TARGET_OWNER_SECRET hold its password?"

  # Room. What an earlier run of ours left is used again or deleted, so it takes none.
  SOURCE_BYTES=$(sql source -c "SELECT pg_database_size(current_database())")
  local table_bytes large_object_bytes dump_free dump_left staging_left reserve
  table_bytes=$(sql source -c "SELECT coalesce(sum(pg_table_size(oid)), 0) FROM pg_class WHERE relkind IN ('r', 'm', 't') AND oid >= 16384")
  large_object_bytes=$(sql source -c "SELECT pg_table_size('pg_largeobject')")
  table_bytes=$((table_bytes + large_object_bytes))
  { : >"$DUMP/.naytife-migration" && rm "$DUMP/.naytife-migration"; } 2>/dev/null || fail "the dump volume cannot be written to by user $(id -u)" "Does its StorageClass honour fsGroup? Set storageClass to one that does."
  dump_left=$(find "$DUMP" -mindepth 1 -maxdepth 1 -name "$TARGET_DATABASE-*" -exec du -sB1 {} + | awk '{ sum += $1 } END { printf "%d", sum }')
  dump_free=$(df --output=avail -B1 "$DUMP" | tail -n 1 | tr -d ' ')
  dump_free=$((dump_free + dump_left))
  if ((DUMP_CAPACITY < dump_free)); then dump_free=$DUMP_CAPACITY; fi
  local wanted=$((table_bytes + 16777216))
  ((dump_free >= wanted)) || fail "the dump volume has $(human "$dump_free") free, and the source's tables are $(human "$table_bytes")" "Set migrationDumpStorage to at least $(human $((wanted * 5 / 4)))."
  reserve=$(sql target_admin -c "SELECT pg_size_bytes(current_setting('max_wal_size'))")
  staging_left=$(sql target_admin -v d="$STAGING" <<<"SELECT coalesce(sum(pg_database_size(oid)), 0) FROM pg_database WHERE datname = :'d';")
  TARGET_FREE=$((TARGET_FREE + staging_left > 0 ? TARGET_FREE + staging_left : 0))
  wanted=$((SOURCE_BYTES * 5 / 4 + reserve))
  ((TARGET_FREE >= wanted)) || fail "the target's volume has $(human "$TARGET_FREE") free; $(human "$SOURCE_BYTES") of data and its WAL need $(human "$wanted")" "Set storageSize higher."

  # Contents that cannot come along, or come along changed.
  local missing
  sql source -c "SELECT quote_literal(extname) FROM pg_extension" | paste -sd, >"$WORK/extensions"
  missing=$(sql target_admin -c "SELECT string_agg(e, ', ') FROM unnest(ARRAY[$(cat "$WORK/extensions")]) e WHERE NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = e)")
  [[ -z $missing ]] || fail "the target's image lacks these extensions of the source: $missing" "Use a postgresImage that has them, or drop them from the source."
  local line lines
  lines=$(sql source -v database="$SOURCE_DATABASE" -f "$SCRIPTS/incompatible.sql")
  while read -r line; do [[ -z $line ]] || warn "$line"; done <<<"$lines"
  SOURCE_ENCODING=$(sql source -c "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()")
  TARGET_ENCODING=$(sql target -c "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()")
  local locale="encoding || ' ' || datlocprovider::text || ' ' || datcollate || ' ' || datctype"
  local source_locale target_locale
  if ((SOURCE_MAJOR < 15)); then locale="encoding || ' c ' || datcollate || ' ' || datctype"; fi
  source_locale=$(sql source -c "SELECT $locale FROM pg_database WHERE datname = current_database()")
  target_locale=$(sql target -c "SELECT encoding || ' ' || datlocprovider::text || ' ' || datcollate || ' ' || datctype || coalesce(' ' || datlocale, '') FROM pg_database WHERE datname = current_database()")
  if [[ $source_locale != "$target_locale" ]]; then
    warn "locales differ: the source sorts and folds case by ($source_locale), the target by ($target_locale); ORDER BY on text may give another order"
  fi
  finish "PostgreSQL $SOURCE_MAJOR → $TARGET_MAJOR, $(human "$SOURCE_BYTES")"
}

# refuse_foreign SERVICE DATABASE: a target that holds anything is not ours to fill.
refuse_foreign() {
  local found
  found=$(sql "$1" -f "$SCRIPTS/empty.sql" | paste -sd, | sed 's/,/, /g')
  [[ -z $found ]] || fail "the target's database $2 is not empty and this migration did not fill it. It holds: $found" "If this data may go, drop it yourself; if it is the application's already, set migrationEnabled to false."
}
