"""What is inside a chassis: an ordinary Debian server, small and quick to boot. Data only.

No key and no address is in the image: `chassis-seed` takes both from QEMU's fw_cfg at each boot.
"""

from shuishan.lab.images import ImageFile, ImageRecipe

_SEED = """\
#!/bin/sh
# Takes this chassis's identity from QEMU's fw_cfg: keys and address are the lab's, never the image's.
modprobe -a qemu_fw_cfg virtio_net
seed=/sys/firmware/qemu_fw_cfg/by_name/opt/shuishan
cat "$seed/ssh_host_key/raw" > /etc/ssh/ssh_host_ed25519_key
cat "$seed/authorized_keys/raw" > /root/.ssh/authorized_keys
chmod 600 /etc/ssh/ssh_host_ed25519_key /root/.ssh/authorized_keys
ip link set lo up
for card in /sys/class/net/*; do
  case "$(readlink "$card/device/driver")" in
    */virtio_net) [ "${card##*/}" = eno1 ] || ip link set "${card##*/}" name eno1 ;;
  esac
done
ip addr add "$(cat "$seed/address/raw")" dev eno1
ip link set eno1 up
ip route add default via "$(cat "$seed/gateway/raw")"
# Corrected machine checks are read by polling; the default of 300 s is longer than any wait of ours.
echo 1 > /sys/devices/system/machinecheck/machinecheck0/check_interval
"""

_SEED_UNIT = """\
[Unit]
Description=Identity of this chassis from fw_cfg
DefaultDependencies=no
After=systemd-remount-fs.service
Before=ssh.service systemd-udev-trigger.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/chassis-seed
"""

_SSHD = """\
UseDNS no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
HostKey /etc/ssh/ssh_host_ed25519_key
MaxStartups 50
MaxSessions 50
"""

# Modules of devices that a server's management never reads; loading each costs emulated time.
_UNWANTED_MODULES = (
    *("psmouse", "pcspkr", "iTCO_wdt", "i2c_i801", "lpc_ich", "joydev", "evdev", "serio_raw", "button"),
    *("pcc_cpufreq", "intel_rapl_msr", "intel_rapl_common", "rapl", "kvm_intel", "parport_pc", "floppy"),
    *("ghash_clmulni_intel", "sha512_ssse3", "aesni_intel", "crct10dif_pclmul", "crc32_pclmul", "sg"),
    *("ppdev", "mac_hid", "sr_mod", "ipmi_ssif", "acpi_ipmi", "skx_edac", "isst_if_mbox_msr"),
    *("intel_uncore_frequency", "nfit"),
)

_UNWANTED_UNITS = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer"),
    *("e2scrub_reap.service", "fstrim.timer", "systemd-tmpfiles-clean.timer", "getty.target"),
    *("getty@tty1.service", "serial-getty@ttyS0.service", "console-getty.service", "ipmievd.service"),
    *("nvmefc-boot-connections.service", "nvmf-autoconnect.service", "smartmontools.service"),
    *("uuidd.socket", "systemd-pstore.service", "systemd-timesyncd.service", "systemd-networkd.socket"),
    *("systemd-networkd.service", "systemd-network-generator.service", "systemd-sysusers.service"),
    *("systemd-update-utmp.service", "systemd-update-utmp-runlevel.service", "systemd-firstboot.service"),
    *("systemd-random-seed.service", "systemd-journal-flush.service", "systemd-binfmt.service"),
    *("systemd-boot-system-token.service", "kmod-static-nodes.service", "systemd-rfkill.socket"),
    *("dev-hugepages.mount", "dev-mqueue.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount"),
    *("sys-fs-fuse-connections.mount", "systemd-user-sessions.service", "systemd-logind.service"),
    *("dbus.service", "dbus.socket", "user@.service", "remote-fs.target", "systemd-sysext.service"),
    *("systemd-ask-password-wall.path", "systemd-ask-password-console.path", "systemd-initctl.socket"),
    *("systemd-fsckd.socket", "modprobe@.service", "systemd-hwdb-update.service"),
)

CHASSIS_RECIPE = ImageRecipe(
    name="chassis",
    packages=(
        *("systemd-sysv", "udev", "kmod", "dbus", "openssh-server", "qemu-guest-agent"),
        *("smartmontools", "nvme-cli", "ipmitool", "pciutils", "ethtool", "iproute2", "procps"),
    ),
    files=(
        ImageFile("/usr/local/sbin/chassis-seed", _SEED, 0o755),
        ImageFile("/etc/systemd/system/chassis-seed.service", _SEED_UNIT),
        ImageFile(
            "/etc/systemd/system/ssh.service.d/seed.conf",
            "[Unit]\nRequires=chassis-seed.service\nAfter=chassis-seed.service\n"
            "[Service]\nExecStartPre=\n",  # sshd reading its settings twice takes seconds here,
        ),
        ImageFile("/etc/ssh/sshd_config.d/chassis.conf", _SSHD),
        ImageFile(
            # Drivers would name it after a slot that exists only in QEMU.
            "/etc/systemd/network/10-data.link",
            "[Match]\nDriver=e1000\n\n[Link]\nName=ens1f0\n",
        ),
        ImageFile(
            # A data link is up on a server in use; a down one would show no link loss.
            "/etc/udev/rules.d/90-data-up.rules",
            'ACTION=="add", SUBSYSTEM=="net", DRIVERS=="e1000", RUN+="/bin/ip link set ens1f0 up"\n',
        ),
        ImageFile(
            "/etc/systemd/journald.conf.d/chassis.conf",
            "[Journal]\nStorage=volatile\nRuntimeMaxUse=32M\nRateLimitBurst=0\n",
        ),
        ImageFile("/etc/modules-load.d/ipmi.conf", "ipmi_si\nipmi_devintf\n"),
        ImageFile(
            "/etc/modprobe.d/chassis.conf", "".join(f"blacklist {name}\n" for name in _UNWANTED_MODULES)
        ),
        ImageFile("/etc/fstab", "/dev/vda / ext4 rw,noatime 0 0\n"),
    ),
    hooks=(
        "rm -f /etc/ssh/ssh_host_*",
        "install -d -m 700 /root/.ssh",
        f"systemctl mask {' '.join(_UNWANTED_UNITS)}",
        "systemctl enable ssh.service qemu-guest-agent.service",
        "systemctl set-default multi-user.target",
        "echo uninitialized > /etc/machine-id",
    ),
    modules=("virtio_net",),
    kernel_package="linux-image-amd64",
    size_bytes=1536 * 1024**2,
)
