# Proof that the copy is the source: read anew on both sides at once, while the source's writers are kept out.
# shellcheck shell=bash disable=SC2034 # the parts share their variables

# verify_sides SERVICE: compares the source with SERVICE (staging, or the target itself). Fails with the first differences.
verify_sides() {
  local side service worker convert=no kept superusers
  PROVED_FROM=$(source_position)
  if [[ $SOURCE_ENCODING != "$TARGET_ENCODING" ]]; then convert=yes; fi
  kept=$(kept_roles)
  superusers=$(sql source -c "SELECT json_agg(rolname) FROM pg_roles WHERE rolsuper")
  sql target_admin -v target="$TARGET_DATABASE" <<<"DELETE FROM naytife_migration.fact WHERE target_database = :'target';"
  rm -rf "$WORK/facts"
  mkdir -p "$WORK/facts"
  RELATIONS=$(sql source -c "SELECT 2 * count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm') AND c.oid >= 16384 AND nspname NOT LIKE 'pg\\_toast%'")
  watched verify_progress collect "$1" "$convert" "$kept" "$superusers"
  for side in source target; do
    # A line of JSON as one field: neither quotes nor delimiters of CSV occur in it.
    for worker in "$WORK/facts/$side".*; do
      sql target_admin -c '\set ON_ERROR_STOP 1' -c "CREATE TEMP TABLE line (fact json)" -c "\\copy line FROM '$worker' (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')" \
        -c "INSERT INTO naytife_migration.fact SELECT '${TARGET_DATABASE//\'/\'\'}', '$side', fact ->> 'kind', fact ->> 'name', (fact -> 'value')::jsonb FROM line"
    done
  done
  compare_schemas "$1"
  local differences
  differences=$(sql target_admin -v target="$TARGET_DATABASE" -f "$SCRIPTS/differences.sql")
  local stale
  stale=$(sql target_admin -v target="$TARGET_DATABASE" <<<"SELECT left(string_agg(name, ', ' ORDER BY name), 2000) FROM (SELECT name FROM naytife_migration.fact WHERE target_database = :'target' AND kind = 'refreshed rows' GROUP BY name HAVING count(DISTINCT value) > 1) AS stale;")
  [[ -z $stale ]] || warn "materialized views were stale on the source and are fresh in the copy: $stale"
  if [[ -n $differences ]]; then
    fail "the copy is not the source: $differences" "Nothing was cut over. $([[ $1 == staging ]] && echo "The copy is kept as $STAGING to look at. ")If the source is sound, run \`pulumi up\` again: the copy is made anew."
  fi
}

# collect SERVICE CONVERT KEPT SUPERUSERS: the facts of both sides into files, JOBS workers a side for the rows and one for the rest.
collect() {
  local side service worker children=() status=0 child
  for side in source target; do
    service=$([[ $side == source ]] && echo source || echo "$1")
    for ((worker = 0; worker < JOBS; worker++)); do
      sql "$service" -v workers="$JOBS" -v worker="$worker" -v convert="$2" -f "$SCRIPTS/hashes.sql" >"$WORK/facts/$side.$worker" &
      children+=($!)
    done
    sql "$service" -v side="$side" -v kept="$3" -v superusers="$4" -v owner="$TARGET_OWNER" -v run="$RUN" -f "$SCRIPTS/facts.sql" >"$WORK/facts/$side.facts" &
    children+=($!)
  done
  for child in "${children[@]}"; do wait "$child" || status=$?; done
  return "$status"
}

verify_progress() {
  progress "$(cat "$WORK"/facts/*.[0-9]* | wc -l)" "$RELATIONS" "tables" "$(sql source -c "SELECT string_agg(split_part(split_part(query, ' AS h FROM ', 2), ' AS naytife_row', 1), ', ') FROM pg_stat_activity WHERE application_name = 'naytife_migration $RUN' AND state = 'active' AND query LIKE '%naytife_row%' AND pid <> pg_backend_pid()")"
}

# schema SERVICE: the database's definition as text, without what must differ. docs/migration.md lists what is taken out and why.
schema() {
  pg_dump -d "service=$1" --schema-only --exclude-extension=pg_stat_statements --no-subscriptions --no-tablespaces --lock-wait-timeout=60000 |
    sed -E -e '/^-- Dumped (from|by) /d' -e '/^\\(un)?restrict /d' -e '/^-- Name: .*; Owner: /d' -e '/^ALTER (EVENT TRIGGER|FOREIGN DATA WRAPPER|PUBLICATION) .* OWNER TO .*;$/d' |
    awk -v major="$SOURCE_MAJOR" -f "$SCRIPTS/normalise.awk"
}

# compare_schemas SERVICE: both definitions byte for byte.
compare_schemas() {
  schema source >"$WORK/schema.source"
  schema "$1" >"$WORK/schema.target"
  SCHEMA_HASH=$(sha256sum <"$WORK/schema.target" | cut -d' ' -f1)
  if ! cmp -s "$WORK/schema.source" "$WORK/schema.target"; then
    # User mappings hold passwords.
    fail "the definitions differ (< source, > copy): $(diff "$WORK/schema.source" "$WORK/schema.target" | grep '^[<>]' | redact | cut -c -500 | head -n 20)" \
      "Nothing was cut over. If an object of the source cannot be restored as it was, drop or mend it there and run \`pulumi up\` again."
  fi
}

# The application's role, by its own name, reads every table that it could read before.
check_owner() {
  local unreadable
  unreadable=$(sql "$1" -v owner="$TARGET_OWNER" <<<"SELECT left(string_agg(c.oid::regclass::text, ', '), 2000) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm') AND c.relpersistence <> 't' AND c.oid >= 16384 AND nspname NOT LIKE 'pg\\_toast%' AND c.relowner = (SELECT oid FROM pg_roles WHERE rolname = :'owner') AND NOT (has_schema_privilege(:'owner', n.oid, 'USAGE') AND has_table_privilege(:'owner', c.oid, 'SELECT'));")
  [[ -z $unreadable ]] || warn "$TARGET_OWNER owns but may not read: $unreadable (on the source it was a superuser)"
  local foreign_owned
  foreign_owned=$(sql "$1" -v owner="$TARGET_OWNER" <<<"SELECT left(string_agg(c.oid::regclass::text, ', '), 2000) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm') AND c.relpersistence <> 't' AND c.oid >= 16384 AND nspname NOT LIKE 'pg\\_toast%' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') AND NOT (has_schema_privilege(:'owner', n.oid, 'USAGE') AND has_table_privilege(:'owner', c.oid, 'SELECT')) AND c.relowner <> (SELECT oid FROM pg_roles WHERE rolname = :'owner');")
  [[ -z $foreign_owned ]] || warn "$TARGET_OWNER, no superuser any more, may not read these relations of other roles: $foreign_owned"
}

verify() {
  begin verify
  lock_large_objects
  verify_sides staging
  check_owner staging
  still_frozen
  finish "$(sql target_admin -v target="$TARGET_DATABASE" <<<"SELECT count(*) || ' tables, ' || sum((value ->> 'rows')::bigint) || ' rows equal' FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'target' AND kind = 'table';")"
}

# verify_only: the comparison alone, of the source with the target's database as it is. Changes nothing on either side.
verify_only() {
  PHASE=verify
  connect target_admin "the target $TARGET_HOST:$TARGET_PORT" "Is the Cluster healthy?"
  connect source "the source $SOURCE_USER@$SOURCE_HOST:$SOURCE_PORT" "After a cut-over the source is sealed; docs/migration.md has the command that opens it."
  begin verify
  SOURCE_MAJOR=$(sql source -c "SELECT current_setting('server_version_num')::int / 10000")
  SOURCE_ENCODING=$(sql source -c "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()")
  TARGET_ENCODING=$(sql target -c "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()")
  verify_sides target
  finish "equal"
}
