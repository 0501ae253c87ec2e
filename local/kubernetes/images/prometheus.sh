#!/usr/bin/env bash
# Makes a minimal Debian with Prometheus and Alertmanager into the images of both. mmdebstrap calls it with the root directory.
set -euo pipefail
root=$1

# /bin is /usr/bin: there the images of the two have them.
ln -s prometheus-alertmanager "$root/usr/bin/alertmanager"
chroot "$root" install -d -o nobody -g nogroup /prometheus /alertmanager
rm -rf "$root"/var/lib/prometheus
rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
