#!/usr/bin/env bash
# The first process of a node, started in namespaces of its own (mount, pid, network): it gives the node its view of the file
# system, waits for its network, and keeps its programs running. It reaps whatever is orphaned, as a first process must.
# When it is killed, the kernel removes every process, mount and interface of the node: that is how a node is taken down.
#
#   node.sh NODE_DIRECTORY STATE_ROOT ADDRESS
#
# NODE_DIRECTORY/bin/NAME    links to the programs
# NODE_DIRECTORY/units/NAME  scripts that become the node's programs; each is started again when it ends
set -euo pipefail

directory=$1
state_root=$2
address=$3

# unshare made all mounts private. /run, /var/lib and /var/log become the node's own; the machine's stay as they are.
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/bin /run/state /run/lock /run/netns /run/kernel
# The programs, before /var/lib changes: their cache could lie under it.
for link in "$directory"/bin/*; do
  touch "/run/bin/${link##*/}"
  mount --bind "$(readlink -f "$link")" "/run/bin/${link##*/}"
done
mount --bind "$state_root" /run/state
mount -t tmpfs -o mode=0755 tmpfs /var/lib
mkdir -p "$state_root"
mount --move /run/state "$state_root"
for place in kubelet containerd cni local-path-provisioner; do
  mkdir -p "/var/lib/$place" "$directory/$place"
  mount --bind "$directory/$place" "/var/lib/$place"
done
mkdir -p "$directory/log"
mount --bind "$directory/log" /var/log
# The kubelet sets these for the whole machine unless they already have the value that it wants: here they seem to.
tunables=(vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000)
for tunable in "${tunables[@]}"; do
  file="/run/kernel/${tunable//\//.}"
  echo "${tunable#*=}" >"$file"
  mount --bind "$file" "/proc/sys/${tunable%%=*}"
done
# Containers may ask for mounts that follow the node's: that takes a shared tree. It is shared with nothing outside the node.
mount --make-rshared /

# kube-proxy and CNI call iptables, which a user's PATH need not reach.
export PATH="/run/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin"
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
until ip -oneline -4 address show | grep -qF " $address/"; do sleep 0.05; done

# Keeps one program running, for ever.
supervise() {
  local unit=$1 name=${1##*/}
  while true; do
    "$unit" >>"/var/log/$name.log" 2>&1 || true
    echo "--- $(date --iso-8601=seconds) $name ended; starting it again ---" >>"/var/log/$name.log"
    sleep 0.5
  done
}
for unit in "$directory"/units/*; do
  : >"/var/log/${unit##*/}.log"
  supervise "$unit" &
done
while true; do wait -n || true; done
