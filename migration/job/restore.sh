# The copy: into a database of our own beside the target's empty one, so that the target is untouched until everything is proven.
# shellcheck shell=bash

restore() {
  begin restore
  local exists
  exists=$(sql target_admin -v d="$STAGING" <<<"SELECT count(*) FROM pg_database WHERE datname = :'d';")
  if [[ $exists == 1 && $(recall restored_position) == "$SOURCE_POSITION" ]]; then
    # What that run had to say stands in the state, the phase that said it is not repeated.
    recall warnings >>"$WORK/warnings"
    sort -u -o "$WORK/warnings" "$WORK/warnings"
    finish "an earlier run restored all of it, and the source has not changed since"
    return
  fi
  remember restored_position ""
  # Ours: preflight refused any other. The name is remembered before the database is made.
  remember staging "$STAGING"
  sql target_admin -v d="$STAGING" <<<'SET client_min_messages = warning; DROP DATABASE IF EXISTS :"d" WITH (FORCE);'
  carry_roles
  # The locale is the target's, with one thing mended: the full-text parser goes by LC_CTYPE whatever the provider, and where that is C it takes every letter and
  # sign beyond ASCII for a letter, so that stored tsvector columns come out changed (docs/decisions/migration-ctype.md).
  sql target_admin -v like="$TARGET_DATABASE" -v staging="$STAGING" <<'SQL' | sql target_admin
SELECT format('CREATE DATABASE %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L %s;', :'staging', pg_encoding_to_char(encoding), datcollate, CASE WHEN datlocprovider = 'b' AND datctype = 'C' THEN datlocale ELSE datctype END,
  CASE datlocprovider WHEN 'b' THEN format('LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', datlocale)
                      WHEN 'i' THEN format('LOCALE_PROVIDER icu ICU_LOCALE %L', datlocale) || coalesce(format(' ICU_RULES %L', daticurules), '')
                      ELSE 'LOCALE_PROVIDER libc' END)
  FROM pg_database WHERE datname = :'like';
SQL
  # The operator makes this extension in every database by itself; made by us first, its attempt cannot collide with the restore.
  if [[ $(sql target_admin -c "SELECT current_setting('shared_preload_libraries') ~ 'pg_stat_statements'") == t ]]; then
    sql staging -c 'CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public' 2>/dev/null || sql staging -c 'SELECT FROM pg_extension' >/dev/null
  fi

  # What only a superuser may own is restored as postgres: data wrappers before the rest, event triggers and publications after it.
  pg_restore -l "$DUMP_DIRECTORY" >"$WORK/list"
  local entry='^[0-9]+; [0-9]+ [0-9]+ '
  grep -E "${entry}FOREIGN DATA WRAPPER " "$WORK/list" >"$WORK/list.before" || true
  grep -E "${entry}(EVENT TRIGGER|PUBLICATION|PUBLICATION TABLE|PUBLICATION TABLES IN SCHEMA|COMMENT (- )?(EVENT TRIGGER|PUBLICATION)) |${entry}COMMENT - (EVENT TRIGGER|PUBLICATION) " "$WORK/list" >"$WORK/list.after" || true
  grep -vxFf <(cat "$WORK/list.before" "$WORK/list.after") "$WORK/list" >"$WORK/list.rest"
  if [[ -s $WORK/list.before ]]; then pg_restore -d "service=staging" --exit-on-error --no-owner -L "$WORK/list.before" "$DUMP_DIRECTORY"; fi
  watched restore_progress pg_restore -d "service=staging" -j "$JOBS" --exit-on-error -L "$WORK/list.rest" "$DUMP_DIRECTORY"
  if [[ -s $WORK/list.after ]]; then pg_restore -d "service=staging" --exit-on-error --no-owner -L "$WORK/list.after" "$DUMP_DIRECTORY"; fi
  own_publications
  carry_settings
  note "statistics are gathered"
  watched restore_progress vacuumdb -d "service=staging" --analyze-only -j "$JOBS" --quiet
  still_frozen
  # By a file: the list may be longer than a command's argument.
  sql target_admin -v target="$TARGET_DATABASE" <<'SQL'
\set value `cat "$WORK/warnings"`
UPDATE naytife_migration.state SET warnings = nullif(:'value', '') WHERE target_database = :'target';
SQL
  remember restored_position "$SOURCE_POSITION"
  finish "$(human "$(sql staging -c "SELECT pg_database_size(current_database())")")"
}

restore_progress() {
  local done_bytes item
  done_bytes=$(sql target_admin -v d="$STAGING" <<<"SELECT pg_database_size(:'d');")
  item=$(sql staging -c "SELECT string_agg(what, ', ') FROM (
    SELECT format('%s (%s rows)', relid::regclass, tuples_processed) AS what FROM pg_stat_progress_copy WHERE datname = current_database()
    UNION ALL SELECT format('index %s', index_relid::regclass) FROM pg_stat_progress_create_index WHERE datname = current_database()) AS now")
  progress "$done_bytes" "$SOURCE_BYTES" "bytes" "$item"
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
