#!/bin/sh
# First process of a lab host: $1 its name, $2 its folder. When it dies, everything in the host dies
# at once, as when a power cord is pulled; what is under the folder stays, as on a host's disk.
set -eu
name=$1
folder=$2
hostname "$name"
for part in etc var; do
    mount -t overlay overlay -o "lowerdir=/$part,upperdir=$folder/$part,workdir=$folder/$part.work" "/$part"
done
# Empty, so that no socket or lock of this machine or of another host is met.
mount -t tmpfs run /run
mkdir -p /run/lock /run/libvirt
mount -t tmpfs shm /dev/shm
chmod 1777 /dev/shm
mount -t proc proc /proc
# libvirt would share one cgroup tree between all hosts; without one it does without.
if [ -d /sys/fs/cgroup ]; then mount -t tmpfs none /sys/fs/cgroup; fi

# Started again when it ends, as systemd does on a real host.
while :; do
    libvirtd --listen || true
    sleep 1
done
