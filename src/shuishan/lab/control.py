"""The lab's own control plane: its site file, its certificates, and the server process."""

import asyncio
import os
import signal
import ssl
import sys
import time
from pathlib import Path

import httpx
import yaml

from shuishan.app.settings import (
    BmcAccess,
    Compute,
    Listen,
    Periods,
    SiteFile,
    SshAccess,
    write_site_file,
)
from shuishan.base import shell
from shuishan.base.pki import new_leaf, read_pair, write_pair
from shuishan.base.storage.qcow2 import GuestImage
from shuishan.lab.bmc.process import certificate_files, password_file
from shuishan.lab.chassis import known_hosts
from shuishan.lab.hospital import HOSPITAL_CMDLINE
from shuishan.lab.images import Image
from shuishan.lab.layout import HOST_CPU_COUNT, HOST_MEMORY_BYTES, RACKS, LabLayout
from shuishan.model.clock import SystemClock, until
from shuishan.model.errors import Silent
from shuishan.model.site import HostSpec

API_PORT = 8443
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0


def site_path(layout: LabLayout) -> Path:
    return layout.control_dir / "site.yaml"


def client_path(layout: LabLayout) -> Path:
    """Where the command line finds the lab's API, its token and its CA."""
    return layout.control_dir / "client.yaml"


def write_control(layout: LabLayout, hospital: Image, accelerator: str) -> SiteFile:
    """Write what the server and the command line need to look after this lab."""
    layout.control_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    certificate, key = layout.control_dir / "api.crt", layout.control_dir / "api.key"
    authority = read_pair(ca_file(layout), layout.pki_dir / "ca.key")
    write_pair(new_leaf(authority, "api", dns_names=["localhost"], addresses=["127.0.0.1"]), certificate, key)
    site = site_file(
        layout,
        hospital,
        accelerator,
        Listen(port=API_PORT, cert_file=certificate, key_file=key, ca_file=ca_file(layout)),
    )
    write_site_file(site, site_path(layout))
    client = {
        "url": f"https://127.0.0.1:{API_PORT}",
        "token_file": str(layout.control_dir / "state" / "admin.token"),
        "ca_file": str(ca_file(layout)),
    }
    client_path(layout).write_text(yaml.safe_dump(client, sort_keys=False), "utf-8")
    return site


def ca_file(layout: LabLayout) -> Path:
    return layout.pki_dir / "ca.crt"


def site_file(layout: LabLayout, hospital: Image, accelerator: str, listen: Listen) -> SiteFile:
    """The lab as a site. Pure."""
    image = GuestImage(
        disk=hospital.disk, kernel=hospital.kernel, initrd=hospital.initrd, cmdline=HOSPITAL_CMDLINE
    )
    return SiteFile(
        name="lab",
        state_dir=layout.control_dir / "state",
        listen=listen,
        hosts=tuple(_host(layout, name) for name in layout.hosts),
        ssh=SshAccess(key_file=layout.ssh_key, known_hosts=known_hosts(layout)),
        bmc=BmcAccess(
            user="admin", password_file=password_file(layout), ca_file=certificate_files(layout)[0]
        ),
        compute=Compute(
            accelerator="kvm" if accelerator == "kvm" else "tcg",
            pool_dir=layout.pool_dir,
            images={"hospital": image},
        ),
        # A story is told in seconds, so the lab looks more often than a hospital needs to.
        periods=Periods(
            turn_s=1.0, look_timeout_s=3.0, smart_s=3.0, bmc_s=2.0, edac_s=5.0, stale_s=45.0, window_s=3600.0
        ),
    )


def _host(layout: LabLayout, name: str) -> HostSpec:
    return HostSpec(
        name=name,
        rack=RACKS[name],
        cpu_count=HOST_CPU_COUNT,
        memory_bytes=HOST_MEMORY_BYTES,
        libvirt_uri=layout.libvirt_uri(name),
        migration_address=layout.host_address(name),
        chassis_address=layout.chassis_address(name),
        bmc_url=f"https://{layout.bmc_address(name)}",
    )


def server_pid(layout: LabLayout) -> int | None:
    """The running server's process, or None."""
    try:
        pid = int((layout.control_dir / "state" / "server.pid").read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if b"server" in words and str(site_path(layout)).encode() in words else None


async def start_server(layout: LabLayout) -> int:
    """Start the server in the background and wait until it answers; a running one is left alone."""
    if server_pid(layout) is None:
        log = layout.control_dir / "server.log"
        command = [Path(sys.executable).parent / "shuishan", "server", "--site", site_path(layout)]
        shell.spawn(command, log=log)
    await wait_for_api(layout)
    pid = server_pid(layout)
    if pid is None:
        raise Silent("the server answered and was gone again", subject="server")
    return pid


async def wait_for_api(layout: LabLayout) -> None:
    """Return once the API answers; raises Silent with the end of the server's log."""
    end_s = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < end_s:
        if await answers(layout):
            return
        await asyncio.sleep(0.2)
    log = layout.control_dir / "server.log"
    tail = log.read_text("utf-8", errors="replace")[-800:] if log.exists() else "no log"
    raise Silent(f"the server gave no answer within {_START_TIMEOUT_S:g} s: {tail}", subject="server")


async def answers(layout: LabLayout) -> bool:
    """Does the lab's API answer? Needs no token."""
    try:
        trust = ssl.create_default_context(cafile=str(ca_file(layout)))
        async with httpx.AsyncClient(verify=trust, trust_env=False) as client:
            response = await client.get(f"https://127.0.0.1:{API_PORT}/healthz", timeout=2.0)
    except (httpx.HTTPError, OSError):
        return False
    return response.is_success


async def stop_server(layout: LabLayout) -> None:
    """Ask the server to stop; one that does not is killed (its plans go on at the next start)."""
    pid = server_pid(layout)
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    try:
        await until(
            lambda: server_pid(layout) != pid,
            deadline_s=_STOP_TIMEOUT_S,
            clock=SystemClock(),
            why="the server stops",
        )
    except Silent:
        await kill_server(layout)


async def kill_server(layout: LabLayout) -> None:
    """SIGKILL, as a power cut would: nothing is tidied up."""
    pid = server_pid(layout)
    if pid is None:
        return
    os.kill(pid, signal.SIGKILL)
    await until(
        lambda: server_pid(layout) != pid, deadline_s=10, clock=SystemClock(), why="the killed server ends"
    )
