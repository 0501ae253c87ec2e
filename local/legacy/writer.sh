#!/usr/bin/env bash
# Writes an order and its payment in one transaction, again and again, and logs on stdout what the server acknowledged:
#   <UTC time> ack <order id>        the COMMIT came back
#   <UTC time> error <message>       it did not: the row may be there or not, nothing is claimed
# Ends by itself after DURATION_MILLISECONDS, or at once at SIGTERM, with `<time> end <acknowledged> <errors>`.
set -uo pipefail

: "${WRITER:?}" "${PERIOD_MILLISECONDS:?}" "${DURATION_MILLISECONDS:?}" "${URL_FILE:?}"
export PGCONNECT_TIMEOUT=3 PGAPPNAME="$WRITER"

# libpq gets the URL in pieces through the environment: on psql's command line the password would show in the process list.
decoded() { printf '%b' "${1//%/\\x}"; }
read_url() {
  local pattern='^postgres(ql)?://([^:@/]+):([^@/]*)@([^:/?]+)(:([0-9]+))?/([^?]+)(\?sslmode=([a-z-]+))?$'
  [[ "$(<"$URL_FILE")" =~ $pattern ]] || {
    echo "the connection Secret holds no URL of the form postgresql://user:password@host:port/database?sslmode=…" >&2
    return 1
  }
  PGUSER=$(decoded "${BASH_REMATCH[2]}") PGPASSWORD=$(decoded "${BASH_REMATCH[3]}") PGHOST=${BASH_REMATCH[4]}
  PGPORT=${BASH_REMATCH[6]:-5432} PGDATABASE=$(decoded "${BASH_REMATCH[7]}") PGSSLMODE=${BASH_REMATCH[9]:-prefer}
  export PGUSER PGPASSWORD PGHOST PGPORT PGDATABASE PGSSLMODE
}
write() { read_url && printf '%s\n' "$statements" | timeout 15 psql -XAtq -v ON_ERROR_STOP=1 -v "writer=$WRITER"; }

now() { date -u +%Y-%m-%dT%H:%M:%S.%3NZ; }
milliseconds() { date +%s%3N; }

# The customer is whoever has the lowest id: the seed's rows or, after a move, the same ones over there.
read -r -d '' statements <<'SQL'
SET statement_timeout = '5s';
BEGIN;
WITH who AS (SELECT id, shop_id FROM naytife_schema.customers ORDER BY id LIMIT 1),
  placed AS (
    INSERT INTO naytife_schema.orders (placed_at, shop_id, customer_id, status, total, note)
    SELECT clock_timestamp(), shop_id, id, 'paid', 12.50, :'writer' FROM who RETURNING id, placed_at
  ),
  paid AS (
    INSERT INTO naytife_schema.payments (order_id, order_placed_at, amount, provider, reference)
    SELECT id, placed_at, 12.50, 'writer', :'writer' || '/' || id FROM placed RETURNING order_id
  )
SELECT order_id FROM paid;
COMMIT;
SQL

acknowledged=0 errors=0 stopped=""
trap 'stopped=yes' TERM INT
started=$(milliseconds)
deadline=$((started + DURATION_MILLISECONDS))
next=$started
echo "$(now) start $WRITER"
while [[ -z "$stopped" ]] && (($(milliseconds) < deadline)); do
  if output=$(write 2>&1); then
    echo "$(now) ack $output"
    acknowledged=$((acknowledged + 1))
  else
    echo "$(now) error $(tr '\n' ' ' <<<"$output" | cut -c1-300)"
    errors=$((errors + 1))
  fi
  next=$((next + PERIOD_MILLISECONDS))
  pause=$((next - $(milliseconds)))
  # Behind schedule: go on from now instead of catching up in a burst.
  if ((pause > 0)); then sleep "$(printf '%d.%03d' $((pause / 1000)) $((pause % 1000)))"; else next=$(milliseconds); fi
done
echo "$(now) end $acknowledged $errors"
