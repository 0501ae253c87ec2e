#!/usr/bin/env bash
# Proves the backups: a row is written, the database is restored from the object store into a throw-away Cluster, and what is in there is compared with what was
# recorded before. Runs in the drill's only container, in the operand image. Whatever ends it, the throw-away Cluster goes: this script removes it when it ends, and
# Kubernetes does when the pod is gone, which owns it.
# shellcheck disable=SC2034 # the parts share their variables
set -euo pipefail

SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# What the migration's script shares; it asks for this name.
TARGET_DATABASE=$DATABASE
for part in common primary copy check report; do
  # shellcheck source=/dev/null
  . "$SCRIPTS/$part.sh"
done

STARTED=$(date +%s)
# The last tenth is for the report and for the removal.
LATEST=$((STARTED + TIME_LIMIT * 9 / 10))
CHILD=
WATCHER=
# Whether the throw-away Cluster and the report are this drill's: not while another drill runs.
ALONE=
mkdir -p "$WORK"
umask 077
exec 2> >(redact | tee -a "$WORK/stderr")

# begin NAME / finish [DETAIL]: a phase's bounds.
PHASES=0
begin() {
  PHASE=$1
  PHASE_STARTED=$(date +%s%N)
  event started ""
}
finish() {
  local milliseconds=$((($(date +%s%N) - PHASE_STARTED) / 1000000)) seconds
  seconds=$((milliseconds / 1000)).$(printf '%03d' $((milliseconds % 1000)))
  PHASES=$((PHASES + 1))
  remember phase "$PHASES" "$(printf '{"phase":"%s","seconds":%s,"detail":%s}' "$PHASE" "$seconds" "$(json_string "${1:-}")")"
  event finished "${1:+$1, }$seconds s"
}

# seconds_since NANOSECONDS [UNTIL]: with three decimals.
seconds_since() {
  awk -v from="$1" -v until="${2:-$(date +%s%N)}" 'BEGIN { printf "%.3f", (until - from) / 1e9 }'
}

# in_time WHAT: fails where the drill's time is over.
in_time() {
  (($(date +%s) < LATEST)) || fail "$1 within the drill's $((TIME_LIMIT / 60)) minutes" "If the database has grown, give the drill more time (drillDeadlineMinutes); a recovery in earnest takes as long."
}

on_exit() {
  local status=$? reason=
  trap - EXIT INT TERM
  set +e
  if [[ -n $CHILD ]]; then end_group "$CHILD"; fi
  touch "$WORK/recorded"
  if [[ -n $WATCHER ]]; then kill "$WATCHER" 2>/dev/null; fi
  if [[ $status -ne 0 ]]; then
    sleep 0.2
    reason=$(cat "$WORK/failure" 2>/dev/null || { echo "phase $PHASE ended with status $status: "; grep -v '^{' "$WORK/stderr" | tail -n 5; })
  fi
  # The reason goes out first: a pod that is being ended has little time.
  if [[ $status -ne 0 ]]; then
    printf '{"phase":"%s","event":"failed","text":%s,"untouched":%s,"next":%s}\n' "$PHASE" "$(json_string "$reason")" \
      "$(json_string "A drill only reads the database. What it restored is removed.")" "$(json_string "$(cat "$WORK/failure-next" 2>/dev/null || echo "Mend the cause and run \`npm run drill\`.")")"
  fi
  if [[ -n $ALONE ]]; then
    remove_copy
    report "$reason" || status=1
  fi
  exit "$status"
}
trap on_exit EXIT
trap 'fail "the drill was ended from outside in phase $PHASE, $(($(date +%s) - STARTED)) s after its beginning" "Its time was over ($((TIME_LIMIT / 60)) min, drillDeadlineMinutes), or its node was drained, or somebody deleted it. Run \`npm run drill\` again."' INT TERM

open_services
begin prepare
alone
ALONE=yes
reach_primary
sql primary -v drill="$DRILL" -v time_limit="$TIME_LIMIT" -f "$SCRIPTS/begin.sql"
sweep
find_backup
finish "$BACKUP_TOLD"

begin record
plant_canary
record
finish "$RECORDED_TOLD"

begin archive
await_archive
finish "the row was safe in the store after $RPO s"

begin restore
restore
finish "queries are answered after $RTO s"

begin check
check
finish "$CHECKED_TOLD"
