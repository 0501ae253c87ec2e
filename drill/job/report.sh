# The drill's end: its report, signed, in a ConfigMap, in the log, and in the drill's own database, which Prometheus reads.
# shellcheck shell=bash disable=SC2034 # the parts share their variables

# report REASON: empty if the drill passed.
report() {
  local passed=true text
  [[ -z $1 ]] || passed=false
  text=$(sql primary -v drill="$DRILL" -v passed="$passed" -v reason="$1" -v cluster="$CLUSTER" -v database="$DATABASE" -v recovery_time="$RECOVERY_TIME" -v recovery_point="$RECOVERY_POINT" -f "$SCRIPTS/report.sql") || text=
  # Without the primary there is only what this script knows.
  if [[ -z $text ]]; then text=$(printf '{"drill":"%s","cluster":"%s","database":"%s","finished":"%s","passed":%s,"reason":%s}' "$DRILL" "$CLUSTER" "$DATABASE" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$passed" "$(json_string "$1")"); fi
  perl "$SCRIPTS/report.pl" <<<"$text" >"$WORK/report" && api PATCH "$CORE/configmaps/$REPORT" "" /metadata/name <"$WORK/report" >/dev/null &&
    printf '{"phase":"report","event":"finished-all","text":%s}\n' "$(json_string "$([[ $passed == true ]] && echo "the backups are good" || echo "the drill failed"); ConfigMap $REPORT has the report")"
}
