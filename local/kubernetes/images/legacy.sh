#!/usr/bin/env bash
# Makes a minimal Debian with PostgreSQL 15 into a stand-in for Docker's postgres:15. mmdebstrap calls it with the root directory.
set -euo pipefail
root=$1

chroot "$root" localedef -i en_US -f UTF-8 en_US.UTF-8
rm -rf "$root"/var/lib/postgresql/* "$root"/etc/postgresql/*
# Docker's image has its postgres at 999.
chroot "$root" usermod --uid 999 postgres
chroot "$root" groupmod --gid 999 postgres
chroot "$root" install -d -o postgres -g postgres -m 1777 /var/lib/postgresql/data
chroot "$root" chown -R postgres:postgres /var/lib/postgresql /var/log/postgresql
install -m 0755 "$(dirname "$0")/legacy-entrypoint.sh" "$root/usr/local/bin/docker-entrypoint.sh"
rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
