# Reads the server's files once, so that they lie in the cache as far as there is room. In the container of PostgreSQL.
# shellcheck shell=bash
# What the server takes away meanwhile need not be read.
find "$PGDATA/base" -type f -exec cat {} + >/dev/null 2>&1 || true
sync
