#!/usr/bin/env bash
# Makes a minimal Debian with PostgreSQL into CloudNativePG's operand image. mmdebstrap calls it with the root directory.
set -euo pipefail
root=$1

chroot "$root" localedef -i en_US -f UTF-8 en_US.UTF-8
# Debian's packages have made a cluster and a user of Debian's choice; the operand has none, and runs as 26.
rm -rf "$root"/var/lib/postgresql/* "$root"/etc/postgresql/*
chroot "$root" usermod --uid 26 postgres
chroot "$root" chown -R postgres:postgres /var/lib/postgresql /var/run/postgresql /etc/postgresql /var/log/postgresql
# Whose mirror it came from is nobody's business in the image.
rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
