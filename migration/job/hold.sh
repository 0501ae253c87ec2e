# Clients of the source's old name are held while the switch is made, if that is wanted: they wait in the target's paused pooler. The Job asks, the engine does it.
# shellcheck shell=bash disable=SC2034 # the parts share their variables

# A rule of thumb: from the freeze to the switch so much of a database is moved in a second. Where that takes longer than clients may be held, they are held for the cut-over alone.
HELD_BYTES_PER_SECOND=10000000

# hold_clients: who comes by the old name waits from here on; or, where nobody answers within half a minute, is told no as if nothing had been wanted.
hold_clients() {
  if [[ -z ${ALIAS:-} || $(recall clients) == held ]]; then return; fi
  # First: were a client let through, it would be refused, and never write into what is still empty.
  if [[ $MODE == migrate ]]; then close_target; fi
  local look
  remember clients wanted
  event hold ""
  for look in $(seq 100); do
    if [[ $(recall clients) == held ]] && waits; then
      note "clients that come by $ALIAS wait"
      return
    fi
    sleep 0.2
  done
  remember clients ""
  note "clients that come by $ALIAS could not be held; they are refused until the switch is made"
}

# waits: who comes by the old name is neither let in nor refused, for longer than either takes. Clients wait meanwhile.
waits() {
  local status=0
  timeout 0.5 psql service=alias -X -w -c "SELECT 1" >/dev/null 2>&1 || status=$?
  [[ $status == 124 ]]
}
