#!/usr/bin/env bash
# Makes a minimal Debian with barman-cloud and the plugin's program into the plugin's sidecar image. mmdebstrap calls it with the root directory.
set -euo pipefail
root=$1

chmod 755 "$root/manager"
# The sidecar shares PostgreSQL's files, and so runs as the operand's user.
chroot "$root" groupadd --system --gid 26 postgres
chroot "$root" useradd --system --uid 26 --gid 26 --home-dir /var/lib/postgresql --shell /usr/sbin/nologin postgres
# Compiled now: its root is read-only later, and each segment that is archived starts a Python of its own.
chroot "$root" python3 -m compileall -q /usr/lib/python3 /usr/lib/python3.13 || true
# Whose mirror it came from is nobody's business in the image.
rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
