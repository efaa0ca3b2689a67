#!/bin/sh
# PID 1 of a machine of the lab: gives it a host name, a /run and an /etc of its own, then runs its Docker Engine.
# Killing this process is a power cut: the kernel takes everything in the PID namespace with it.
# usage: node-init.sh HOSTNAME LABDIR HOMEDIR dockerd-arguments…
set -eu
hostname=$1 lab=$2 home=$3
shift 3

echo "$hostname" >/proc/sys/kernel/hostname
mount --make-rprivate /

# This mount namespace holds a copy of every mount of the host. Another lab's tmpfs would stay in memory for as
# long as this machine runs, long after that lab was removed.
for other in "${lab%/*}"/*; do
  if [ "$other" != "$lab" ] && mountpoint -q "$other"; then umount -l "$other"; fi
done

# resolv.conf is often a link into /run, which is about to be covered.
resolver=$(readlink -m /etc/resolv.conf)
servers=$(cat "$resolver" 2>/dev/null || true)
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock
case $resolver in
/run/*)
  mkdir -p "${resolver%/*}"
  echo "$servers" >"$resolver"
  ;;
esac

# The engine keeps its identity in /etc/docker: shared, several engines would be one. containerd makes a directory
# in /opt. Both stay inside the lab by an overlay.
for dir in etc opt; do
  mkdir -p "$home/$dir/upper" "$home/$dir/work"
  mount -t overlay -o "lowerdir=/$dir,upperdir=$home/$dir/upper,workdir=$home/$dir/work" "lab-$dir" "/$dir"
done
echo "$hostname" >/etc/hostname
# As Debian's installer writes it. Without it programs ask name servers for the machine's own name, and a lab has
# none in reach: 10 s at each start of such a program.
printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n::1\tlocalhost ip6-localhost ip6-loopback\n' "$hostname" >/etc/hosts
# A daemon.json of the host's engine would contradict our flags.
rm -f /etc/docker/daemon.json

# The shell stays as PID 1 to reap the shims' orphans, and starts an engine that has ended again, as a service manager
# does. One that ends at once ends the machine: its flags are wrong.
seconds() { cut -d. -f1 /proc/uptime; }
while :; do
  began=$(seconds)
  dockerd "$@" &
  wait $! || true
  [ $(($(seconds) - began)) -ge 2 ] || exit 1
done
