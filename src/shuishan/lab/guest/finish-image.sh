#!/bin/sh
# Last step inside the build: $1 is the guest's root directory, $2 the build directory.
# Drops in the recipe's files, runs its hooks in the guest, makes the initrd, takes the kernel out.
set -eu
root=$1
build=$2

cp -a "$build/files/." "$root/"
cp "$build/hooks.sh" "$root/tmp/hooks.sh"
chroot "$root" /bin/sh -eu /tmp/hooks.sh
rm "$root/tmp/hooks.sh"

# Keys and proxies of the machine that built the image are not the guest's business.
rm -rf "$root/etc/apt/auth.conf.d" "$root/etc/apt/apt.conf.d/99mmdebstrap"
mkdir -p "$root/etc/apt/auth.conf.d"

kernel=$(ls "$root/boot" | grep '^vmlinuz-' | sort -V | tail -n 1)
release=${kernel#vmlinuz-}
chroot "$root" depmod "$release"
initrd=$build/initrd
mkdir -p "$initrd/bin" "$initrd/dev" "$initrd/proc" "$initrd/sys" "$initrd/root" "$initrd/modules"
cp "$root/bin/busybox" "$initrd/bin/busybox"
cp "$build/init" "$initrd/init"
chmod 0755 "$initrd/init"
: > "$initrd/modules/order"
for module in $(cat "$build/modules"); do
    chroot "$root" modprobe -S "$release" --show-depends "$module" > "$build/depends"
    while read -r kind path _; do
        [ "$kind" = insmod ] || continue # "builtin": already in the kernel
        name=$(basename "$path")
        [ -e "$initrd/modules/$name" ] && continue
        cp "$root$path" "$initrd/modules/$name"
        echo "$name" >> "$initrd/modules/order"
    done < "$build/depends"
done
cp "$root/boot/$kernel" "$build/kernel"
rm -f "$root"/boot/initrd.img* "$root"/boot/System.map* "$root/boot/$kernel"
cp -a "$initrd" "$root/tmp/initrd"
chroot "$root" /bin/sh -c 'cd /tmp/initrd && find . | busybox cpio -o -H newc' > "$build/initrd.cpio"
rm -rf "$root/tmp/initrd" "$initrd"
