# After the rows: indexes, constraints, triggers, materialized views, what belongs to the database as a whole, statistics.
# shellcheck shell=bash disable=SC2034 # the parts share their variables

index() {
  if [[ $COPIED == whole ]]; then return; fi
  begin index
  if [[ $COPIED == partly ]]; then leave_out_what_is_there; fi
  watched index_progress restore_after_rows
  if [[ -s $WORK/refresh ]]; then
    note "materialized views are filled"
    watched index_progress sql staging -f "$WORK/refresh"
  fi
  # What only a superuser may own is restored as postgres.
  if [[ -s $WORK/list.after ]]; then pg_restore -d "service=staging" --exit-on-error --no-owner -L "$WORK/list.after" "$WORK/definitions"; fi
  own_publications
  carry_settings
  note "statistics are gathered"
  sql staging -v batches=$((8 * JOBS)) -f "$SCRIPTS/batches.sql" >"$WORK/batches"
  watched index_progress share_out "$WORK/batches" analyze
  still_frozen
  # By a file: the list may be longer than a command's argument.
  sql target_admin -v target="$TARGET_DATABASE" -v position="$SOURCE_POSITION" <<'SQL'
\set value `cat "$WORK/warnings"`
UPDATE naytife_migration.state SET warnings = nullif(:'value', ''), restored_position = :'position' WHERE target_database = :'target';
SQL
  forget_chunks
  finish "$(human "$(sql staging -c "SELECT pg_database_size(current_database())")")"
}

# restore_after_rows: list_definitions says why not all at once.
restore_after_rows() {
  local restore=(pg_restore -d "service=staging" --exit-on-error)
  index_progress &
  sql source -f "$SCRIPTS/refresh.sql" >"$WORK/refresh" &
  local refresh=$!
  "${restore[@]}" -j "$JOBS" --section=post-data -L "$WORK/list.rest" "$WORK/definitions"
  if [[ -s $WORK/list.serial ]]; then "${restore[@]}" -L "$WORK/list.serial" "$WORK/definitions"; fi
  if [[ -s $WORK/list.keys ]]; then
    note "foreign keys are checked"
    "${restore[@]}" -j "$JOBS" -L "$WORK/list.keys" "$WORK/definitions"
  fi
  wait "$refresh"
}

# analyze NUMBER RELATIONS: a batch of tables.
analyze() {
  sql staging -v relations="$2" <<'SQL'
SELECT format('ANALYZE %s', oid) FROM unnest(:'relations'::regclass[]) AS oid \gexec
SQL
}

# leave_out_what_is_there: the lists without what a run that was killed here has made already. Each entry is made in one transaction, so it is there or it is not.
leave_out_what_is_there() {
  local list
  pg_dump -d "service=staging" -Fc "${DEFINITIONS[@]}" | pg_restore -l | sed -E 's/^[0-9]+; [0-9]+ [0-9]+ //' >"$WORK/list.there"
  for list in rest serial keys; do
    awk 'NR == FNR { there[$0]; next } { entry = $0; sub(/^[0-9]+; [0-9]+ [0-9]+ /, "", entry) } !(entry in there)' "$WORK/list.there" "$WORK/list.$list" >"$WORK/list.left"
    mv "$WORK/list.left" "$WORK/list.$list"
  done
  # What is restored as postgres has another owner than its entry says, so it is not known by it, and is made anew.
  sql staging <<'SQL' | sql staging
SELECT format('DROP EVENT TRIGGER %I;', evtname) FROM pg_event_trigger t
 WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = t.oid AND d.deptype = 'e')
UNION ALL SELECT format('DROP PUBLICATION %I;', pubname) FROM pg_publication;
SQL
}

index_progress() {
  local done_bytes item
  done_bytes=$(sql staging -c "SELECT coalesce(sum(pg_relation_size(c.oid)), 0) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'i' AND c.oid >= 16384 AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname <> 'naytife_migration_copy'")
  item=$(sql staging -c "SELECT string_agg(coalesce(index_relid::regclass::text, 'an index') || ' of ' || relid::regclass || ': ' || phase, ', ') FROM pg_stat_progress_create_index WHERE datname = current_database()")
  progress "$done_bytes" "$INDEX_BYTES" "bytes" "$item"
}

# index_settings MEMORY MILLICORES: what an index build may use of an instance with such limits, as options of a session: a quarter of its memory, its cores. 0: not limited, so the server's own settings hold.
index_settings() {
  local memory=$(($1 / 4 / JOBS / 1024)) workers=$(($2 / 1000 - 1))
  if (($1 > 0)); then printf -- '-c maintenance_work_mem=%dkB ' "$((memory < 65536 ? 65536 : memory > 1048576 ? 1048576 : memory))"; fi
  if (($2 > 0)); then printf -- '-c max_parallel_maintenance_workers=%d ' "$((workers < 0 ? 0 : workers > 4 ? 4 : workers))"; fi
}

# own_publications: a publication goes to its owner where a role without SUPERUSER may own it: not if it is of all tables or of a schema.
own_publications() {
  local name owner publications
  publications=$(sql source -F $'\t' -c "SELECT pubname, pg_get_userbyid(pubowner) FROM pg_publication")
  while IFS=$'\t' read -r name owner; do
    if [[ -z $name ]]; then continue; fi
    if ! sql staging -v name="$name" -v owner="$owner" 2>/dev/null <<<'ALTER PUBLICATION :"name" OWNER TO :"owner";'; then
      warn "publication $name belonged to $owner; only a superuser may own one of all tables or of a schema, so it belongs to postgres on the target"
    fi
  done <<<"$publications"
}
