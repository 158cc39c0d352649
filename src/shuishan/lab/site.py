"""A whole lab: bring it up, look at it, switch its hosts, take it down without a trace."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import ssl
from collections.abc import Coroutine, Generator
from pathlib import Path
from typing import Any, TypeVar

import httpx

from shuishan.base import pki
from shuishan.catalog.messages import say
from shuishan.lab import accelerator, fabric, hosts, leftovers, netns
from shuishan.lab.bmc.power import LabPower
from shuishan.lab.bmc.process import bmc_pid, certificate_files, start_bmc
from shuishan.lab.chassis import Chassis, ensure_ssh_key
from shuishan.lab.chassis_image import CHASSIS_RECIPE
from shuishan.lab.control import stop_server, write_control
from shuishan.lab.hospital import hospital_recipe
from shuishan.lab.images import Image, Progress, cached_image, ensure_image
from shuishan.lab.layout import LabLayout
from shuishan.model.errors import Conflict, NotAllowed, NotFound
from shuishan.model.word import Word

A = TypeVar("A")
B = TypeVar("B")

CHASSIS_TIMEOUT_S = 240.0
_TOOLS = (
    "ip",
    "libvirtd",
    "mke2fs",
    "mmdebstrap",
    "qemu-img",
    "qemu-system-x86_64",
    "ssh",
    "unshare",
    "virsh",
)


class HostStatus(Word):
    """One host of the lab as it stands. address: of its libvirt daemon."""

    name: str
    address: str
    powered_on: bool
    libvirt_answers: bool
    chassis_running: bool
    bmc_answers: bool


class LabStatus(Word):
    """present: some part of the lab is on this machine. complete: it was brought up to its end."""

    present: bool
    complete: bool
    hosts: tuple[HostStatus, ...]


class Lab:
    """One lab on this machine. Holds no state: every answer is read from the machine."""

    def __init__(self, layout: LabLayout | None = None) -> None:
        self.layout = layout or LabLayout()

    def hospital_image(self) -> Image:
        """Where the guest image of the hospital's VMs is, once the lab has been up."""
        return cached_image(hospital_recipe(), self.layout)

    async def up(self, progress: Progress) -> None:
        """Bring the whole lab up; a healthy one is left alone, the rest of a broken one cleared first.

        On any error or interruption everything that was begun is removed again.
        Raises Conflict when another lab command is at work or the subnet is in use, NotFound when a
        program is missing, NotAllowed without root.
        """
        _check_machine()
        with self._only_one():
            if await self._healthy():
                progress(say("lab.up.already"))
                return
            if leftovers.anything(self.layout):
                progress(say("lab.up.clearing"))
                await leftovers.clear(self.layout)
            if user := await leftovers.other_user_of(self.layout.subnet):
                raise Conflict(
                    f"interface {user} already uses {self.layout.subnet}.0/24, the lab's network",
                    subject=f"interface/{user}",
                )
            chassis, hospital = await _both(
                ensure_image(CHASSIS_RECIPE, self.layout, progress),
                ensure_image(hospital_recipe(), self.layout, progress),
            )
            try:
                await self._build(chassis, hospital, progress)
            except BaseException:  # also Ctrl-C: half a lab would be in the way of the next
                progress(say("lab.up.undone"))
                await leftovers.clear(self.layout)
                raise
        progress(say("lab.up.done", hosts=len(self.layout.hosts)))

    async def down(self, progress: Progress | None = None) -> None:
        """Remove every process, namespace, interface and file of the lab; the image cache stays."""
        with self._only_one():
            await stop_server(self.layout)
            await leftovers.clear(self.layout)
        if progress:
            progress(say("lab.down.done"))

    async def status(self) -> LabStatus:
        """What stands and answers now."""
        found = await asyncio.gather(*(self._host_status(host) for host in self.layout.hosts))
        return LabStatus(
            present=leftovers.anything(self.layout), complete=self._mark.exists(), hosts=tuple(found)
        )

    async def power_off(self, host: str) -> None:
        """Pull the power cord of a host: its VMs, its libvirt and its chassis end at once."""
        self._check_host(host)
        await LabPower(self.layout).off(host)

    async def power_on(self, host: str) -> None:
        """Give a host power again; returns when its libvirt answers, while its chassis still boots."""
        self._check_host(host)
        await LabPower(self.layout).on(host)

    async def _build(self, chassis_image: Image, hospital: Image, progress: Progress) -> None:
        layout = self.layout
        layout.root.mkdir(parents=True)
        layout.pool_dir.mkdir()
        ca = _make_authority(layout)
        await ensure_ssh_key(layout)
        for host in layout.hosts:
            hosts.make(layout, host, ca)
        progress(say("lab.up.hosts", hosts=len(layout.hosts)))
        await fabric.up(layout)
        _, best = await _both(
            _all(*(hosts.power_on(layout, host) for host in layout.hosts)),
            accelerator.best_accelerator(hospital.kernel),
        )
        progress(say("lab.up.chassis", accelerator=best.upper()))
        await start_bmc(layout)
        await _all(*(self._start_chassis(host, chassis_image) for host in layout.hosts))
        write_control(layout, hospital, best)
        self._mark.touch()

    async def _start_chassis(self, host: str, image: Image) -> None:
        # Always emulated: some of its faults are injected through TCG's own doors.
        chassis = Chassis(self.layout, host)
        await chassis.start(image, "tcg")
        await chassis.wait_ready(CHASSIS_TIMEOUT_S)

    async def _healthy(self) -> bool:
        """Is the lab as `up` would leave it, hosts that were switched off on purpose apart?"""
        if not (self._mark.exists() and netns.exists(self.layout.fabric_netns) and bmc_pid(self.layout)):
            return False
        return all(
            hosts.off_on_purpose(self.layout, host.name) or (host.libvirt_answers and host.chassis_running)
            for host in (await self.status()).hosts
        )

    async def _host_status(self, host: str) -> HostStatus:
        libvirt, bmc = await asyncio.gather(
            hosts.answering(self.layout, host), _bmc_answers(self.layout, host)
        )
        return HostStatus(
            name=host,
            address=self.layout.host_address(host),
            powered_on=hosts.running(self.layout, host),
            libvirt_answers=libvirt,
            chassis_running=Chassis(self.layout, host).running(),
            bmc_answers=bmc,
        )

    def _check_host(self, host: str) -> None:
        if host not in self.layout.hosts:
            known = ", ".join(self.layout.hosts)
            raise NotFound(f"there is no host {host} in the lab; it has {known}", subject=f"host/{host}")

    @property
    def _mark(self) -> Path:
        return self.layout.root / "complete"

    @contextlib.contextmanager
    def _only_one(self) -> Generator[None, None, None]:
        """Hold the lab's lock; it lies in the cache, for the lab's own folder comes and goes."""
        self.layout.cache.mkdir(parents=True, exist_ok=True)
        with (self.layout.cache / f"lab-{self.layout.prefix}.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as cause:
                raise Conflict(
                    "another lab command is at work; wait until it has ended", subject="lab"
                ) from cause
            yield


def _check_machine() -> None:
    if os.geteuid() != 0:
        raise NotAllowed("the lab makes network namespaces and needs root: run it with sudo", subject="lab")
    if missing := [tool for tool in _TOOLS if shutil.which(tool) is None]:
        raise NotFound(f"programs missing: {', '.join(missing)}; install them first", subject="lab")


def _make_authority(layout: LabLayout) -> pki.KeyPair:
    """Make the lab's CA, and this machine's own certificate to libvirt with it."""
    ca = pki.new_ca("Shuishan lab CA")
    pki.write_pair(ca, layout.pki_dir / "ca.crt", layout.pki_dir / "ca.key")
    client = layout.pki_dir / "client"
    pki.write_pair(pki.new_leaf(ca, "control"), client / "clientcert.pem", client / "clientkey.pem")
    (client / "cacert.pem").write_text(ca.certificate)
    return ca


async def _bmc_answers(layout: LabLayout, host: str) -> bool:
    try:
        trust = ssl.create_default_context(cafile=str(certificate_files(layout)[0]))
        async with httpx.AsyncClient(verify=trust, trust_env=False) as client:
            told = await client.get(f"https://{layout.bmc_address(host)}/redfish/v1/", timeout=3.0)
    except (httpx.HTTPError, OSError):
        return False
    return told.is_success


async def _all(*work: Coroutine[Any, Any, None]) -> None:
    """Do it all at once; the first error cancels the rest, waits for its end, and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def _both(first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """Results of two jobs done at once; errors as in `_all`."""
    try:
        async with asyncio.TaskGroup() as group:
            one, two = group.create_task(first), group.create_task(second)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return one.result(), two.result()
