#!/usr/bin/env bash
# Makes a minimal Debian with PgBouncer into CloudNativePG's pooler image. mmdebstrap calls it with the root directory.
set -euo pipefail
root=$1

# The operator starts /usr/bin/pgbouncer, as user 998 of group 996.
ln -s ../sbin/pgbouncer "$root/usr/bin/pgbouncer"
chroot "$root" groupadd --system --gid 996 pgbouncer
chroot "$root" useradd --system --uid 998 --gid 996 --home-dir /var/lib/pgbouncer --shell /usr/sbin/nologin pgbouncer
rm -rf "$root"/etc/pgbouncer/* "$root"/var/log/pgbouncer "$root"/var/run/pgbouncer
chroot "$root" install -d -o pgbouncer -g pgbouncer /etc/pgbouncer /var/log/pgbouncer /var/run/pgbouncer
rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
