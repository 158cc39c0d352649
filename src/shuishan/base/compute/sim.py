"""Simulated hosts and VMs behind the Compute port, on a simulated clock.

Hundreds of hosts and thousands of VMs cost nothing but memory. Everything random comes from one seed.
Faults are set at once (`fail`), at a time (`schedule`) or in the middle of the next move to a host
(`fail_next_move`). It knows nothing of disks and networks.
"""

import hashlib
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from shuishan.base.compute.port import Moved, MoveProgress, OnProgress
from shuishan.base.simclock import SimClock
from shuishan.model.errors import EngineRefused, NotFound, Silent
from shuishan.model.site import Arch, HostSpec, HostState, HostView, VmSpec, VmState, VmView

_SLICES = 20  # of a move: after each, progress is told and faults are looked for


class Fault(StrEnum):
    """What can be wrong with a simulated host."""

    NONE = "none"
    DEAD = "dead"  # power is gone, and with it every VM that ran there
    SILENT = "silent"  # the daemon gives no answer; VMs run on
    REFUSING = "refusing"  # it answers, and says no to every change


@dataclass(slots=True)
class _SimVm:
    name: str
    cpu_count: int
    memory_bytes: int
    arch: Arch
    system: str | None
    state: VmState

    def view(self) -> VmView:
        return VmView(
            name=self.name,
            state=self.state,
            cpu_count=self.cpu_count,
            memory_bytes=self.memory_bytes,
            arch=self.arch,
            system=self.system,
        )


@dataclass(slots=True)
class _SimHost:
    spec: HostSpec
    fault: Fault = Fault.NONE
    vms: dict[str, _SimVm] = field(default_factory=dict)


@dataclass(slots=True)
class _Move:
    vm: _SimVm
    leaving: _SimHost
    arriving: _SimHost
    cancelled: bool = False

    @property
    def target(self) -> str:
        return self.arriving.spec.name


class SimCompute:
    """The Compute port over simulated hosts.

    link_bytes_s: speed at which a move copies memory
    """

    def __init__(
        self,
        hosts: Iterable[HostSpec],
        *,
        clock: SimClock,
        seed: int = 1,
        link_bytes_s: float = 1024.0**3,
    ) -> None:
        self.clock = clock
        self._hosts = {spec.name: _SimHost(spec) for spec in hosts}
        self._random = random.Random(seed)
        self._link_bytes_s = link_bytes_s
        self._moves: dict[str, _Move] = {}
        self._schedule: list[tuple[float, str, Fault]] = []
        self._next_move: dict[str, tuple[float, Fault]] = {}

    # ---- what only a simulator can do

    def add(self, host: str, vm: VmView) -> None:
        """Put a VM on a host as it is, without taking time."""
        state = VmState.RUNNING if vm.state is VmState.UNKNOWN else vm.state
        self._hosts[host].vms[vm.name] = _SimVm(
            vm.name, vm.cpu_count, vm.memory_bytes, vm.arch, vm.system, state
        )

    def fail(self, host: str, fault: Fault) -> None:
        """From now on; `Fault.NONE` repairs. VMs of a dead host are shut off when it comes back."""
        here = self._hosts[host]
        here.fault = fault
        if fault is Fault.DEAD:
            for vm in here.vms.values():
                vm.state = VmState.SHUT_OFF

    def schedule(self, at_s: float, host: str, fault: Fault) -> None:
        """Let a fault begin at `at_s` of the simulated clock."""
        self._schedule.append((at_s, host, fault))
        self._schedule.sort(key=lambda entry: entry[0])

    def fail_next_move(self, target: str, fault: Fault, *, at_fraction: float = 0.5) -> None:
        """Let a fault begin when the next move to `target` has copied this much."""
        self._next_move[target] = (at_fraction, fault)

    def truth(self, state: VmState = VmState.RUNNING) -> list[tuple[str, str]]:
        """(vm, host) of every VM in `state`, whether or not its host answers; sorted."""
        self._settle()
        held = [(vm, host) for host in self._hosts.values() for vm in host.vms.values()]
        return sorted((vm.name, host.spec.name) for vm, host in held if vm.state is state)

    def fault(self, host: str) -> Fault:
        self._settle()
        return self._hosts[host].fault

    def digest(self) -> str:
        """SHA-256 over every host's fault and VMs, without time: equal states have equal digests."""
        self._settle()
        state = {
            name: {
                "fault": host.fault.value,
                "vms": {vm.name: vm.view().model_dump(mode="json") for vm in host.vms.values()},
            }
            for name, host in self._hosts.items()
        }
        return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()

    # ---- the Compute port

    async def look(self, host: HostSpec, *, timeout_s: float) -> HostView:
        self._settle()
        here = self._hosts.get(host.name)
        if here is None or here.fault in (Fault.DEAD, Fault.SILENT):
            await self.clock.sleep(timeout_s)
            return HostView(
                name=host.name,
                state=HostState.SILENT,
                seen_at_s=self.clock.now_s(),
                reason=f"no answer within {timeout_s:g} s",
            )
        # As libvirt does: while a VM arrives, its target shows a paused one of the same name.
        arriving = tuple(
            move.vm.view().model_copy(update={"state": VmState.PAUSED})
            for move in self._moves.values()
            if move.arriving is here
        )
        return HostView(
            name=host.name,
            state=HostState.ANSWERING,
            seen_at_s=self.clock.now_s(),
            vms=(*(vm.view() for vm in here.vms.values()), *arriving),
        )

    async def create(self, host: HostSpec, vm: VmSpec, system: str) -> None:
        here = self._ask(host)
        if vm.name not in here.vms:
            self._may_change(here)
            if vm.arch != here.spec.arch:
                raise EngineRefused(
                    f"{host.name} is {here.spec.arch} and cannot run {vm.name}, which is {vm.arch}",
                    subject=f"vm/{vm.name}",
                )
            here.vms[vm.name] = _SimVm(
                vm.name, vm.cpu_count, vm.memory_bytes, vm.arch, system, VmState.SHUT_OFF
            )

    async def start(self, host: HostSpec, vm: str) -> None:
        here = self._ask(host)
        there = self._vm(here, vm)
        if there.state is not VmState.RUNNING:
            self._may_change(here)
            self._fits(here, there)
            there.state = VmState.RUNNING

    async def stop(self, host: HostSpec, vm: str, *, timeout_s: float) -> None:
        here = self._ask(host)
        there = self._vm(here, vm)
        if there.state is VmState.SHUT_OFF:
            return
        self._may_change(here)
        await self.clock.sleep(min(2.0, timeout_s))
        there = self._vm(self._ask(host), vm)
        there.state = VmState.SHUT_OFF

    async def remove(self, host: HostSpec, vm: str) -> None:
        here = self._ask(host)
        there = here.vms.get(vm)
        if there is None:
            return
        self._may_change(here)
        if there.state is not VmState.SHUT_OFF:
            raise EngineRefused(
                f"{vm} on {host.name} is {there.state.value}; stop it before it is removed",
                subject=f"vm/{vm}",
            )
        del here.vms[vm]

    async def move(
        self, vm: str, source: HostSpec, target: HostSpec, *, timeout_s: float, on_progress: OnProgress | None
    ) -> Moved:
        leaving = self._ask(source)
        there = self._vm(leaving, vm)
        arriving = self._ask(target)
        self._may_change(leaving)
        self._may_change(arriving)
        self._may_move(there, leaving, arriving)
        self._fits(arriving, there)
        move = _Move(there, leaving, arriving)
        self._moves[vm] = move
        try:
            total_s = await self._copy(move, timeout_s, on_progress)
        finally:
            del self._moves[vm]
        del leaving.vms[vm]
        arriving.vms[vm] = there
        return Moved(downtime_ms=self._random.uniform(30.0, 250.0), total_ms=1000.0 * total_s)

    async def cancel_move(self, vm: str, source: HostSpec) -> None:
        self._ask(source)
        if vm in self._moves:
            self._moves[vm].cancelled = True

    # ---- how it works inside

    async def _copy(self, move: _Move, timeout_s: float, on_progress: OnProgress | None) -> float:
        """Let the move take its time; raises as soon as either side or the deadline ends it."""
        needed_s = 0.2 + move.vm.memory_bytes / self._link_bytes_s * self._random.uniform(1.0, 1.3)
        began_s = self.clock.now_s()
        planned = self._next_move.pop(move.target, None)
        for done in range(1, _SLICES + 1):
            await self.clock.sleep(needed_s / _SLICES)
            if planned is not None and done / _SLICES >= planned[0]:
                self.fail(move.target, planned[1])
                planned = None
            self._settle()
            elapsed_s = self.clock.now_s() - began_s
            _goes_on(move, elapsed_s, timeout_s)
            if on_progress is not None:
                left_bytes = move.vm.memory_bytes * (_SLICES - done) // _SLICES
                await on_progress(MoveProgress(remaining_bytes=left_bytes, elapsed_s=elapsed_s))
        return self.clock.now_s() - began_s

    def _settle(self) -> None:
        """Let scheduled faults whose time has come begin."""
        while self._schedule and self._schedule[0][0] <= self.clock.now_s():
            _, host, fault = self._schedule.pop(0)
            self.fail(host, fault)

    def _ask(self, host: HostSpec) -> _SimHost:
        self._settle()
        here = self._hosts.get(host.name)
        if here is None or here.fault in (Fault.DEAD, Fault.SILENT):
            raise Silent(f"{host.name} gives no answer", subject=f"host/{host.name}")
        return here

    @staticmethod
    def _may_change(host: _SimHost) -> None:
        if host.fault is Fault.REFUSING:
            raise EngineRefused(f"{host.spec.name} refuses every change", subject=f"host/{host.spec.name}")

    def _may_move(self, vm: _SimVm, leaving: _SimHost, arriving: _SimHost) -> None:
        source, target = leaving.spec.name, arriving.spec.name
        reason = None
        if source == target:
            reason = f"is on {source} already"
        elif vm.state is not VmState.RUNNING:
            reason = f"does not run on {source} but is {vm.state.value}"
        elif vm.name in self._moves:
            reason = f"is being moved to {self._moves[vm.name].target} already"
        elif vm.name in arriving.vms and arriving.vms[vm.name].state is not VmState.SHUT_OFF:
            reason = f"exists on {target} too and is {arriving.vms[vm.name].state.value} there"
        elif vm.arch != arriving.spec.arch:
            reason = f"is {vm.arch} and {target} is {arriving.spec.arch}"
        if reason is not None:
            raise EngineRefused(
                f"{vm.name} cannot be moved to {target}: it {reason}", subject=f"vm/{vm.name}"
            )

    @staticmethod
    def _vm(host: _SimHost, vm: str) -> _SimVm:
        if vm not in host.vms:
            raise NotFound(f"no VM {vm} on {host.spec.name}", subject=f"vm/{vm}")
        return host.vms[vm]

    def _fits(self, host: _SimHost, vm: _SimVm) -> None:
        """Raises when the host lacks the memory, counting VMs that are on their way to it."""
        used_bytes = sum(
            other.memory_bytes
            for other in host.vms.values()
            if other.state is not VmState.SHUT_OFF and other is not vm
        )
        used_bytes += sum(move.vm.memory_bytes for move in self._moves.values() if move.arriving is host)
        free_bytes = host.spec.memory_bytes - used_bytes
        if vm.memory_bytes > free_bytes:
            short_mib = (vm.memory_bytes - free_bytes) / 1024**2
            raise EngineRefused(
                f"{host.spec.name} cannot take {vm.name}: {short_mib:.0f} MiB of memory short",
                subject=f"vm/{vm.name}",
            )


def _goes_on(move: _Move, elapsed_s: float, timeout_s: float) -> None:
    """Raises when a move cannot go on: a side is gone, somebody cancelled it, or its time is up."""
    what, subject = f"moving {move.vm.name} to {move.target}", f"vm/{move.vm.name}"
    for side in (move.leaving, move.arriving):
        if side.fault in (Fault.DEAD, Fault.SILENT):
            raise Silent(f"{what}: {side.spec.name} gave no answer after {elapsed_s:.1f} s", subject=subject)
    if move.cancelled:
        raise EngineRefused(f"{what} was cancelled after {elapsed_s:.1f} s", subject=subject)
    if elapsed_s > timeout_s:
        raise Silent(f"{what}: not done after {timeout_s:g} s", subject=subject)
