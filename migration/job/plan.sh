# The preflight alone, and what else is worth knowing before a move. Changes nothing on either side: it reads, and holds no lock longer than a query.
# shellcheck shell=bash

plan() {
  PHASE=plan
  event started ""
  check_names
  if ! can_connect target_admin "the target $TARGET_HOST:$TARGET_PORT" "Is the Cluster healthy (kubectl get cluster), and does its pg_hba let $TARGET_USER in by TLS?"; then return; fi
  # What the migration remembers, if one has ever begun here.
  RECORDS=$(sql target_admin -c "SELECT to_regclass('naytife_migration.state') IS NOT NULL")
  check_both_sides
  if [[ $SOURCE_OPEN != yes ]]; then return; fi
  finding info "the source is PostgreSQL $SOURCE_MAJOR, the target $TARGET_MAJOR"
  look_at_source
  look_at_changes
  look_at_target
  fact sizes "$(sql source -f "$SCRIPTS/sizes.sql")"
  fact clients "$(sql source_admin -v database="$SOURCE_DATABASE" -v ours="naytife_migration $RUN" -f "$SCRIPTS/clients.sql")"
  measure
}

# fact NAME JSON: one line for the reader of a plan. PostgreSQL breaks a list into lines.
fact() { printf '{"phase":"%s","event":"fact","name":"%s","value":%s}\n' "$PHASE" "$1" "$(tr '\n' ' ' <<<"$2")"; }

# findings: standard input as findings, a line each: severity, what, next, with tabs between.
findings() {
  local severity what next
  while IFS=$'\t' read -r severity what next; do
    case $severity in blocker | warning | info) finding "$severity" "$what" "$next" ;; esac
  done
}

look_at_source() {
  local lines
  lines=$(sql source -F $'\t' -v database="$SOURCE_DATABASE" -v owner="$TARGET_OWNER" -v ours="naytife_migration $RUN" -v sessions="$(sessions)" -f "$SCRIPTS/surroundings.sql")
  findings <<<"$lines"
}

# sessions: how many connections a migration opens on each side, at most. The copy and the dump beside it read with JOBS each.
sessions() { echo $((2 * JOBS + 7)); }

# look_at_changes: what comes along changed, in the words in which the migration will warn of it.
look_at_changes() {
  local kept versions before lines
  if [[ $RECORDS == t ]]; then
    kept=$(kept_roles)
  else
    kept=$(sql target_admin -c "SELECT json_agg(rolname) FROM pg_roles")
  fi
  caution_roles "$kept"
  # The restore makes each extension in the target's own version.
  versions=$(sql target_admin -c "SELECT json_object_agg(name, default_version) FROM pg_available_extensions")
  caution_foreseen "$kept" "$versions"
  before=$(recall source_freeze)
  if [[ -z $before ]]; then before=$(read_only_default); fi
  caution_read_only "$before"
  find_amcheck
  lines=$(sql source -F $'\t' -v owner="$TARGET_OWNER" -f "$SCRIPTS/unreadable.sql")
  findings <<<"$lines"
}

look_at_target() {
  local free
  free=$(sql target_admin -c "SELECT current_setting('max_connections')::int - count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
  ((free >= $(sessions))) || finding warning "the target has room for $free connections more, and the migration opens up to $(sessions)" "Raise maxConnections, lower migrationJobs, or end clients of the target."
}

# measure: how fast the source's rows come to this Job, and how fast they are hashed, by a sample of the largest table: about a second each. What it reads is
# thrown away. Nothing is said where the table is too small to be timed, or does not answer in time.
measure() {
  local table bytes pages overhead percent milliseconds read hash hashed sampled
  IFS=$'\t' read -r table bytes pages <<<"$(sql source -F $'\t' -c "SELECT c.oid::regclass, pg_table_size(c.oid), pg_relation_size(c.oid) / current_setting('block_size')::int FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE relkind = 'r' AND relpersistence <> 't' AND c.oid >= 16384 AND nspname NOT LIKE 'pg\\_toast%' ORDER BY 2 DESC LIMIT 1")"
  if [[ -z $table ]] || ((bytes < 1048576 || pages == 0)); then return; fi
  overhead=$(timed 0 "SELECT 1") || return 0
  # A first sample of about 4 MB says how large one of about a second is.
  percent=$(awk -v b="$bytes" 'BEGIN { p = 100 * 4194304 / b; print (p > 100 ? 100 : p) }')
  milliseconds=$(timed "$overhead" "$(sample_of "$table" "$percent")") || return 0
  percent=$(awk -v p="$percent" -v ms="$milliseconds" 'BEGIN { f = 1000 / ms; p *= (f > 16 ? 16 : f); print (p > 100 ? 100 : p) }')
  read=$(timed "$overhead" "$(sample_of "$table" "$percent")") || return 0
  # As the comparison hashes (verify.sh, hashes.sql).
  hash="sum(hashtextextended(t, 1)), sum(hashtextextended(t, 2))"
  if [[ ${SOURCE_ENCODING:-} != "${TARGET_ENCODING:-}" ]]; then hash="count(md5(t))"; fi
  hashed=$(timed "$overhead" "SELECT $hash FROM (SELECT (naytife_row.*)::text COLLATE \"C\" AS t FROM ONLY $table AS naytife_row TABLESAMPLE SYSTEM ($percent) REPEATABLE (1) OFFSET 0) AS hashed") || return 0
  # The same pages each time. How many they are: rows that are stored apart (TOAST) come with them.
  sampled=$(sql source -c "SELECT count(DISTINCT split_part(ctid::text, ',', 1)) FROM ONLY $table TABLESAMPLE SYSTEM ($percent) REPEATABLE (1)")
  if [[ $sampled == 0 ]]; then return; fi
  fact measured "$(printf '{"table":%s,"sampleBytes":%s,"readMilliseconds":%s,"hashMilliseconds":%s}' "$(json_string "$table")" "$((bytes * sampled / pages))" "$read" "$hashed")"
}

# sample_of TABLE PERCENT: the statement that sends the sample here.
sample_of() { echo "COPY (SELECT * FROM ONLY $1 TABLESAMPLE SYSTEM ($2) REPEATABLE (1)) TO STDOUT"; }

# timed OVERHEAD QUERY: milliseconds of the query, less the overhead of a connection; 1 at least. Fails where it takes more than 20 seconds.
timed() {
  local began
  began=$(date +%s%N)
  sql source -c "SET statement_timeout = '20s'" -c "$2" >/dev/null 2>&1 || return 1
  awk -v ms="$((($(date +%s%N) - began) / 1000000 - $1))" 'BEGIN { print (ms < 1 ? 1 : ms) }'
}
