#!/usr/bin/env bash
# Seeds the legacy database. Runs in a Job beside it, with /seed holding this file, the SQL and the plan of the rows.
# The rows are made by the server: each COPY pipe reads a query and feeds a table, STREAMS at a time.
#
#   seed.sh                       the whole seed, or nothing where a finished one is
#   seed.sh copy TABLE FROM TO    one chunk
#
# Lines for whoever follows the log: `step NAME`, `loaded TABLE ROWS`, `seeded`, `already`, `refused …`.
set -euo pipefail

: "${SEED:?}" "${SIZE:?}" "${ROWS:?}" "${STREAMS:=2}" "${SEED_DIRECTORY:=/seed}"
export PGAPPNAME=legacy-seed PGDATABASE=naytifedb SEED SIZE ROWS SEED_DIRECTORY
# Nothing of a throw-away load has to survive a crash half-way: it is redone.
export PGOPTIONS="-c synchronous_commit=off"

variables=(-v "seed=$SEED")
for row in $ROWS; do variables+=(-v "$row"); done
run() { psql -Xq -v ON_ERROR_STOP=1 "${variables[@]}" "$@"; }

columns() {
  case "$1" in
    products) echo "naytife_schema.products (id, shop_id, category_id, title, description, attributes, tags, created_at)" ;;
    variants) echo "naytife_schema.variants (id, product_id, sku, price, tax_rate, weight_grams, options)" ;;
    order_items) echo "naytife_schema.order_items (id, order_id, order_placed_at, variant_id, quantity, unit_price)" ;;
    hydra_*) echo "hydra.$1" ;;
    *) echo "naytife_schema.$1" ;;
  esac
}

if [[ "${1:-}" == copy ]]; then
  # xargs stops at once at 255, and only there.
  PGOPTIONS="$PGOPTIONS -c search_path=seed_generator,pg_catalog" run -v "from=$3" -v "to=$4" -f "$SEED_DIRECTORY/load-$2.sql" |
    run -c "COPY $(columns "$2") FROM STDIN" || exit 255
  echo "loaded $2 $(($4 - $3 + 1))"
  exit
fi

record() { psql -XAtq -v ON_ERROR_STOP=1 -d postgres -c "$1"; }
# A pod may be ready for a moment before its Service leads to it.
for _ in $(seq 60); do
  if record "SELECT" >/dev/null 2>&1; then break; fi
  sleep 0.5
done
record "SET client_min_messages = error;
  CREATE SCHEMA IF NOT EXISTS naytife_legacy;
  CREATE TABLE IF NOT EXISTS naytife_legacy.seed (size text NOT NULL, seed bigint NOT NULL, started_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz);"
case "$(record "SELECT CASE WHEN bool_and(finished_at IS NOT NULL) THEN 'finished' WHEN count(*) > 0 THEN 'half' END FROM naytife_legacy.seed")" in
  finished)
    echo already
    exit
    ;;
  half)
    echo "step dropping a seed that was never finished"
    psql -Xq -d postgres -f "$SEED_DIRECTORY/00-drop.sql"
    record "TRUNCATE naytife_legacy.seed"
    ;;
  *)
    if [[ "$(psql -XAtq -c "SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace::text NOT LIKE 'pg\\_%' AND relnamespace <> 'information_schema'::regnamespace")" != 0 ]]; then
      echo "refused naytifedb holds relations that no seed made; nothing was touched"
      exit 3
    fi
    ;;
esac
record "INSERT INTO naytife_legacy.seed (size, seed) VALUES ('$SIZE', $SEED)"

step() {
  echo "step $1"
  run -f "$SEED_DIRECTORY/$2"
}
step "roles and settings" 10-roles.sql
step extensions 20-extensions.sql
step "the shop's tables" 30-shop.sql
step "Hydra's tables" 31-hydra.sql
step "the generator of rows" 40-generator.sql
step "small tables" 50-small-tables.sql
echo "step rows"
xargs -P "$STREAMS" -n 3 bash "${BASH_SOURCE[0]}" copy <"$SEED_DIRECTORY/chunks"
step "indexes and foreign keys" 60-indexes.sql
step "what tools get wrong" 70-peculiar.sql
step "owners and grants" 80-security.sql
step "sequences and statistics" 90-finish.sql
record "UPDATE naytife_legacy.seed SET finished_at = now()"
echo seeded
