#!/usr/bin/env bash
# Whether the old database, which was sealed at the cut-over, takes connections again: what is written there then is in nobody's database. Ends with 1 if it does; with 0
# if it is sealed, or gone. Hosts and names come from the environment.
set -euo pipefail
: "${SOURCE_HOSTS:?}" "${SOURCE_PORT:?}" "${SOURCE_USER:?}" "${SOURCE_DATABASE:?}"

# Never the database that is looked at: it takes nobody.
administration=postgres
if [[ $SOURCE_DATABASE == postgres ]]; then administration=template1; fi
export PGCONNECT_TIMEOUT=10 PGOPTIONS="-c default_transaction_read_only=on -c statement_timeout=10s"

for host in $SOURCE_HOSTS; do
  # By the old host name the new server may answer; it knows of the migration.
  found=$(psql -h "$host" -p "$SOURCE_PORT" -U "$SOURCE_USER" -d "$administration" -XAtq -v ON_ERROR_STOP=1 -v database="$SOURCE_DATABASE" <<'SQL'
SELECT CASE WHEN to_regnamespace('naytife_migration') IS NOT NULL THEN 'new'
            ELSE coalesce((SELECT CASE WHEN datallowconn THEN 'open' ELSE 'sealed' END FROM pg_database WHERE datname = :'database'), 'gone') END;
SQL
  ) || continue
  case $found in
  open)
    echo "the old database $SOURCE_DATABASE at $host takes connections, though the migration sealed it"
    exit 1
    ;;
  sealed | gone)
    echo "the old database $SOURCE_DATABASE at $host is $found"
    exit 0
    ;;
  esac
done
echo "no old server answers"
