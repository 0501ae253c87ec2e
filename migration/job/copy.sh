# The copy: into a database of our own beside the target's empty one, so that the target is untouched until everything is proven.
# Definitions first, then the rows in chunks, JOBS at a time, read in the frozen snapshot; indexes and the rest are index.sh's.
# shellcheck shell=bash disable=SC2034 # the parts share their variables

# What a schema dump is made with, here and for the comparison.
DEFINITIONS=(--schema-only --exclude-extension=pg_stat_statements --no-subscriptions --no-tablespaces --lock-wait-timeout=60000)

copy() {
  begin copy
  local exists left copied definitions roles
  COPIED=
  exists=$(sql target_admin -v d="$STAGING" <<<"SELECT count(*) FROM pg_database WHERE datname = :'d';")
  if [[ $exists == 1 && $(crashed) == t && $(sql source -c "SELECT count(*) FROM pg_class WHERE relpersistence = 'u'") != 0 ]]; then
    note "the target's server has crashed since an earlier run, which empties unlogged tables; all is copied anew"
    drop_staging
    exists=0
  fi
  if [[ $exists == 1 && $(recall restored_position) == "$SOURCE_POSITION" ]]; then
    sql target_admin -v target="$TARGET_DATABASE" <<<"INSERT INTO naytife_migration.unbroken VALUES (:'target') ON CONFLICT DO NOTHING;"
    # What that run had to say stands in the state, the phases that said it are not repeated.
    recall warnings >>"$WORK/warnings"
    sort -u -o "$WORK/warnings" "$WORK/warnings"
    forget_chunks
    COPIED=whole
    finish "an earlier run copied all of it, and the source has not changed since"
    return
  fi
  # Ours: preflight refused any other. The name is remembered before the database is made.
  sql target_admin -v target="$TARGET_DATABASE" -v staging="$STAGING" <<'SQL'
INSERT INTO naytife_migration.unbroken VALUES (:'target') ON CONFLICT DO NOTHING;
UPDATE naytife_migration.state SET restored_position = NULL, staging = :'staging' WHERE target_database = :'target';
SQL
  if [[ $exists == 1 && $(planned_position) == "$SOURCE_POSITION" ]]; then
    COPIED=partly
    # What that run left in the middle of a chunk; a chunk cannot be committed twice in any case.
    sql staging -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()" >/dev/null
    note "the source has not changed since an earlier run, so the copy goes on: $(sql staging -c "SELECT format('%s of %s chunks are done', count(*) FILTER (WHERE done), count(*)) FROM (SELECT bool_and(c.number IS NOT NULL) AS done FROM naytife_migration_copy.piece LEFT JOIN naytife_migration_copy.copied c USING (number) GROUP BY chunk) AS chunks")"
  elif [[ $exists == 1 ]]; then
    drop_staging
  fi
  # Beside each other: each is one short session after another.
  read_definitions &
  definitions=$!
  carry_roles &
  roles=$!
  if [[ -z $COPIED ]]; then create_staging; fi
  wait "$definitions"
  wait "$roles"
  if [[ -z $COPIED ]]; then
    # What only a superuser may own is restored as postgres: data wrappers before the rest.
    if [[ -s $WORK/list.before ]]; then pg_restore -d "service=staging" --exit-on-error --no-owner -L "$WORK/list.before" "$WORK/definitions"; fi
    pg_restore -d "service=staging" --exit-on-error --section=pre-data -L "$WORK/list.rest" "$WORK/definitions"
    sql source -v position="$SOURCE_POSITION" -v chunk="$(chunk_bytes "$SOURCE_BYTES")" -f "$SCRIPTS/chunks.sql" | sql staging
  fi
  watched copy_progress copy_rows
  copied=$(sql staging -c "SELECT count(*) FILTER (WHERE c.number IS NULL), format('%s rows, ', coalesce(sum(rows) FILTER (WHERE number > 0), 0)) || pg_database_size(current_database()) FROM naytife_migration_copy.piece LEFT JOIN naytife_migration_copy.copied c USING (number)")
  IFS='|' read -r left copied <<<"$copied"
  [[ $left == 0 ]] || fail "$left pieces of tables were not copied" "Run \`pulumi up\` again."
  sql source -f "$SCRIPTS/sequences.sql" | sql staging >/dev/null
  still_frozen
  finish "${copied% *} $(human "${copied##* }")"
}

# read_definitions: what the source is made of, and in which order it is restored.
read_definitions() {
  pg_dump -d "service=source" -Fc "${DEFINITIONS[@]}" --snapshot="$SNAPSHOT" -f "$WORK/definitions"
  list_definitions
}

drop_staging() {
  sql target_admin -v d="$STAGING" <<<'SET client_min_messages = warning; DROP DATABASE IF EXISTS :"d" WITH (FORCE);'
}

# crashed: t if the target's server has crashed, or given way to a standby, since the copy was begun: what is unlogged, tables of the copy and the comparison's facts, is empty then.
crashed() {
  sql target_admin -v target="$TARGET_DATABASE" <<<"SELECT NOT EXISTS (SELECT FROM naytife_migration.unbroken WHERE target_database = :'target');"
}

# chunk_bytes TOTAL: how much of the source one transaction copies: enough of them to keep all jobs busy to the end, none so big that a killed run loses much.
chunk_bytes() {
  local bytes=$(($1 / (8 * JOBS)))
  if ((bytes < 16777216)); then bytes=16777216; elif ((bytes > 268435456)); then bytes=268435456; fi
  echo "$bytes"
}

# The source's position that the staging database was planned at; empty where there is no plan. Plan and position are committed together, after the definitions.
planned_position() {
  sql staging -c "SELECT obj_description(to_regnamespace('naytife_migration_copy'), 'pg_namespace')"
}

# forget_chunks: the records of the copy are no part of the database, and autovacuum may have the tables.
forget_chunks() {
  sql staging <<'SQL'
SELECT to_regclass('naytife_migration_copy.unattended') IS NOT NULL AS unattended \gset
\if :unattended
SELECT format('ALTER TABLE %s RESET (autovacuum_enabled);', relation) FROM naytife_migration_copy.unattended \gexec
\endif
DROP SCHEMA IF EXISTS naytife_migration_copy CASCADE;
SQL
}

create_staging() {
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
  sql staging 2>/dev/null <<'SQL' || sql staging -c 'SELECT FROM pg_extension' >/dev/null
SELECT current_setting('shared_preload_libraries') ~ 'pg_stat_statements' AS preloaded \gset
\if :preloaded
CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public;
\endif
SQL
}

# list_definitions: the definitions' entries, in lists by when they are restored; index.sh restores the last four.
#   before  what only a superuser may own and other things need: data wrappers
#   rest    most: before the rows, and after them JOBS at a time
#   serial  what locks one thing and then another, of which pg_restore knows nothing, so that two workers would deadlock: the last ATTACH of a partitioned index locks the
#           partitioned tables above; the index that is its table's replica identity, where the table is clustered by another one
#   keys    where there are such: foreign keys, for which the indexes of partitioned tables must be whole, and the comments on constraints and indexes, which may be about
#           the two above
#   after   what only a superuser may own and is the database's: event triggers, publications
list_definitions() {
  local identities
  # An entry bears the OID that the index has on the source.
  identities=$(sql source -c "SELECT string_agg(identity.indexrelid::text, ' ') FROM pg_index AS identity JOIN pg_index AS clustered USING (indrelid) WHERE identity.indisreplident AND clustered.indisclustered AND identity.indexrelid <> clustered.indexrelid")
  pg_restore -l "$WORK/definitions" | awk -v list="$WORK/list." -v identities=" $identities " '
    BEGIN { split("before rest serial keys after", lists); for (i in lists) printf "" >(list lists[i]) }
    !/^[0-9]/ { next }
    { entry = $0; sub(/^[0-9]+; [0-9]+ [0-9]+ /, "", entry); to = "rest" }
    entry ~ /^FOREIGN DATA WRAPPER / { to = "before" }
    # By its zeros, or an index in a schema called ATTACH would be one.
    /^[0-9]+; 0 0 INDEX ATTACH / || entry ~ /^INDEX / && index(identities, " " $3 " ") { to = "serial" }
    entry ~ /^(FK CONSTRAINT|COMMENT .* (CONSTRAINT|INDEX)) / { to = "keys" }
    entry ~ /^(EVENT TRIGGER|PUBLICATION|PUBLICATION TABLE|PUBLICATION TABLES IN SCHEMA|COMMENT (- )?(EVENT TRIGGER|PUBLICATION)) / { to = "after" }
    { entries[++count] = $0; goes[count] = to; if (to == "serial") serial = 1 }
    # Where nothing is serial, keys are checked beside the indexes of other tables; pg_restore knows what they wait for.
    END { for (i = 1; i <= count; i++) print entries[i] >(list (goes[i] == "keys" && !serial ? "rest" : goes[i])) }'
}

# copy_rows: every chunk that is not done yet, the largest first. One more than JOBS at a time: while one waits for the network or a disk, another has the core.
copy_rows() {
  copy_progress &
  sql staging -c "SELECT coalesce(jsonb_agg(jsonb_build_object('chunk', chunk, 'pieces', pieces) ORDER BY bytes DESC, chunk), '[]')
    FROM (SELECT chunk, sum(bytes) AS bytes, jsonb_agg(to_jsonb(p) ORDER BY number) AS pieces FROM naytife_migration_copy.piece p LEFT JOIN naytife_migration_copy.copied c USING (number)
      WHERE c.number IS NULL GROUP BY chunk) AS left_to_copy" >"$WORK/left"
  sql source -F ' ' -v snapshot="$SNAPSHOT" -v scripts="$SCRIPTS" -f "$SCRIPTS/copies.sql" >"$WORK/chunks"
  JOBS=$((JOBS + 1)) share_out "$WORK/chunks" copy_chunk
}

# copy_chunk CHUNK HOW: one transaction, whose COMMIT comes only when all was read: what breaks off, on either side, leaves nothing. copies.sql says how.
copy_chunk() {
  if [[ $1 == 0 ]]; then
    copy_large_objects
  elif [[ $2 == '\copy '* ]]; then
    copy_in_session "$1" "$2"
  else
    sql source -v snapshot="$SNAPSHOT" -v pieces="$2" -f "$SCRIPTS/chunk.sql" | sql staging
  fi
}

# copy_in_session CHUNK COMMAND: in a session that this worker keeps, since to begin one for each chunk takes as long as some megabytes do. It ends at its first error.
copy_in_session() {
  local answer answers="$WORK/answers.$BASHPID"
  if [[ -z ${SESSION:-} ]]; then
    mkfifo "$answers"
    exec {SESSION}> >(sql staging >"$answers")
    exec {ANSWERS}<"$answers"
  fi
  printf 'BEGIN;\n%s\nINSERT INTO naytife_migration_copy.copied VALUES (%s, :ROW_COUNT);\nCOMMIT;\n\\echo %s\n' "$2" "$1" "$1" >&"$SESSION"
  read -r answer <&"$ANSWERS" && [[ $answer == "$1" ]]
}

# copy_large_objects: they come with their owners, rights and comments, which a schema dump leaves out. Not in one transaction: each takes a lock.
copy_large_objects() {
  carry_large_objects
  sql staging -c "INSERT INTO naytife_migration_copy.copied SELECT 0, count(*) FROM pg_largeobject_metadata"
}
carry_large_objects() {
  until [[ $(sql staging -c "SELECT count(lo_unlink(oid)) FROM (SELECT oid FROM pg_largeobject_metadata LIMIT 1000) AS left_by_an_earlier_run") == 0 ]]; do :; done
  pg_dump -d "service=source" -Fc --compress=none --data-only --large-objects --exclude-table='*.*' --snapshot="$SNAPSHOT" --lock-wait-timeout=60000 | pg_restore -d "service=staging" --exit-on-error
}

copy_progress() {
  sql staging -v phase="$PHASE" -f "$SCRIPTS/progress.sql"
}
