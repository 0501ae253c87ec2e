#!/usr/bin/env bash
# Moves one database into the target, whole or not at all. Runs in the Job's only container, in the target's operand image.
# A run that is cut short, however, is finished by the next one: what counts is in naytife_migration of the target, not here.
# shellcheck disable=SC2034 # the parts share their variables
set -euo pipefail

SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export SCRIPTS
for part in common preflight hold freeze dump roles copy index verify online cutover plan rollback; do
  # shellcheck source=/dev/null
  . "$SCRIPTS/$part.sh"
done

MODE=${1:-migrate}
# What the reader runs to go on.
AGAIN="\`pulumi up\` again: it does what is left."
case $MODE in
plan) AGAIN="the plan again." ;;
rollback) AGAIN="\`npm run migration -- rollback\` again: it does what is left." ;;
esac
CHILD=
DUMPER=
FOLLOWER=
HOLDER=
# How many tables are locked on the source.
LOCKED=
# Whether the application goes on writing while the copy is made.
: "${MIGRATION_MODE:=offline}"
# What makes a session of the source read the snapshot of an online copy, while there is one.
IN_SNAPSHOT=()
# Whether this run keeps WAL on the source.
PUBLISHED=
# Which rows are compared.
ROWS=whole
# What default_transaction_read_only was on the source before this run froze it; empty until then.
FROZEN_FROM=
mkdir -p "$WORK"
umask 077
: >"$WORK/warnings"
exec 2> >(redact | tee -a "$WORK/stderr")

# move_frozen: everything up to the switch, with the source read-only from the beginning. online.sh has the other way.
move_frozen() {
  freeze
  copy
  index
  dump_beside
  verify
  await_dump
}

# Whatever ends the run early, the source goes back to work, unless it is killed outright; then the next run or the documented command does it.
on_exit() {
  local status=$?
  trap - EXIT INT TERM
  trap '' USR1
  set +e
  local group what untouched next
  if [[ $status -ne 0 ]]; then
    sleep 0.2
    what=$(cat "$WORK/failure" 2>/dev/null || { echo "phase $PHASE ended with status $status: "; grep -v '^{' "$WORK/stderr" | tail -n 5; })
    next=$(cat "$WORK/failure-next" 2>/dev/null || echo "Mend the cause and run $AGAIN")
  fi
  for group in $CHILD $DUMPER $FOLLOWER; do group_is_gone "$group"; done
  if [[ $status -ne 0 ]]; then
    case $MODE in
    verify) untouched="A comparison changes neither side." ;;
    plan) untouched="A plan changes neither side." ;;
    rollback) untouched=$(undo_rollback) ;;
    *) untouched=$(undo_freeze; undo_publish) ;;
    esac
    local reason
    reason=$(printf '"text":%s,"untouched":%s,"next":%s' "$(json_string "$what")" "$(json_string "$untouched")" "$(json_string "$next")")
    printf '{"phase":"%s","event":"failed",%s}\n' "$PHASE" "$reason"
    # For `npm run migration -- status`, when the log is gone.
    if [[ $MODE == migrate ]]; then record_failure "{$reason}" 2>/dev/null || true; fi
  fi
  exit "$status"
}
trap on_exit EXIT
trap 'fail "phase $PHASE was ended from outside (the pod was asked to stop)" "Run $AGAIN"' INT TERM
# What runs beside everything else, the dump or the follower of an online run, has failed and has said why.
trap 'exit 1' USR1

# A rollback has the source under a name that no client knows.
if [[ $MODE == rollback ]]; then SOURCE_OPENED_AS="${SOURCE_DATABASE}_rollback"; fi
open_connections
case $MODE in
migrate)
  preflight
  if [[ $MIGRATION_MODE == online ]]; then move_online; else move_frozen; fi
  cut_over
  event finished-all "$TARGET_DATABASE holds the data"
  ;;
verify) verify_only ;;
plan) plan ;;
rollback)
  rollback
  event finished-all "the old database has everything and is open; the new one is closed"
  ;;
*) fail "unknown mode $MODE" "Give migrate, verify, plan or rollback." ;;
esac
