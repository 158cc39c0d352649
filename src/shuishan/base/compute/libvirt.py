"""Virtual machines on hosts that run libvirt with the QEMU driver.

libvirt's own calls block, so each host has a small thread pool; a host that stops answering holds up
nobody else. Keep-alive turns a dead peer into an error within seconds.
"""

import asyncio
import contextlib
import logging
import re
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit
from xml.etree import ElementTree

import libvirt

from shuishan.base.compute.libvirt_xml import domain_xml
from shuishan.base.compute.port import Moved, MoveProgress, OnProgress
from shuishan.base.storage.qcow2 import Qcow2Pool
from shuishan.model.clock import Clock
from shuishan.model.errors import EngineRefused, NotFound, Silent
from shuishan.model.site import HostSpec, HostState, HostView, VmSpec, VmState, VmView

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

_KEEPALIVE_INTERVAL_S = 2
_KEEPALIVE_COUNT = 3
_CALL_TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_S = 1.5
_ASK_AGAIN_S = 3.0
_CLEAR_UP_S = 5.0
_PORTS = {"qemu+tls": 16514, "qemu+tcp": 16509, "qemu+ssh": 22}

_STATES = {
    libvirt.VIR_DOMAIN_RUNNING: VmState.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: VmState.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: VmState.PAUSED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: VmState.PAUSED,
    libvirt.VIR_DOMAIN_SHUTDOWN: VmState.RUNNING,  # on its way down, still holding its disks
    libvirt.VIR_DOMAIN_SHUTOFF: VmState.SHUT_OFF,
    libvirt.VIR_DOMAIN_CRASHED: VmState.CRASHED,
}
_MOVE_FLAGS = (
    libvirt.VIR_MIGRATE_LIVE
    | libvirt.VIR_MIGRATE_PEER2PEER  # the hosts finish it even when we die
    | libvirt.VIR_MIGRATE_PERSIST_DEST
    | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
    | libvirt.VIR_MIGRATE_ABORT_ON_ERROR
    | libvirt.VIR_MIGRATE_UNSAFE  # shared folder: libvirt cannot see that both hosts reach the same file
)
_event_loop_started = threading.Lock()
_event_loop: threading.Thread | None = None


class LibvirtCompute:
    """Implements base.compute.port.Compute.

    migration_mib_per_s: 0 means as fast as the network allows
    migration_tls:       also encrypt the memory that travels; patients' data is in it
    """

    def __init__(
        self,
        pool: Qcow2Pool,
        clock: Clock,
        *,
        accelerator: str,
        bridge: str = "br0",
        migration_mib_per_s: int = 0,
        migration_tls: bool = True,
    ) -> None:
        _start_event_loop()
        self._pool = pool
        self._clock = clock
        self._accelerator = accelerator
        self._bridge = bridge
        self._migration_mib_per_s = migration_mib_per_s
        self._move_flags = _MOVE_FLAGS | (libvirt.VIR_MIGRATE_TLS if migration_tls else 0)
        self._threads: dict[str, ThreadPoolExecutor] = {}
        self._links: dict[str, libvirt.virConnect] = {}
        self._opening: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        # A link that died is kept: libvirt's event thread may still hold it, and freeing it then is a crash.
        self._dead: list[libvirt.virConnect] = []
        self._system_of: dict[str, str | None] = {}  # by UUID; asked once, for it never changes by itself
        self._looks: dict[str, asyncio.Future[tuple[VmView, ...]]] = {}

    async def look(self, host: HostSpec, *, timeout_s: float) -> HostView:
        try:
            vms = await self._look_once(host, timeout_s)
        except (Silent, EngineRefused) as cause:
            return HostView(
                name=host.name, state=HostState.SILENT, seen_at_s=self._clock.now_s(), reason=cause.message
            )
        return HostView(name=host.name, state=HostState.ANSWERING, seen_at_s=self._clock.now_s(), vms=vms)

    async def _look_once(self, host: HostSpec, timeout_s: float) -> tuple[VmView, ...]:
        """One question at a time: a host that does not answer is not asked again on top of it."""
        asked = self._looks.get(host.name)
        if asked is None or asked.done():
            asked = asyncio.ensure_future(self._call(host, self._list_vms))
            asked.add_done_callback(_retrieved)
            self._looks[host.name] = asked
        try:
            return await asyncio.wait_for(asyncio.shield(asked), timeout_s)
        except TimeoutError as cause:
            raise Silent(
                f"host {host.name}: libvirt gave no answer within {timeout_s:g} s",
                subject=f"host/{host.name}",
            ) from cause

    async def create(self, host: HostSpec, vm: VmSpec, system: str) -> None:
        image = self._pool.image(vm.disks[0].image)
        disks = [await self._pool.make(vm.name, disk) for disk in vm.disks]
        xml = domain_xml(vm, system, image, disks, accelerator=self._accelerator, bridge=self._bridge)
        domain = await self._call(host, lambda link: link.defineXML(xml))
        self._system_of.pop(domain.UUIDString(), None)

    async def start(self, host: HostSpec, vm: str) -> None:
        def start(link: libvirt.virConnect) -> None:
            domain = link.lookupByName(vm)
            if not domain.isActive():
                domain.create()

        await self._call(host, start)

    async def stop(self, host: HostSpec, vm: str, *, timeout_s: float) -> None:
        if not await self._call(host, lambda link: bool(link.lookupByName(vm).isActive())):
            return
        end_s = self._clock.now_s() + timeout_s
        ask_at_s = 0.0
        while self._clock.now_s() < end_s:
            if self._clock.now_s() >= ask_at_s:  # a guest that still boots hears only a later request
                await self._call(host, lambda link: _ask_to_shut_down(link.lookupByName(vm)))
                ask_at_s = self._clock.now_s() + _ASK_AGAIN_S
            if not await self._call(host, lambda link: bool(link.lookupByName(vm).isActive())):
                return
            await self._clock.sleep(0.2)
        await self._call(host, lambda link: _quietly(link.lookupByName(vm).destroy))

    async def remove(self, host: HostSpec, vm: str) -> None:
        def undefine(link: libvirt.virConnect) -> None:
            domain = link.lookupByName(vm)
            if domain.isActive():  # libvirt would let it run on without a definition
                raise EngineRefused(
                    f"host {host.name}: {vm} is running; stop it before it is removed", subject=f"vm/{vm}"
                )
            domain.undefine()

        with contextlib.suppress(NotFound):
            await self._call(host, undefine)
        self._pool.delete(vm)

    async def move(
        self, vm: str, source: HostSpec, target: HostSpec, *, timeout_s: float, on_progress: OnProgress | None
    ) -> Moved:
        params: dict[str, Any] = {}
        if self._migration_mib_per_s:
            params[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH] = self._migration_mib_per_s
        uri = f"qemu+tls://{target.migration_address}/system"

        def migrate(link: libvirt.virConnect) -> None:
            domain = link.lookupByName(vm)
            if not _job_running(domain):  # after our own restart one may be under way already
                domain.migrateToURI3(uri, params, self._move_flags)

        began_s = self._clock.now_s()
        migration = asyncio.ensure_future(self._call(source, migrate, timeout_s=timeout_s))
        try:
            while not migration.done():
                await asyncio.wait({migration}, timeout=0.1)
                if on_progress is not None and not migration.done():
                    await on_progress(await self._progress(source, vm, began_s))
            await self._finished(migration, vm, target)
            await self._await_arrival(vm, source, target, began_s + timeout_s)
        except (Silent, asyncio.CancelledError):
            await asyncio.shield(self._cancel_quietly(vm, source))
            raise
        return await self._measured(vm, target)

    async def cancel_move(self, vm: str, source: HostSpec) -> None:
        def abort(link: libvirt.virConnect) -> None:
            with contextlib.suppress(libvirt.libvirtError):
                link.lookupByName(vm).abortJob()

        with contextlib.suppress(NotFound):
            await self._call(source, abort)

    def close(self) -> None:
        for link in self._links.values():
            with contextlib.suppress(libvirt.libvirtError):
                link.close()
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)

    async def _finished(self, migration: "asyncio.Future[None]", vm: str, target: HostSpec) -> None:
        """Pass on the migration's error, unless the VM has arrived all the same.

        One that began before our own restart may end between our look and our command, which then finds
        no VM to move.
        """
        try:
            await migration
        except (EngineRefused, NotFound):
            if not await self._runs_on(vm, target):
                await self._until_gone(vm, target)
                raise

    async def _until_gone(self, vm: str, target: HostSpec) -> None:
        """The target of a failed migration clears up a moment later; whoever looks next must not see it."""
        end_s = self._clock.now_s() + _CLEAR_UP_S
        while self._clock.now_s() < end_s:
            view = await self.look(target, timeout_s=_CONNECT_TIMEOUT_S)
            if not any(seen.name == vm for seen in view.vms):  # also when the target gives no answer
                return
            await self._clock.sleep(0.2)

    async def _runs_on(self, vm: str, host: HostSpec) -> bool:
        view = await self.look(host, timeout_s=_CALL_TIMEOUT_S)
        return any(seen.name == vm and seen.state is VmState.RUNNING for seen in view.vms)

    async def _await_arrival(self, vm: str, source: HostSpec, target: HostSpec, end_s: float) -> None:
        """Wait for a migration that somebody else began (we, before a restart) to end either way."""

        def state(link: libvirt.virConnect) -> tuple[bool, bool]:
            try:
                domain = link.lookupByName(vm)
                return bool(domain.isActive()), _job_running(domain)
            except libvirt.libvirtError as cause:
                # It may leave between two of these questions; any other error is not its absence.
                if cause.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    raise
                return False, False

        while self._clock.now_s() < end_s:
            here, moving = await self._call(source, state)
            if not here:
                there, _ = await self._call(target, state)
                if there:
                    return
                raise EngineRefused(
                    f"{vm} runs neither on {source.name} nor on {target.name}", subject=f"vm/{vm}"
                )
            if not moving:
                raise EngineRefused(
                    f"the move of {vm} ended and it still runs on {source.name}", subject=f"vm/{vm}"
                )
            await self._clock.sleep(0.2)
        raise Silent(f"moving {vm} to {target.name} took longer than allowed", subject=f"vm/{vm}")

    async def _progress(self, source: HostSpec, vm: str, began_s: float) -> MoveProgress:
        def remaining(link: libvirt.virConnect) -> int | None:
            try:
                return link.lookupByName(vm).jobStats().get("data_remaining")
            except libvirt.libvirtError:
                return None

        left = None
        with contextlib.suppress(Silent, EngineRefused, NotFound):
            left = await self._call(source, remaining, timeout_s=2.0)
        return MoveProgress(remaining_bytes=left, elapsed_s=self._clock.now_s() - began_s)

    async def _measured(self, vm: str, target: HostSpec) -> Moved:
        """The finished migration's own figures; they travel with the VM to the target."""

        def stats(link: libvirt.virConnect) -> dict[str, Any]:
            flags = libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED | libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED
            try:
                return link.lookupByName(vm).jobStats(flags)
            except libvirt.libvirtError:
                return {}

        found = await self._call(target, stats)
        # downtime_net leaves out the clock difference between the two hosts where libvirt knows it
        downtime_ms = found.get("downtime_net", found.get("downtime"))
        return Moved(downtime_ms=downtime_ms, total_ms=found.get("time_elapsed"))

    async def _cancel_quietly(self, vm: str, source: HostSpec) -> None:
        with contextlib.suppress(Silent, EngineRefused):
            await self.cancel_move(vm, source)

    async def _call(
        self,
        host: HostSpec,
        work: Callable[[libvirt.virConnect], _T],
        *,
        timeout_s: float = _CALL_TIMEOUT_S,
    ) -> _T:
        """Run `work` with a live link to `host`, in that host's threads, within `timeout_s`."""
        threads = self._threads.setdefault(host.name, ThreadPoolExecutor(4, thread_name_prefix=host.name))
        future = asyncio.get_running_loop().run_in_executor(threads, self._with_link, host, work)
        try:
            return await asyncio.wait_for(future, timeout_s)
        except TimeoutError as cause:
            raise Silent(
                f"host {host.name}: libvirt gave no answer within {timeout_s:g} s",
                subject=f"host/{host.name}",
            ) from cause
        except libvirt.libvirtError as cause:
            raise _translated(cause, host) from cause

    def _list_vms(self, link: libvirt.virConnect) -> tuple[VmView, ...]:
        """All VMs of a host, in one round trip but for what is asked once per VM and for busy ones."""
        wanted = (
            libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_VCPU | libvirt.VIR_DOMAIN_STATS_BALLOON
        )
        # Without NOWAIT a VM that is just arriving would hold up the answer about all others.
        found = link.getAllDomainStats(wanted, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT)
        return tuple(sorted((self._view(*each) for each in found), key=lambda vm: vm.name))

    def _view(self, domain: libvirt.virDomain, stats: dict[str, Any]) -> VmView:
        uuid = domain.UUIDString()
        if uuid not in self._system_of:
            self._system_of[uuid] = _system_in(domain)
        return VmView(
            name=domain.name(),
            state=_STATES.get(stats.get("state.state", -1), VmState.UNKNOWN),
            cpu_count=int(stats.get("vcpu.maximum", 1)),
            memory_bytes=int(stats.get("balloon.maximum") or domain.maxMemory()) * 1024,
            system=self._system_of[uuid],
        )

    def _with_link(self, host: HostSpec, work: Callable[[libvirt.virConnect], _T]) -> _T:
        return work(self._link(host))

    def _link(self, host: HostSpec) -> libvirt.virConnect:
        with self._opening[host.name]:
            link = self._links.get(host.name)
            if link is not None and _alive(link):
                return link
            if link is not None:
                self._dead.append(self._links.pop(host.name))
            _check_reachable(host)
            link = libvirt.open(host.libvirt_uri)
            link.setKeepAlive(_KEEPALIVE_INTERVAL_S, _KEEPALIVE_COUNT)
            self._links[host.name] = link
            return link


def _check_reachable(host: HostSpec) -> None:
    """Raises Silent when nobody listens: libvirt's own connect would block for minutes on a dead host."""
    uri = urlsplit(host.libvirt_uri)
    if uri.hostname is None:
        return
    port = uri.port or _PORTS.get(uri.scheme, 16514)
    try:
        socket.create_connection((uri.hostname, port), timeout=_CONNECT_TIMEOUT_S).close()
    except OSError as cause:
        raise Silent(
            f"host {host.name}: nobody answers at {uri.hostname}:{port} ({cause})",
            subject=f"host/{host.name}",
        ) from cause


def _retrieved(done: "asyncio.Future[tuple[VmView, ...]]") -> None:
    """A look whose asker went away still ends; its error is nobody's any more."""
    if not done.cancelled():
        done.exception()


def _system_in(domain: libvirt.virDomain) -> str | None:
    """The system our metadata names; None for a VM that is not ours."""
    try:
        element = domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, "urn:shuishan:vm")
    except libvirt.libvirtError:
        return None
    return ElementTree.fromstring(element).get("system")


def _job_running(domain: libvirt.virDomain) -> bool:
    try:
        return domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE
    except libvirt.libvirtError:
        return False


def _alive(link: libvirt.virConnect) -> bool:
    try:
        return link.isAlive() == 1
    except libvirt.libvirtError:
        return False


def _ask_to_shut_down(domain: libvirt.virDomain) -> None:
    """Through the guest's agent where it has one, else by the power button, which small guests ignore."""
    for flag in (libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT, libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN):
        try:
            domain.shutdownFlags(flag)
        except libvirt.libvirtError:
            continue
        return


def _quietly(work: Callable[[], object]) -> None:
    """For calls whose wish may already have come true."""
    with contextlib.suppress(libvirt.libvirtError):
        work()


_SILENT_CODES = {
    libvirt.VIR_ERR_NO_CONNECT,
    libvirt.VIR_ERR_SYSTEM_ERROR,
    libvirt.VIR_ERR_RPC,
    libvirt.VIR_ERR_INVALID_CONN,
    libvirt.VIR_ERR_OPERATION_TIMEOUT,
}


def _translated(cause: libvirt.libvirtError, host: HostSpec) -> Exception:
    text = re.sub(r"\s+", " ", str(cause)).strip()
    code = cause.get_error_code()
    if code == libvirt.VIR_ERR_NO_DOMAIN:
        return NotFound(f"host {host.name}: {text}", subject=f"host/{host.name}")
    kind = Silent if code in _SILENT_CODES else EngineRefused
    return kind(f"host {host.name}: {text}", subject=f"host/{host.name}")


def _start_event_loop() -> None:
    """libvirt's keep-alive needs its event loop; one thread serves the whole process."""
    global _event_loop  # noqa: PLW0603  one per process by libvirt's design
    with _event_loop_started:
        if _event_loop is not None:
            return
        libvirt.registerErrorHandler(lambda _context, _error: None, None)  # we raise; it need not print
        libvirt.virEventRegisterDefaultImpl()
        _event_loop = threading.Thread(target=_run_event_loop, name="libvirt-events", daemon=True)
        _event_loop.start()


def _run_event_loop() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError:
            _log.warning("libvirt event loop", exc_info=True)
            time.sleep(0.5)
