"""The hardware of a lab host: a QEMU guest with real disks, memory, cards and kernel to break.

The lab powers it on and off like a server; Shuishan only sees its sshd and its BMC.
"""

import asyncio
import os
import signal
import time
from pathlib import Path

from shuishan.base import shell
from shuishan.lab import cper
from shuishan.lab.chassis_devices import (
    DISK_BYTES,
    disks,
    qemu_argv,
    sockets,
)
from shuishan.lab.images import Image, make_overlay
from shuishan.lab.layout import LabLayout
from shuishan.lab.qmp import GuestOutput, guest_run
from shuishan.model.errors import Conflict, Silent

STOP_DEADLINE_S = 10


async def ensure_ssh_key(layout: LabLayout) -> Path:
    """Path of the lab's private SSH key, made now if there is none yet (mode 0600)."""
    await _ensure_key(layout.ssh_key, "lab")
    return layout.ssh_key


async def _ensure_key(path: Path, comment: str) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    await shell.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path], timeout_s=30)


def known_hosts(layout: LabLayout) -> Path:
    """Host keys of every chassis that was ever started in this lab, for strict checking."""
    return layout.pki_dir / "ssh_known_hosts"


class Chassis:
    """One chassis. Its state is the process and the files in `layout.chassis_dir(host)`."""

    def __init__(self, layout: LabLayout, host: str) -> None:
        self.layout = layout
        self.host = host
        self.folder = layout.chassis_dir(host)

    def pid(self) -> int | None:
        """Process id of its QEMU, or None when it is off."""
        try:
            pid = int((self.folder / "pid").read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        # The number may have been given to another process since.
        ours = f"chassis-{self.host}".encode() in words and str(self.folder).encode() in b" ".join(words)
        return pid if ours else None

    def running(self) -> bool:
        """Is its power on?"""
        return self.pid() is not None

    async def start(self, image: Image, accelerator: str = "tcg") -> None:
        """Power it on with a fresh system disk; data disks keep what they held.

        Raises Conflict when it is on already, EngineRefused when QEMU does not come up.
        """
        if self.running():
            raise Conflict(f"chassis of {self.host} is already on", subject=f"host/{self.host}")
        await self._prepare(image)
        argv = qemu_argv(self.layout, self.host, image, accelerator)
        shell.spawn(["ip", "netns", "exec", self.layout.fabric_netns, *argv], log=self.folder / "qemu.log")
        await self._until_qmp(deadline_s=20)

    async def wait_ready(self, timeout_s: float) -> None:
        """Return when its sshd answers a command. Raises Silent at the deadline."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if not self.running():
                raise Silent(f"chassis of {self.host} went off while booting", subject=f"host/{self.host}")
            if await _sshd_greets(self.layout.chassis_address(self.host)):
                done = await self.ssh("true", timeout_s=max(1.0, deadline - time.monotonic()), check=False)
                if done.returncode == 0:
                    return
            await asyncio.sleep(0.5)
        raise Silent(
            f"sshd of {self.host} did not answer within {timeout_s:g} s", subject=f"host/{self.host}"
        )

    async def stop(self) -> None:
        """Cut its power. Being off already is fine."""
        pid = self.pid()
        if pid is None:
            return
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + STOP_DEADLINE_S
        while self.running():
            if time.monotonic() > deadline:
                raise Silent(
                    f"QEMU of {self.host} did not end within {STOP_DEADLINE_S} s", subject=f"host/{self.host}"
                )
            await asyncio.sleep(0.05)

    async def ssh(self, script: str, *, timeout_s: float = 30, check: bool = True) -> shell.Completed:
        """Run a shell script in the guest as root, over the same door that Shuishan uses."""
        return await shell.run(
            [
                "ssh",
                *("-i", self.layout.ssh_key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"),
                *("-o", f"UserKnownHostsFile={known_hosts(self.layout)}", "-o", "StrictHostKeyChecking=yes"),
                *("-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR"),
                f"root@{self.layout.chassis_address(self.host)}",
                script,
            ],
            timeout_s=timeout_s,
            check=check,
        )

    async def agent(self, script: str, *, timeout_s: float = 30) -> GuestOutput:
        """Run a shell script in the guest through QEMU, past network and sshd."""
        return await guest_run(sockets(self.layout, self.host).agent, script, timeout_s=timeout_s)

    async def _prepare(self, image: Image) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for stale in ("pid", "qmp", "qga", "root.qcow2", "console.log", "ram"):
            (self.folder / stale).unlink(missing_ok=True)
        for each in disks(self.host):
            path = self.folder / f"{each.node}.raw"
            if not path.exists():
                path.touch()
                os.truncate(path, DISK_BYTES)
        (self.folder / "hest").write_bytes(cper.hest_body())
        await self._seed()
        await make_overlay(image, self.folder / "root.qcow2")

    async def _seed(self) -> None:
        """Write what makes this guest this chassis: its keys and its address."""
        key = await ensure_ssh_key(self.layout)
        seed = self.folder / "seed"
        host_key = seed / "ssh_host_key"
        await _ensure_key(host_key, self.host)
        (seed / "authorized_keys").write_text(key.with_suffix(".pub").read_text())
        (seed / "address").write_text(f"{self.layout.chassis_address(self.host)}/24")
        (seed / "gateway").write_text(self.layout.gateway_address)
        self._know(host_key.with_suffix(".pub").read_text())

    def _know(self, public_key: str) -> None:
        path = known_hosts(self.layout)
        line = f"{self.layout.chassis_address(self.host)} {' '.join(public_key.split()[:2])}"
        lines = path.read_text().splitlines() if path.exists() else []
        if line not in lines:
            address = line.split(maxsplit=1)[0]
            path.write_text("\n".join([*(x for x in lines if x.split()[0] != address), line]) + "\n")

    async def _until_qmp(self, deadline_s: float) -> None:
        deadline = time.monotonic() + deadline_s
        while not (self.running() and sockets(self.layout, self.host).qmp.exists()):
            if time.monotonic() > deadline:
                log = (self.folder / "qemu.log").read_text(errors="replace")[-600:]
                raise Silent(
                    f"QEMU of {self.host} did not come up within {deadline_s:g} s: {log}",
                    subject=f"host/{self.host}",
                )
            await asyncio.sleep(0.1)


async def _sshd_greets(address: str) -> bool:
    """Has sshd said its version? Far cheaper to ask than a whole SSH handshake."""
    try:
        async with asyncio.timeout(3):
            reader, writer = await asyncio.open_connection(address, 22)
            try:
                return (await reader.readline()).startswith(b"SSH-")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
