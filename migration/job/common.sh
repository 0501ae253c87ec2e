# What all phases share: the connections, the events that the engine reads from the pod's log, and errors that say what to do.
# shellcheck shell=bash disable=SC2034 # the parts share their variables

# Where the migration works, and where the dump is kept.
: "${WORK:=/work}" "${DUMP:=/dump}"

STAGING="${TARGET_DATABASE}_migration"
REPLACED="${TARGET_DATABASE}_before_migration"
PHASE=start
export WORK STAGING REPLACED

# json_string TEXT: TEXT as a JSON string.
json_string() {
  local text=$1
  text=${text//\\/\\\\}
  text=${text//\"/\\\"}
  text=${text//$'\n'/\\n}
  text=${text//$'\t'/\\t}
  text=${text//[[:cntrl:]]/ }
  printf '"%s"' "$text"
}

# event KIND TEXT [NEXT]: one line of JSON in the log.
event() {
  printf '{"phase":"%s","event":"%s","text":%s%s}\n' "$PHASE" "$1" "$(json_string "$2")" "${3:+,\"next\":$(json_string "$3")}"
}

# note TEXT: something the reader should know. warn TEXT: the same, and it is kept in the report.
note() { event note "$1"; }
warn() {
  event warning "$1"
  json_string "$1" >>"$WORK/warnings"
  echo >>"$WORK/warnings"
}

# fail WHAT NEXT: ends the run. What was left untouched is said by the exit handler, which knows what it could undo.
fail() {
  printf '%s' "$1" >"$WORK/failure"
  printf '%s' "$2" >"$WORK/failure-next"
  exit 1
}

# begin NAME / finish [DETAIL]: a phase's bounds, recorded in the target and told to the engine.
begin() {
  PHASE=$1
  PHASE_STARTED=$(date +%s%N)
  event started ""
  record_phase "INSERT INTO naytife_migration.phase (run, target_database, phase) VALUES (:'run', :'target', :'phase')"
}
finish() {
  local seconds=$((($(date +%s%N) - PHASE_STARTED) / 1000000))
  record_phase "UPDATE naytife_migration.phase SET finished = clock_timestamp(), detail = :'detail' WHERE run = :'run' AND phase = :'phase'" "${1:-}"
  event finished "${1:+$1, }$((seconds / 1000)).$(printf '%03d' $((seconds % 1000))) s"
}
# record_failure JSON: why the run ended in the phase that it is in.
record_failure() {
  sql target_admin -v run="$RUN" -v phase="$PHASE" -v failure="$1" <<<"UPDATE naytife_migration.phase SET failure = :'failure' WHERE run = :'run' AND phase = :'phase';"
}
record_phase() {
  sql target_admin -v phase="$PHASE" -v run="$RUN" -v target="$TARGET_DATABASE" -v detail="${2:-}" <<<"$1;"
}

# sql SERVICE [PSQL OPTIONS]: psql without formatting that stops at the first error. SQL comes on standard input or by -f/-c.
# `terse`, so that no error repeats the text of a statement, which may hold a password's verifier.
sql() {
  local service=$1
  shift
  psql "service=$service" -X -A -t -q -v ON_ERROR_STOP=1 -v VERBOSITY=terse -v SHOW_CONTEXT=never "$@"
}

# remember COLUMN VALUE: one field of this target's state, which outlives the Job. recall COLUMN: its value, empty if none.
remember() {
  sql target_admin -v target="$TARGET_DATABASE" -v value="$2" <<<"UPDATE naytife_migration.state SET $1 = nullif(:'value', '') WHERE target_database = :'target';"
}
recall() {
  # A plan may find that no migration has ever begun, or that an earlier version's did, which knew fewer fields.
  if [[ ${RECORDS:-t} != t ]]; then return; fi
  sql target_admin -v target="$TARGET_DATABASE" <<<"SELECT to_jsonb(s) ->> '$1' FROM naytife_migration.state AS s WHERE target_database = :'target';"
}

# cut_over_done: 1 if this target's migration is finished, 0 if not. A COMMIT in flight is waited for; fails if it does not end, or if the target does not answer.
cut_over_done() {
  sql target_admin -v target="$TARGET_DATABASE" <<'SQL'
BEGIN;
SET LOCAL lock_timeout = '30s';
LOCK TABLE naytife_migration.marker IN SHARE MODE;
SELECT count(*) FROM naytife_migration.marker WHERE target_database = :'target';
COMMIT;
SQL
}

# redact: standard input without the lines that may hold a password, such as a user mapping's options.
redact() {
  sed -u -E -e '/password authentication failed|no password supplied/b' -e 's/^([<>] )?.*(password|secret).*$/\1(a line that mentions a password or a secret is not shown)/I'
}

# human BYTES: the number with a unit.
human() {
  awk -v b="$1" 'BEGIN { split("B kB MB GB TB", u, " "); i = 1; while (b >= 1000 && i < 5) { b /= 1000; i++ } printf (i == 1 ? "%d %s" : "%.1f %s"), b, u[i] }'
}

# beside COMMAND…: starts COMMAND in a process group of its own, so that all that it starts can be ended with it; its id is in $!. In a part that is one already it stays there.
beside() {
  if [[ $BASHPID == "$$" ]]; then set -m; fi
  "$@" &
  set +m
}
end_group() { kill -- "-$1" 2>/dev/null || true; }

# group_is_gone ID: ends a group, and returns when nothing of it is left. By looking, since a `wait` that a signal's trap broke off may have taken the child's end with it, and
# then another one for that child never returns: the run would neither go on nor end.
group_is_gone() {
  local look
  end_group "$1"
  for look in $(seq 200); do
    kill -0 -- "-$1" 2>/dev/null || return 0
    sleep 0.05
  done
  kill -KILL -- "-$1" 2>/dev/null || true
}

# watched PROGRESS COMMAND…: runs COMMAND where a signal can interrupt it, and calls PROGRESS every two seconds meanwhile.
watched() {
  local progress=$1 status=0 ticker
  shift
  beside "$@"
  CHILD=$!
  while sleep 2; do "$progress" || true; done &
  ticker=$!
  wait "$CHILD" || status=$?
  # What it started and did not wait for, if it failed.
  end_group "$CHILD"
  CHILD=
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  return "$status"
}

# share_out FILE COMMAND: calls COMMAND with the first word and the rest of every line of FILE, in order, JOBS at a time. Where one fails, none is begun after it.
share_out() {
  local queue worker workers=() status=0
  exec {queue}<"$1"
  for ((worker = 0; worker < JOBS; worker++)); do
    take_from "$queue" "$1.lock" "$2" &
    workers+=($!)
  done
  exec {queue}<&-
  # Each by its id: `wait -n` misses one of two that end at once.
  for worker in "${workers[@]}"; do wait "$worker" || status=$?; done
  return "$status"
}

# take_from QUEUE LOCK COMMAND: one worker. The workers share QUEUE's position, so they read it one at a time; a lock is had by who opened it, so each opens it for itself.
take_from() {
  local lock first rest
  exec {lock}>"$2"
  # What is left goes unread if this worker fails.
  # shellcheck disable=SC2064 # expanded now: at the exit they may be gone
  trap "flock $lock; cat <&$1 >/dev/null" EXIT
  while flock "$lock" && read -r first rest <&"$1"; do
    flock -u "$lock"
    "$3" "$first" "$rest"
  done
}

# progress DONE TOTAL UNIT ITEM: how far the phase is. Rate and time left are the engine's to work out.
progress() {
  printf '{"phase":"%s","event":"progress","done":%s,"total":%s,"unit":"%s","item":%s}\n' "$PHASE" "$1" "$2" "$3" "$(json_string "${4:-}")"
}

# escape_pgpass TEXT: TEXT as a field of a password file.
escape_pgpass() {
  local text=${1//\\/\\\\}
  printf '%s' "${text//:/\\:}"
}

# open_connections: the services that psql, pg_dump and pg_restore connect by. Passwords go to a file of ours alone and leave the environment.
open_connections() {
  # Everything that changes how a value is printed is pinned, whatever roles and databases set; no limit of theirs may end a long session.
  local options="-c datestyle=ISO,MDY -c intervalstyle=postgres -c timezone=UTC -c extra_float_digits=1 -c bytea_output=hex -c xmloption=content -c lc_monetary=C -c lc_numeric=C -c lc_time=C -c search_path= -c row_security=off -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0"
  # What we make on the target belongs to postgres, so that the temporary role can go; statements with verifiers are logged nowhere.
  local superuser="$options -c role=postgres -c client_min_messages=warning -c log_statement=none -c log_min_duration_statement=-1 -c log_min_error_statement=panic -c pg_stat_statements.track=none -c pgaudit.log=none"
  # A crash of the target takes a chunk's record with its rows, so no commit need wait; nothing is to happen by itself in a copy.
  local building
  building="-c synchronous_commit=off -c event_triggers=off $(index_settings "${TARGET_MEMORY:-0}" "${TARGET_MILLICORES:-0}")"
  local common=$'keepalives_idle=30\nkeepalives_interval=10\nkeepalives_count=6\nconnect_timeout=15'
  # The source's server notices within two minutes that our node is gone, and lets go of the locks.
  local guest="$options -c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=6 -c synchronize_seqscans=off"
  local source=$'\n'"host=$SOURCE_HOST"$'\n'"port=$SOURCE_PORT"$'\n'"user=$SOURCE_USER"$'\n'"$common"$'\n'"application_name=naytife_migration $RUN"$'\n'"options=$guest"
  # Where the source is frozen and sealed from: never the database that is moved, and never read-only.
  SOURCE_ADMIN_DATABASE=postgres
  if [[ $SOURCE_DATABASE == postgres ]]; then SOURCE_ADMIN_DATABASE=template1; fi
  local tls=$'\n'"sslmode=${TARGET_SSLMODE:-verify-full}"
  if [[ -n ${TARGET_CA:-} ]]; then tls+=$'\n'"sslrootcert=$TARGET_CA"; fi
  local target=$'\n'"host=$TARGET_HOST"$'\n'"port=$TARGET_PORT"$'\n'"$common"$'\n'"application_name=naytife_migration $RUN$tls"
  export PGSERVICEFILE="$WORK/services" PGPASSFILE="$WORK/passwords"
  {
    printf '[source]%s\ndbname=%s\n\n' "$source" "${SOURCE_OPENED_AS:-$SOURCE_DATABASE}"
    printf '[source_admin]%s -c default_transaction_read_only=off\ndbname=%s\n\n' "$source" "$SOURCE_ADMIN_DATABASE"
    printf '[target_admin]%s\nuser=%s\noptions=%s\ndbname=postgres\n\n' "$target" "$TARGET_USER" "$superuser"
    printf '[target]%s\nuser=%s\noptions=%s\ndbname=%s\n\n' "$target" "$TARGET_USER" "$superuser" "$TARGET_DATABASE"
    printf '[staging]%s\nuser=%s\noptions=%s\ndbname=%s\n\n' "$target" "$TARGET_USER" "$superuser $building" "$STAGING"
    printf '[replaced]%s\nuser=%s\noptions=%s\ndbname=%s\n\n' "$target" "$TARGET_USER" "$superuser" "$REPLACED"
    printf '[owner]%s\nuser=%s\ndbname=%s\n\n' "$target" "$TARGET_OWNER" "$TARGET_DATABASE"
    printf '[alias]\nhost=%s\nport=%s\nsslmode=require\nuser=%s\ndbname=%s\n' "${ALIAS:-}" "$SOURCE_PORT" "$TARGET_OWNER" "$TARGET_DATABASE"
  } >"$PGSERVICEFILE"
  {
    printf '%s:%s:*:%s:%s\n' "$(escape_pgpass "$SOURCE_HOST")" "$SOURCE_PORT" "$(escape_pgpass "$SOURCE_USER")" "$(escape_pgpass "$SOURCE_PASSWORD")"
    printf '%s:%s:*:%s:%s\n' "$(escape_pgpass "$TARGET_HOST")" "$TARGET_PORT" "$(escape_pgpass "$TARGET_USER")" "$(escape_pgpass "$TARGET_PASSWORD")"
    printf '%s:%s:*:%s:%s\n' "$(escape_pgpass "$TARGET_HOST")" "$TARGET_PORT" "$(escape_pgpass "$TARGET_OWNER")" "$(escape_pgpass "$TARGET_OWNER_PASSWORD")"
    [[ -z ${ALIAS:-} ]] || printf '%s:%s:*:%s:%s\n' "$(escape_pgpass "$ALIAS")" "$SOURCE_PORT" "$(escape_pgpass "$TARGET_OWNER")" "$(escape_pgpass "$TARGET_OWNER_PASSWORD")"
  } >"$PGPASSFILE"
  # A password file has one line a password.
  [[ $SOURCE_PASSWORD != *[$'\r\n']* ]] || fail "the source's password holds a line break, which no password file can" "Make its Secret anew without it (a Secret made from a file often ends with one), and change the password if it is part of it."
  [[ $TARGET_OWNER_PASSWORD != *[$'\r\n']* ]] || fail "the password of $TARGET_OWNER holds a line break, which no password file can" "Make Secret $TARGET_OWNER_SECRET anew without it."
  # Clients go on with the password that they have.
  if [[ $SOURCE_PASSWORD == "$TARGET_OWNER_PASSWORD" ]]; then SAME_PASSWORD=yes; else SAME_PASSWORD=no; fi
  unset SOURCE_PASSWORD TARGET_PASSWORD TARGET_OWNER_PASSWORD
  export PGCLIENTENCODING=UTF8 PGTZ=UTC
}
