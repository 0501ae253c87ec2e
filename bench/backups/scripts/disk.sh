# What the instance's volume does by itself: 256 MiB that do not compress, written from the cache to the disk, and read from the disk. In the container of PostgreSQL.
# shellcheck shell=bash
rm -rf "$SCRATCH"
mkdir -p "$SCRATCH"
head -c 268435456 /dev/urandom >"$SCRATCH/source"
sync
said begun
dd if="$SCRATCH/source" of="$SCRATCH/copy" bs=1M conv=fsync status=none
said written
# The kernel drops what it holds of the file; dd's own way to say so.
dd of="$SCRATCH/copy" oflag=nocache conv=notrunc,fdatasync count=0 status=none
said dropped
dd if="$SCRATCH/copy" of=/dev/null bs=1M status=none
said read
rm -rf "$SCRATCH"
