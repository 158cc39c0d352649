#!/bin/sh
# First service of a hospital VM: name and address as told on the kernel command line.
# By hand because it costs four processes; a network daemon costs seconds under emulation.
name=vm address= gateway=
for word in $(cat /proc/cmdline); do
    case $word in
        shuishan.name=*) name=${word#*=} ;;
        shuishan.address=*) address=${word#*=} ;;
        shuishan.gateway=*) gateway=${word#*=} ;;
        shuishan.peer.*) peer=${word#shuishan.peer.}; echo "${peer#*=} ${peer%%=*}" >> /run/peers ;;
    esac
done
echo "$name" > /proc/sys/kernel/hostname
{ echo "127.0.0.1 localhost $name"; cat /run/peers; } > /run/hosts 2> /dev/null

ip link set lo up
for path in /sys/class/net/*; do
    interface=${path##*/}
    [ "$interface" = lo ] && continue
    [ -n "$address" ] && ip address add "$address" dev "$interface"
    ip link set "$interface" up
    [ -n "$gateway" ] && ip route add default via "$gateway"
    break
done

# The links a full udev run would make; the guest agent looks for its port by name.
mkdir -p /dev/virtio-ports
for path in /sys/class/virtio-ports/*; do
    [ -e "$path/name" ] && read -r port < "$path/name" && ln -sf "../${path##*/}" "/dev/virtio-ports/$port"
done
exit 0
