# The switch: one transaction in the target gives the verified copy the application's name and writes the marker. Before it the target is untouched, after it whole.
# shellcheck shell=bash disable=SC2034 # the parts share their variables

cut_over() {
  begin "cut over"
  hold_clients
  # The source first: were it the other way round, a crash in between would leave both open to writers.
  seal_source
  still_frozen
  prove_unchanged
  if [[ -n ${SEARCH_PATH:-} ]]; then set_search_path; fi
  close_target
  refuse_foreign target "$TARGET_DATABASE"
  compose_report
  # No statement of ours need have been under way, so that nothing else would tell.
  [[ $(crashed) == f ]] || fail "the target's server crashed after the copy was begun, which empties what is unlogged" "Run \`pulumi up\` again: it does what is left."
  local attempt error
  for attempt in $(seq 20); do
    sql target_admin -v target="$TARGET_DATABASE" -v staging="$STAGING" >/dev/null <<'SQL'
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN (:'target', :'staging');
SQL
    if error=$(switch_names 2>&1); then break; fi
    [[ $error == *"being accessed by other users"* ]] || fail "the switch was refused: $error" "Run \`pulumi up\` again."
    ((attempt < 20)) || fail "clients keep connecting to the target's databases, so their names could not be switched" "Stop what connects to $TARGET_DATABASE of the target, then run \`pulumi up\` again."
    sleep 0.5
  done
  PHASE="retain"
  event switched ""
  release_locks
  # From here on nothing may fail the run: the data is where it should be.
  drop_replaced || warn_late "the target's old empty database is still there as $REPLACED"
  sql owner -c "SELECT 1" >/dev/null 2>&1 || warn_late "the application's role $TARGET_OWNER cannot log in to $TARGET_DATABASE any more"
  if [[ $MIGRATION_MODE == online ]]; then count_source || warn_late "the rows of the old database were not counted after the switch, so a rollback cannot tell whether somebody wrote to it since"; fi
  sql target_admin -v target="$TARGET_DATABASE" <<<"DELETE FROM naytife_migration.fact WHERE target_database = :'target'; DELETE FROM naytife_migration.change WHERE target_database = :'target'; UPDATE naytife_migration.phase SET finished = clock_timestamp() WHERE run = '$RUN' AND phase = 'cut over';" ||
    note "the working tables of the migration could not be cleared"
}

warn_late() {
  warn "$1"
  sql target_admin -v target="$TARGET_DATABASE" -v text="$1" <<'SQL' || true
\getenv key SIGNING_KEY
UPDATE naytife_migration.marker SET report = longer, sha256 = encode(sha256(convert_to(longer::text, 'UTF8')), 'hex'), signature = naytife_migration.signature(longer, $1)
  FROM (SELECT jsonb_set(report, '{warnings}', report -> 'warnings' || to_jsonb(:'text'::text)) AS longer FROM naytife_migration.marker WHERE target_database = :'target') AS told
 WHERE target_database = :'target' \bind :key \g
SQL
}

# prove_unchanged: since verify began to read, nothing was written on the source. No transaction at all is the best proof; on a busy server the locks are it, and sequences are read again.
prove_unchanged() {
  local xmax sequences
  xmax=$(sql source_admin -c "SELECT pg_snapshot_xmax(pg_current_snapshot())")
  sequences=$(hold "SELECT md5(coalesce(string_agg(seqrelid || '=' || coalesce(pg_sequence_last_value(seqrelid)::text, ''), ',' ORDER BY seqrelid), '')) FROM pg_sequence;") || still_frozen
  [[ ${PROVED_FROM##*.} == "$sequences" ]] || fail "a sequence of the source moved while it was frozen" "Find the client that set default_transaction_read_only off, then run \`pulumi up\` again."
  local before since="before the dump"
  if [[ $MIGRATION_MODE == online ]]; then since="the freeze"; fi
  before=$(cut -d. -f3 <<<"$PROVED_FROM")
  # Sealing the database is one transaction of our own.
  if ((xmax - before <= 1)); then PROOF="no transaction but our own began on the source since the comparison"; else PROOF="locks held on every table since $since; sequences read again"; fi
}

# set_search_path: the program's own setting, unless the source brought one.
set_search_path() {
  sql target_admin -v owner="$TARGET_OWNER" -v staging="$STAGING" -v path="$SEARCH_PATH" >/dev/null <<'SQL'
SELECT NOT EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase, unnest(setconfig) entry
  WHERE datname = :'staging' AND setrole = (SELECT oid FROM pg_roles WHERE rolname = :'owner') AND entry LIKE 'search\_path=%') AS missing \gset
\if :missing
BEGIN;
SELECT set_config('search_path', :'path', true);
ALTER ROLE :"owner" IN DATABASE :"staging" SET search_path FROM CURRENT;
COMMIT;
\endif
SQL
}

# close_target: nobody but superusers can connect to the target's database from now on; reopen_target undoes it.
close_target() {
  # Remembered once: a run that was killed may have closed it already.
  sql target_admin -v d="$TARGET_DATABASE" >/dev/null <<'SQL'
UPDATE naytife_migration.state SET target_closed = datconnlimit FROM pg_database WHERE target_database = :'d' AND datname = :'d' AND target_closed IS NULL;
ALTER DATABASE :"d" CONNECTION LIMIT 0;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :'d';
SQL
}
reopen_target() {
  local limit
  limit=$(recall target_closed) || return 1
  if [[ -z $limit ]]; then return 0; fi
  sql target_admin -v d="$TARGET_DATABASE" -v limit="$limit" <<<'ALTER DATABASE :"d" WITH ALLOW_CONNECTIONS true CONNECTION LIMIT :limit;' || return 1
  remember target_closed ""
}

# switch_names: the key that signs the report goes as a parameter, so that no statement's text holds it.
switch_names() {
  sql target_admin -v target="$TARGET_DATABASE" -v staging="$STAGING" -v replaced="$REPLACED" -v run="$RUN" <<'SQL'
\set report `cat "$WORK/report.json"`
\getenv key SIGNING_KEY
BEGIN;
ALTER DATABASE :"target" RENAME TO :"replaced";
ALTER DATABASE :"staging" RENAME TO :"target";
INSERT INTO naytife_migration.marker (target_database, run, report, sha256, signature)
  VALUES (:'target', :'run', :'report', encode(sha256(convert_to(:'report'::jsonb::text, 'UTF8')), 'hex'), naytife_migration.signature(:'report', $1)) \bind :key \g
UPDATE naytife_migration.state SET target_closed = NULL, clients = NULL WHERE target_database = :'target';
COMMIT;
SQL
}

# drop_replaced: the database that the Cluster was made with, if it is still as empty as it was.
drop_replaced() {
  local found
  found=$(sql replaced -f "$SCRIPTS/empty.sql") || return 1
  [[ -z $found ]] || return 1
  sql target_admin -v d="$REPLACED" <<<'DROP DATABASE :"d" WITH (FORCE);'
}

# compose_report: everything that was compared, counted and left behind. No data, no secret.
compose_report() {
  local source_version dump_bytes dump_hash
  source_version=$(sql source_admin -c 'SHOW server_version')
  dump_bytes=$(du -sb "$DUMP_DIRECTORY" | cut -f1)
  dump_hash=$(sha256sum <"$DUMP_DIRECTORY/SHA256SUMS" | cut -d' ' -f1)
  # By a file: a list of warnings may be longer than a command's argument.
  printf '[%s]' "$(sort -u "$WORK/warnings" | paste -sd,)" >"$WORK/warnings.json"
  sql target_admin -v target="$TARGET_DATABASE" -v run="$RUN" -v source="$SOURCE_USER@${ALIAS:-$SOURCE_HOST}:$SOURCE_PORT/$SOURCE_DATABASE" -v source_version="$source_version" \
    -v source_bytes="$SOURCE_BYTES" -v dump="$(basename "$DUMP_DIRECTORY")" -v dump_bytes="$dump_bytes" -v dump_hash="$dump_hash" \
    -v schema_hash="$SCHEMA_HASH" -v proof="$PROOF" -v hash="$HASH" -v jobs="$JOBS" -v milliseconds="$VERIFY_MILLISECONDS" -v compared_bytes=$((SOURCE_TABLE_BYTES + TARGET_TABLE_BYTES)) \
    -v source_locale="$SOURCE_LOCALE" -v target_locale="$TARGET_LOCALE" -v pg_dump="$(pg_dump --version)" -v pg_restore="$(pg_restore --version)" -v psql="$(psql --version)" \
    -v snapshot="${SNAPSHOT_AT:-}" -v freeze="${FREEZE_AT:-}" -v frozen_at="${FROZEN_AT:-0}" \
    -f "$SCRIPTS/report.sql" >"$WORK/report.json"
}
