# The throw-away Cluster: made from the store, watched, removed.
# shellcheck shell=bash disable=SC2034,SC2153 # the parts share their variables

api() { perl "$SCRIPTS/api.pl" "$@"; }
CLUSTERS="/apis/postgresql.cnpg.io/v1/namespaces/$NAMESPACE/clusters"
CORE="/api/v1/namespaces/$NAMESPACE"

# alone: no other drill runs. Two of them would share the throw-away Cluster.
alone() {
  local pods name state others=
  pods=$(api GET "$CORE/pods?labelSelector=naytife.com/drill%3Drun" /items /metadata/name /status/phase)
  while IFS=$'\t' read -r name state; do
    if [[ $name != "$POD" && $state != Succeeded && $state != Failed ]]; then others+=" $name"; fi
  done <<<"$pods"
  [[ -z $others ]] || fail "another drill is under way:$others" "Wait for it: kubectl -n $NAMESPACE logs -f ${others##* }"
}

# remove_copy: the throw-away Cluster, if there is one.
remove_copy() {
  local status=0
  api DELETE "$CLUSTERS/$COPY" >/dev/null 2>"$WORK/removal" || status=$?
  case $status in
  0) note "the throw-away Cluster $COPY is removed" ;;
  4) ;;
  *) note "the throw-away Cluster $COPY was not removed ($(tail -n 1 "$WORK/removal")); Kubernetes does when this pod goes" ;;
  esac
}

# sweep: what an earlier drill left, whose Cluster had the same name. Its pods and volumes have to be gone as well.
sweep() {
  local left
  remove_copy
  while :; do
    left=$(
      api GET "$CORE/pods?labelSelector=cnpg.io/cluster%3D$COPY" /items /metadata/name &&
        api GET "$CORE/persistentvolumeclaims?labelSelector=cnpg.io/cluster%3D$COPY" /items /metadata/name &&
        { api GET "$CLUSTERS/$COPY" "" /metadata/name 2>/dev/null || [[ $? == 4 ]]; }
    ) || left="the API server does not say"
    [[ -n $left ]] || return 0
    in_time "what an earlier drill left did not go (${left//$'\n'/, })"
    sleep 1
  done
}

# find_backup: the base backup that the recovery will begin with: the last that is complete.
find_backup() {
  local backups name id stopped
  backups=$(api GET "/apis/postgresql.cnpg.io/v1/namespaces/$NAMESPACE/backups" /items /status/stoppedAt /metadata/name /status/backupId /spec/cluster/name /status/phase)
  IFS=$'\t' read -r stopped name id _ < <(awk -F '\t' -v cluster="$CLUSTER" '$4 == cluster && $5 == "completed"' <<<"$backups" | sort | tail -n 1) ||
    fail "there is no complete base backup of $CLUSTER" "kubectl -n $NAMESPACE get backups.postgresql.cnpg.io says what became of those that were begun. The ScheduledBackup makes one a day."
  BACKUP=$(printf '{"name":"%s","id":"%s","stopped":"%s"}' "$name" "$id" "$stopped")
  BACKUP_TOLD="base backup $name of $stopped"
}

# restore: makes the throw-away Cluster and waits until it answers a query through its Service, which is what an application would wait for.
restore() {
  local began phase pod state tried=0 said='' container followers=() followed='' reason fields
  remember measured backup "$BACKUP"
  began=$(date +%s%N)
  sed -e "s|@position@|$TARGET_POSITION|" -e "s|@pod@|$POD|" -e "s|@uid@|$POD_UID|" "$SCRIPTS/copy.json" | api PATCH "$CLUSTERS/$COPY" "" /metadata/uid >/dev/null
  until sql copy -c "SELECT 1 WHERE NOT pg_is_in_recovery()" 2>"$WORK/copy" | grep -q 1; do
    in_time "the throw-away Cluster did not answer (${said:-it has not begun}; $(tail -n 1 "$WORK/copy"))"
    phase=$(api GET "$CLUSTERS/$COPY" "" /status/phase) || phase=$said
    # The operator has not looked at it yet.
    if [[ $phase != "$said" && $phase != - ]]; then
      said=$phase
      note "$COPY: $phase"
    fi
    fields=$(api GET "$CORE/pods?labelSelector=cnpg.io/jobRole%3Dfull-recovery,cnpg.io/cluster%3D$COPY" /items /metadata/name /status/phase) || fields=
    while IFS=$'\t' read -r pod state; do
      [[ -n $pod && $state != Pending && " $followed " != *" $pod "* ]] || continue
      followed+=" $pod"
      tried=$((tried + 1))
      stop_following
      # The server's log, and that of barman, which fetches.
      for container in full-recovery plugin-barman-cloud; do
        perl "$SCRIPTS/api.pl" GET "$CORE/pods/$pod/log?follow=true&container=$container" >"$WORK/$container.log" 2>/dev/null &
        followers+=($!)
      done
    done <<<"$fields"
    # The operator tries for ever.
    if ((tried > 2)); then
      sleep 2
      reason=$(perl "$SCRIPTS/recovery-log.pl" reason <"$WORK/full-recovery.log")
      fail "the recovery fails again and again${reason:+: $reason}" "A recovery in earnest would fail as well. docs/recovery.md says how to find out which backup and WAL is whole."
    fi
    sleep 0.5
  done
  RTO=$(seconds_since "$began")
  stop_following
  remember measured rtoSeconds "$RTO"
  remember measured restore "$(perl "$SCRIPTS/recovery-log.pl" times < <(cat "$WORK/full-recovery.log" "$WORK/plugin-barman-cloud.log" 2>/dev/null))"
}

# stop_following: the logs of the recovery that restore followed.
stop_following() {
  ((${#followers[@]} > 0)) || return 0
  kill "${followers[@]}" 2>/dev/null || true
  wait "${followers[@]}" 2>/dev/null || true
  followers=()
}
