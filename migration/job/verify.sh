# Proof that the copy is the source: read anew on both sides at once, while the source's writers are kept out.
# shellcheck shell=bash disable=SC2034 # the parts share their variables

# verify_sides SERVICE: compares the source with SERVICE (staging, or the target itself), and checks the latter's files. Fails with everything that was found.
verify_sides() {
  local line lines versions
  PROVED_FROM=$(source_position)
  choose_hash "$1"
  SOURCE_LOCALE=$(locale source)
  TARGET_LOCALE=$(locale "$1")
  find_amcheck
  sql source -f "$SCRIPTS/collation.sql" >"$WORK/probe.sql"
  read_sides "$1"
  rm "$WORK/probe.sql"
  if [[ $MIGRATION_MODE == online && $1 == staging ]]; then excuse_what_moves_on; fi
  lines=$(sql target_admin -v target="$TARGET_DATABASE" -f "$SCRIPTS/warnings.sql")
  while read -r line; do [[ -z $line ]] || warn "$line"; done <<<"$lines"
  versions=$(sql "$1" -c "SELECT json_object_agg(extname, extversion) FROM pg_extension")
  caution_foreseen "$(kept_roles)" "$versions"
  judge_sides "$1"
}

# judge_sides SERVICE: fails with everything in which the sides differ, as they were read.
judge_sides() {
  local line
  local -a found=()
  SCHEMA_HASH=$(sha256sum <"$WORK/schema.target" | cut -d' ' -f1)
  same_schemas || found+=("the definitions differ (< source, > copy): $(schema_differences)")
  line=$(sql target_admin -v target="$TARGET_DATABASE" -f "$SCRIPTS/differences.sql")
  [[ -z $line ]] || found+=("$line")
  line=$(sql target_admin -v target="$TARGET_DATABASE" <<<"SELECT left(string_agg(format('%s %s: %s', kind, name, value #>> '{}'), '; ' ORDER BY kind, name), 4000) FROM naytife_migration.fact WHERE target_database = :'target' AND side = 'check' AND value <> 'null';")
  [[ -z $line ]] || found+=("files of the copy are damaged: $line")
  if ((${#found[@]} > 0)); then
    # Or the next run would take the same copy again.
    if [[ $1 == staging ]]; then remember restored_position ""; fi
    fail "the copy is not the source: $(printf '%s; ' "${found[@]}" | sed 's/; $//')" "Nothing was cut over. $([[ $1 == staging ]] && echo "The copy is kept as $STAGING to look at. ")If the source is sound, run \`pulumi up\` again: the copy is made anew. If an object of the source cannot be restored as it was, drop or mend it there first."
  fi
}

# find_amcheck: whether the copy's files can be checked.
find_amcheck() {
  AMCHECK=$(sql target_admin -c "SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'")
  [[ $AMCHECK == 1 ]] || caution "the copy's files are not checked: the target's image has no amcheck"
}

# caution_foreseen KEPT VERSIONS: what comes along changed though it is no damage.
caution_foreseen() {
  local scram lines line next
  scram=$(sql target_admin -c "SELECT count(*) = 0 FROM pg_hba_file_rules WHERE auth_method = 'md5'")
  lines=$(sql source -F $'\t' -v kept="$1" -v versions="$2" -v scram="$scram" -f "$SCRIPTS/foreseen.sql")
  while IFS=$'\t' read -r line next; do [[ -z $line ]] || caution "$line" "$next"; done <<<"$lines"
}

# read_sides SERVICE: the facts and the definitions of the source and of SERVICE, read anew. HASH says how rows are hashed, AMCHECK (1) whether SERVICE's
# files are checked as well, probe.sql how text is probed, if it is there, ROWS whether all rows are read (whole) or those that changed since they were
# (changed), in which case what was read of rows and text before stays.
read_sides() {
  local side kept superusers began
  kept=$(kept_roles)
  superusers=$(sql source -c "SELECT json_agg(rolname) FROM pg_roles WHERE rolsuper")
  sql target_admin -v target="$TARGET_DATABASE" -v rows="$ROWS" <<<"DELETE FROM naytife_migration.fact WHERE target_database = :'target' AND (:'rows' = 'whole' OR kind NOT IN ('table', 'refreshed rows', 'text order', 'index order', 'letter case', 'character class', 'text search', 'unique text index') AND side <> 'check');"
  rm -rf "$WORK/facts"
  mkdir -p "$WORK/facts"
  if [[ $ROWS == whole ]]; then
    SOURCE_TABLE_BYTES=$(table_bytes source)
    TARGET_TABLE_BYTES=$(table_bytes "$1")
  fi
  TO_READ=$((SOURCE_TABLE_BYTES + TARGET_TABLE_BYTES))
  if [[ $AMCHECK == 1 ]]; then TO_READ=$((TO_READ + $(sql "$1" -c "SELECT coalesce(sum(pg_relation_size(oid)), 0) FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'm', 't', 'i')"))); fi
  began=$(date +%s%N)
  watched verify_progress collect "$1" "$kept" "$superusers"
  VERIFY_MILLISECONDS=$((($(date +%s%N) - began) / 1000000))
  for side in source target; do
    cat "$WORK/facts/$side".* | sql target_admin -v target="$TARGET_DATABASE" -v side="$side" -f "$SCRIPTS/gather.sql"
  done
}

# same_schemas: both definitions byte for byte, as they were read. schema_differences: the first lines that differ.
same_schemas() {
  cmp -s "$WORK/schema.source" "$WORK/schema.target"
}
schema_differences() {
  # User mappings hold passwords.
  diff "$WORK/schema.source" "$WORK/schema.target" | grep '^[<>]' | grep -vE '^[<>] *(--)?$' | redact | cut -c -500 | head -n 40 || true
}

# choose_hash SERVICE: PostgreSQL's own hash where both servers hash a fixed set alike (they do unless their byte orders differ), MD5 of UTF-8 where not.
choose_hash() {
  local probe="SELECT md5(string_agg(concat(hashtextextended(t, 7205759403792793601), ' ', hashtextextended(t, -2305843009213693921)), ',' ORDER BY n)) FROM (SELECT n, (repeat('a', n) || n) COLLATE \"C\" AS t FROM generate_series(0, 100) AS n) AS texts"
  local source_hash target_hash
  source_hash=$(sql source -c "$probe")
  target_hash=$(sql "$1" -c "$probe")
  HASH=md5
  if [[ $SOURCE_ENCODING == "$TARGET_ENCODING" && $source_hash == "$target_hash" ]]; then HASH="builtin"; fi
}

# locale SERVICE: by what the database sorts and folds case.
locale() {
  sql "$1" -c "SELECT concat_ws(' ', pg_encoding_to_char(encoding), CASE to_jsonb(d) ->> 'datlocprovider' WHEN 'i' THEN 'ICU' WHEN 'b' THEN 'builtin' ELSE 'libc' END, datcollate, datctype, coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale')) FROM pg_database d WHERE datname = current_database()"
}

table_bytes() {
  sql "$1" -c "SELECT coalesce(sum(pg_table_size(oid)), 0) FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'm')"
}

# collect SERVICE KEPT SUPERUSERS: the facts of both sides into files: JOBS workers a side for the rows and, on the copy, for its files, and three for the rest.
collect() {
  local side service worker children=() status=0 child
  local -a snapshot
  for side in source target; do
    service=source
    snapshot=("${IN_SNAPSHOT[@]}")
    if [[ $side == target ]]; then
      service=$1
      snapshot=()
    fi
    if [[ $ROWS == changed ]]; then
      for ((worker = 0; worker < JOBS; worker++)); do
        sql "$service" "${snapshot[@]}" -v hash="$HASH" -f "$SCRIPTS/row-hash.sql" -f "$WORK/changed.$worker" >"$WORK/facts/$side.$worker" &
        children+=($!)
      done
    else
      read_rows "$side" "$service" "${snapshot[@]}" &
      children+=($!)
    fi
    sql "$service" "${snapshot[@]}" -v side="$side" -v kept="$2" -v superusers="$3" -v owner="$TARGET_OWNER" -v run="$RUN" -f "$SCRIPTS/facts.sql" >"$WORK/facts/$side.facts" &
    children+=($!)
    # A probe that its server refuses is missing, which the comparison finds if the other side has it.
    if [[ -e $WORK/probe.sql ]]; then
      sql "$service" -v ON_ERROR_STOP=0 -f "$WORK/probe.sql" >"$WORK/facts/$side.probe" 2>/dev/null &
      children+=($!)
    fi
    schema "$service" >"$WORK/schema.$side" &
    children+=($!)
  done
  for child in "${children[@]}"; do wait "$child" || status=$?; done
  return "$status"
}

# read_rows SIDE SERVICE [SNAPSHOT OPTIONS]: the hashes of all rows and, on the copy, the check of its files: JOBS workers that share one list.
read_rows() {
  local side=$1 service=$2 worker children=() status=0 child
  local -a snapshot=("${@:3}") lists=(-f "$SCRIPTS/row-hash.sql" -f "$SCRIPTS/hashes.sql") reads=(-f "$SCRIPTS/listed.sql")
  if [[ $side == target && $AMCHECK == 1 ]]; then
    lists+=(-f "$SCRIPTS/amcheck.sql")
    reads=(-f "$SCRIPTS/amcheck-functions.sql" "${reads[@]}")
  fi
  sql "$service" "${snapshot[@]}" -v hash="$HASH" "${lists[@]}" >"$WORK/pieces.$side"
  for ((worker = 0; worker < JOBS; worker++)); do
    LIST="$WORK/pieces.$side" WORKER=$worker WORKERS=$JOBS sql "$service" "${snapshot[@]}" "${reads[@]}" >"$WORK/facts/$side.$worker" &
    children+=($!)
  done
  for child in "${children[@]}"; do wait "$child" || status=$?; done
  return "$status"
}

verify_progress() {
  local bytes
  bytes=$(sed -n 's/^{"bytes" : \([0-9]*\),.*/\1/p' "$WORK"/facts/*.[0-9]* | awk '{ sum += $1 } END { printf "%d", sum }')
  progress "$bytes" "$TO_READ" "bytes" "$(sql source -c "SELECT string_agg(DISTINCT split_part(split_part(query, ' AS t FROM ', 2), ' AS naytife_row', 1), ', ') FROM pg_stat_activity WHERE application_name = 'naytife_migration $RUN' AND state = 'active' AND query LIKE '%naytife_row%' AND pid <> pg_backend_pid()")"
}

# schema SERVICE: the database's definition as text, without what must differ. docs/migration.md lists what is taken out and why.
schema() {
  local snapshot=()
  if [[ $1 == source && ${#IN_SNAPSHOT[@]} -gt 0 ]]; then snapshot=(--snapshot="$SNAPSHOT"); fi
  pg_dump -d "service=$1" "${snapshot[@]}" --schema-only --exclude-extension=pg_stat_statements --no-subscriptions --no-tablespaces --lock-wait-timeout=60000 |
    sed -E -e '/^-- Dumped (from|by) /d' -e '/^\\(un)?restrict /d' -e '/^-- Name: .*; Owner: /d' -e '/^ALTER (EVENT TRIGGER|FOREIGN DATA WRAPPER|PUBLICATION) .* OWNER TO .*;$/d' |
    awk -v major="$SOURCE_MAJOR" -f "$SCRIPTS/normalise.awk"
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
  if [[ $MIGRATION_MODE == offline ]]; then
    # The dump would wait for that lock.
    if [[ $(sql source -c "SELECT EXISTS (SELECT FROM pg_largeobject_metadata)") == t ]]; then await_dump; fi
    lock_large_objects
  fi
  verify_sides staging
  check_owner staging
  still_frozen
  finish "$(verdict)"
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
  finish "$(verdict)"
}

# verdict: what was found equal, and how fast. The rate is of both sides' tables together.
verdict() {
  local counts
  counts=$(sql target_admin -v target="$TARGET_DATABASE" <<'SQL'
SELECT concat_ws(', ', format('%s tables, %s rows equal', count(*) FILTER (WHERE kind = 'table' AND side = 'target'), coalesce(sum((value ->> 'rows')::bigint) FILTER (WHERE kind = 'table' AND side = 'target'), 0)),
    nullif(format('files of %s tables and %s indexes sound', count(*) FILTER (WHERE kind = 'amcheck of a table'), count(*) FILTER (WHERE kind = 'amcheck of an index')), 'files of 0 tables and 0 indexes sound'))
  FROM naytife_migration.fact WHERE target_database = :'target';
SQL
  )
  printf '%s, %s/s' "$counts" "$(human $(((SOURCE_TABLE_BYTES + TARGET_TABLE_BYTES) * 1000 / (VERIFY_MILLISECONDS + 1))))"
}
