"""The guest image of the lab's hospital systems: one image, its role told at boot.

Boot by direct kernel boot with HOSPITAL_CMDLINE; the guest takes name, address, role and the
addresses of its peers from there. Sources of everything inside: the folder `guest/hospital`.
"""

from pathlib import Path

from shuishan.lab.images import ImageFile, ImageRecipe

_SOURCES = Path(__file__).parent / "guest" / "hospital"
_UNITS = ("guest-setup.service", "guest-agent.service", "his-db.service", "his-app.service")
_PROGRAMS = ("registration.py", "guest-setup.sh", "postgresql.conf", "pg_hba.conf", "his.sql")

# Fewer console lines, no self-tests, no waiting for hardware that is not there: seconds under emulation.
_FAST_BOOT = (
    "quiet loglevel=4 systemd.show_status=false audit=0 nowatchdog mitigations=off cryptomgr.notests "
    "random.trust_cpu=on rcupdate.rcu_expedited=1 tsc=reliable net.ifnames=0 panic=1"
)


def hospital_recipe() -> ImageRecipe:
    """Debian with PostgreSQL, the registration desk and the QEMU guest agent."""
    return ImageRecipe(
        name="hospital",
        packages=(
            *("systemd-sysv", "udev", "kmod", "iproute2"),
            *("postgresql-15", "python3-minimal", "python3-psycopg2", "qemu-guest-agent"),
        ),
        files=(
            *(ImageFile(f"/etc/systemd/system/{name}", _source(name)) for name in _UNITS),
            *(ImageFile(f"/opt/his/{name}", _source(name)) for name in _PROGRAMS),
        ),
        hooks=(_source("install.sh"),),
        # Loaded in the initrd, so that boot needs no search of the devices by udev.
        modules=("virtio_net", "virtio_console", "virtio_rng", "virtio_balloon"),
        kernel_package="linux-image-cloud-amd64",
        size_bytes=2 * 1024**3,
    )


# Filled in per VM. role: "db" or "app", any other boots without a service; address: IPv4 with prefix
# length; peers: `shuishan.peer.ROLE=IPV4` words, of which the app needs db.
HOSPITAL_CMDLINE = (
    "console={console} root=/dev/vda rw "
    + _FAST_BOOT
    + " shuishan.name={name} shuishan.role={role} shuishan.address={address}"
    + " shuishan.gateway={gateway} {peers}"
)


def _source(name: str) -> str:
    return (_SOURCES / name).read_text("utf-8")
