"""Lab hosts: a libvirt daemon each, in network, mount, PID, IPC and UTS namespaces of its own.

A host that loses power loses all its processes in one moment and its cable; its folder stays.
"""

import asyncio
import shutil
import time
from pathlib import Path

from shuishan.base import pki, shell
from shuishan.lab import fabric, netns
from shuishan.lab.layout import LabLayout
from shuishan.model.errors import ShuishanError, Silent

READY_TIMEOUT_S = 30.0
_ENTER_S = 5.0
_INIT = Path(__file__).parent / "host-init.sh"

# uuids: a migration between two hosts of one uuid is refused as a move to itself.
_LIBVIRTD_CONF = """\
host_uuid = "{uuid}"
listen_tls = 1
listen_tcp = 0
listen_addr = "{address}"
auth_tls = "none"
tls_no_verify_certificate = 0
keepalive_interval = 2
keepalive_count = 3
max_clients = 200
"""

# stdio_handler: there is no virtlogd in a lab host. security_driver: no AppArmor profile fits namespaces.
_QEMU_CONF = """\
stdio_handler = "file"
security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
namespaces = [ ]
keepalive_interval = 2
keepalive_count = 3
migration_host = "{address}"
default_tls_x509_cert_dir = "/etc/pki/qemu"
default_tls_x509_verify = 1
"""


def running(layout: LabLayout, host: str) -> bool:
    """Is the host's power on?"""
    return bool(netns.pids(layout.host_netns(host)))


def off_on_purpose(layout: LabLayout, host: str) -> bool:
    """Was the host powered off by `power_off`, rather than by an accident of this machine?"""
    return _off_mark(layout, host).exists()


def _off_mark(layout: LabLayout, host: str) -> Path:
    return layout.host_dir(host) / "powered-off"


def make(layout: LabLayout, host: str, ca: pki.KeyPair) -> None:
    """Write what is on the host's disk: configuration and certificates."""
    etc = layout.host_dir(host) / "etc"
    address = layout.host_address(host)
    for part in ("etc", "etc.work", "var", "var.work"):
        (layout.host_dir(host) / part).mkdir(parents=True, exist_ok=True)
    (etc / "libvirt").mkdir(exist_ok=True)
    uuid = f"5b5a0000-0000-4000-8000-0000000000{layout.number(host):02x}"
    (etc / "libvirt/libvirtd.conf").write_text(_LIBVIRTD_CONF.format(uuid=uuid, address=address))
    (etc / "libvirt/qemu.conf").write_text(_QEMU_CONF.format(address=address))
    names = (f"{layout.host_address(each)} {each}" for each in layout.hosts)
    (etc / "hosts").write_text("\n".join(("127.0.0.1 localhost", *names, "")))
    (etc / "hostname").write_text(f"{host}\n")
    (etc / "resolv.conf").write_text("")  # no DNS in the lab, and no wait for one
    _write_certificates(etc / "pki", pki.new_leaf(ca, host, dns_names=(host,), addresses=(address,)), ca)


def _write_certificates(folder: Path, leaf: pki.KeyPair, ca: pki.KeyPair) -> None:
    """Put one certificate where libvirtd (as server and client) and QEMU look for theirs."""
    authorities = (folder / "CA/cacert.pem", folder / "qemu/ca-cert.pem")
    for path in authorities:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ca.certificate)
    for role in ("server", "client"):
        private = folder / "libvirt/private" / f"{role}key.pem"
        pki.write_pair(leaf, folder / "libvirt" / f"{role}cert.pem", private)
        pki.write_pair(leaf, folder / "qemu" / f"{role}-cert.pem", folder / "qemu" / f"{role}-key.pem")


async def power_on(layout: LabLayout, host: str) -> None:
    """Start the host and return once its libvirt daemon answers; a running host is left alone.

    The fabric and the host's folder must be there. Raises Silent when it does not answer in time.
    """
    _off_mark(layout, host).unlink(missing_ok=True)
    if running(layout, host):
        return
    name = layout.host_netns(host)
    await _plug(layout, host)
    shell.spawn(
        [
            *("ip", "netns", "exec", name, "unshare", "--mount", "--uts", "--ipc", "--pid", "--fork"),
            *("--kill-child", "--propagation", "private", "sh", _INIT, host, layout.host_dir(host)),
        ],
        log=layout.host_dir(host) / "console.log",
    )
    await _wait_ready(layout, host)


async def power_off(layout: LabLayout, host: str) -> None:
    """Cut the host's power: no more packets, then every process in it dies. Being off already is fine."""
    name = layout.host_netns(host)
    if not netns.exists(name):
        return
    _off_mark(layout, host).touch()
    port = layout.host_port(host)
    if await _has_port(layout, host):
        await fabric.set_port(layout, port, up=False)
    await netns.kill_all(name)


async def remove(layout: LabLayout, host: str) -> None:
    """Power off, take the network away, delete the folder; absent parts are fine."""
    await netns.remove(layout.host_netns(host))
    shutil.rmtree(layout.host_dir(host), ignore_errors=True)


async def answering(layout: LabLayout, host: str, *, timeout_s: float = 5.0) -> bool:
    """Does the host's libvirt daemon answer this machine over TLS?"""
    try:
        asked = ["virsh", "-q", "-c", layout.libvirt_uri(host), "hostname"]
        return (await shell.run(asked, timeout_s=timeout_s)).stdout.strip() == host
    except ShuishanError:
        return False


async def _plug(layout: LabLayout, host: str) -> None:
    """Bring the host's namespace, bridge and cable to where they are with power on."""
    name, port = layout.host_netns(host), layout.host_port(host)
    if not netns.exists(name):
        await netns.make(name)
    if not await _has_port(layout, host):
        mac = layout.mac(layout.host_address(host))
        await netns.configure(
            layout.fabric_netns,
            f"link add {port} type veth peer name eth0 netns {name}",
            f"link set {port} master {layout.fabric_bridge}",
        )
        await netns.configure(
            name,
            f"link add br0 address {mac} type bridge forward_delay 0",  # pinned: see fabric.up
            "link set eth0 master br0 up",
            f"address add {layout.host_address(host)}/24 dev br0",
            "link set br0 up",
            f"route add default via {layout.gateway_address}",
        )
    await fabric.set_port(layout, port, up=True)


async def _has_port(layout: LabLayout, host: str) -> bool:
    shown = ["ip", "-n", layout.fabric_netns, "link", "show", layout.host_port(host)]
    return (await shell.run(shown, timeout_s=10, check=False)).returncode == 0


async def _wait_ready(layout: LabLayout, host: str) -> None:
    began = time.monotonic()
    while not await answering(layout, host):
        waited_s = time.monotonic() - began
        # It takes a moment until the new process has entered its namespace.
        if waited_s > READY_TIMEOUT_S or (waited_s > _ENTER_S and not running(layout, host)):
            told = (layout.host_dir(host) / "console.log").read_text("utf-8", errors="replace")[-600:]
            raise Silent(
                f"libvirt on {host} gave no answer for {waited_s:.0f} s: {told}",
                subject=f"host/{host}",
            )
        await asyncio.sleep(0.1)
