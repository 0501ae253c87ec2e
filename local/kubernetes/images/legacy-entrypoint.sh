#!/usr/bin/env bash
# Does for Debian's PostgreSQL what the entry point of Docker's postgres image does: an empty PGDATA becomes a cluster with
# the superuser POSTGRES_USER (postgres), its password POSTGRES_PASSWORD and the database POSTGRES_DB (named as the user); then
# the server runs as process 1 and listens everywhere. Passwords travel by scram, over the network as well as locally but for the socket.
set -euo pipefail

if [[ "${1:-postgres}" == -* ]]; then set -- postgres "$@"; fi
if [[ "${1:-postgres}" != postgres ]]; then exec "$@"; fi

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
export PGDATA=${PGDATA:-/var/lib/postgresql/data}

if [[ $(id -u) == 0 ]]; then
  mkdir -p "$PGDATA"
  # A pod can mount something over /run.
  install -d -o postgres -g postgres -m 3777 /var/run/postgresql
  find "$PGDATA" \! -user postgres -exec chown postgres {} +
  chmod 0700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

if [[ ! -s "$PGDATA/PG_VERSION" ]]; then
  if [[ -z "${POSTGRES_PASSWORD:-}" ]]; then
    echo "POSTGRES_PASSWORD is empty: the superuser must have a password. No database was made." >&2
    exit 1
  fi
  # What is half set up is no database: the next start begins anew.
  trap 'find "$PGDATA" -mindepth 1 -delete' EXIT
  initdb --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") --locale=en_US.utf8 --encoding=UTF8 \
    --auth-local=trust --auth-host=scram-sha-256
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  # While it is set up, no one can connect but through the socket.
  pg_ctl --wait --options="-c listen_addresses=" start
  if [[ "$database" != postgres ]]; then
    psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$user" --dbname=postgres --set=name="$database" \
      <<<'CREATE DATABASE :"name";'
  fi
  pg_ctl --wait --mode=fast stop
  trap - EXIT
fi
unset POSTGRES_PASSWORD
exec postgres -c listen_addresses='*' "${@:2}"
