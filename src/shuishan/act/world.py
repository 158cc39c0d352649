"""What deeds may touch. The app wires it; tests give simulators."""

from dataclasses import dataclass, replace
from typing import Protocol

from shuishan.base.cluster.port import Mover
from shuishan.base.compute.port import Compute
from shuishan.model.clock import Clock
from shuishan.model.errors import NotFound
from shuishan.model.site import HostSpec, HostState, HostView, VmSpec


class Ledger(Protocol):
    """What the site wants, as far as deeds change it."""

    def host_spec(self, name: str) -> HostSpec:
        """Raises NotFound."""
        ...

    def cordoned(self) -> frozenset[str]: ...
    def set_cordon(self, host: str, cordoned: bool, reason: str) -> None: ...
    def vm_spec(self, vm: str) -> VmSpec:
        """Raises NotFound."""
        ...

    def forget_system(self, name: str) -> None: ...


class WebProbe(Protocol):
    async def answers(self, url: str, *, timeout_s: float) -> bool:
        """True when `url` gives a 2xx answer in time."""
        ...


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Longest time a deed may take before it is called off. A move's grows with the VM's memory."""

    look_s: float = 10.0
    move_base_s: float = 60.0
    move_s_per_gib: float = 120.0
    stop_s: float = 60.0
    ready_s: float = 240.0

    def move_s(self, memory_bytes: int) -> float:
        return self.move_base_s + self.move_s_per_gib * memory_bytes / 1024**3


@dataclass(frozen=True, slots=True)
class World:
    compute: Compute
    mover: Mover
    ledger: Ledger
    web: WebProbe
    clock: Clock
    deadlines: Deadlines = Deadlines()
    seen: dict[str, HostView] | None = None  # None: every question asks the host anew

    def looking_once(self) -> "World":
        """The same world, in which each host is looked at once: a step's premises share one fresh look."""
        return replace(self, seen={})

    async def look(self, host: str) -> HostView:
        if self.seen is not None and host in self.seen:
            return self.seen[host]
        view = await self.compute.look(self.ledger.host_spec(host), timeout_s=self.deadlines.look_s)
        if self.seen is not None:
            self.seen[host] = view
        return view

    async def vm_memory_bytes(self, vm: str, *hosts: str) -> int:
        """As declared; what no system declares is moved like any other, as large as one of `hosts` shows it.

        Raises NotFound when none of them knows it either.
        """
        try:
            return self.ledger.vm_spec(vm).memory_bytes
        except NotFound:
            for host in hosts:
                for seen in (await self.look(host)).vms:
                    if seen.name == vm:
                        return seen.memory_bytes
            raise

    async def vm_state(self, vm: str, host: str) -> str | None:
        """State of `vm` on `host`: None when it is not defined there, "unknown" when the host is silent."""
        view = await self.look(host)
        if view.state is not HostState.ANSWERING:
            return "unknown"
        for seen in view.vms:
            if seen.name == vm:
                return seen.state.value
        return None


def absent(kind: str, name: str) -> NotFound:
    return NotFound(f"{kind} {name} is not known to this site", subject=f"{kind}/{name}")
