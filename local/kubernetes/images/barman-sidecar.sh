#!/usr/bin/env bash
# Makes a minimal Debian with barman-cloud and the plugin's program into the plugin's sidecar image. mmdebstrap calls it with the root directory.
set -euo pipefail
root=$1

chmod 755 "$root/manager"
# The sidecar shares PostgreSQL's files, and so runs as the operand's user.
chroot "$root" useradd --system --uid 26 --gid 26 --home-dir /var/lib/postgresql --shell /usr/sbin/nologin postgres
# Whose mirror it came from is nobody's business in the image.
rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
