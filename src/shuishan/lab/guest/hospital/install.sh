# Run inside the guest's root when its image is built.
cluster=/var/lib/postgresql/15/main
sql() { su postgres -s /bin/sh -c "/usr/lib/postgresql/15/bin/postgres --single -j -D $cluster -c config_file=/etc/postgresql/15/main/postgresql.conf $1"; }
cp /opt/his/postgresql.conf /etc/postgresql/15/main/conf.d/his.conf
cp /opt/his/pg_hba.conf /etc/postgresql/15/main/pg_hba.conf
sed -i 's/^ssl = on/ssl = off/' /etc/postgresql/15/main/postgresql.conf
echo "create role his login;" | sql postgres
echo "create database his owner his;" | sql postgres
sql his < /opt/his/his.sql

useradd --system --no-create-home --shell /usr/sbin/nologin his
python3 -m compileall -q /opt/his
ln -sf /run/hosts /etc/hosts
: > /etc/fstab
: > /etc/machine-id
systemctl enable guest-setup.service guest-agent.service his-db.service his-app.service
# What a VM with one task does not need; each costs tenths of a second of emulated boot.
systemctl mask systemd-udev-trigger.service systemd-udev-settle.service systemd-tmpfiles-clean.timer \
    systemd-random-seed.service systemd-update-utmp.service systemd-update-utmp-runlevel.service \
    systemd-sysusers.service systemd-journal-flush.service systemd-journal-catalog-update.service \
    systemd-user-sessions.service systemd-binfmt.service systemd-pstore.service modprobe@.service \
    systemd-modules-load.service systemd-hwdb-update.service systemd-update-done.service ldconfig.service \
    systemd-tmpfiles-setup-dev.service systemd-firstboot.service systemd-timesyncd.service \
    getty.target getty-static.service getty@.service serial-getty@.service console-getty.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer postgresql.service qemu-guest-agent.service networking.service \
    dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    sys-kernel-config.mount sys-fs-fuse-connections.mount kmod-static-nodes.service \
    systemd-machine-id-commit.service systemd-remount-fs.service systemd-sysctl.service
systemctl set-default multi-user.target
# The agent shuts a guest down by shutdown(8), which asks a login manager; there is none here.
rm -f /usr/sbin/shutdown
printf '#!/bin/sh\nexec /bin/systemctl poweroff\n' > /usr/sbin/shutdown
chmod 755 /usr/sbin/shutdown
