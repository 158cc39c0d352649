"""What placement knows of VMs and hosts: needs on one side, room on the other. Pure data."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from shuishan.model.plan import Misfit
from shuishan.model.site import Arch
from shuishan.model.word import Text

ClosedFor = Literal["cordoned", "silent", "unhealthy", "blind", "leaving"]


@dataclass(frozen=True, slots=True)
class Guest:
    """A VM that takes room on a host.

    care_rank: 0 is nearest to a patient
    groups:    anti-affinity groups; two VMs of one group never share a host
    """

    vm: str
    memory_bytes: int
    cpu_count: int
    arch: Arch = "x86_64"
    care_rank: int = 1
    start_order: int = 0
    system: str | None = None
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Displaced(Guest):
    """A VM that needs a host.

    at:   where it is now; staying there costs nothing, if that host is open
    only: the one host that can take it (its disks are there), or None for any
    """

    at: str | None = None
    only: str | None = None


@dataclass(frozen=True, slots=True)
class Closed:
    """Why a host is no target."""

    kind: ClosedFor
    reason: Text


@dataclass(frozen=True, slots=True)
class Room:
    """A host as placement sees it.

    memory_bytes: what VMs may use in all, the host's own reserve already taken off
    cpu_limit:    virtual CPUs it may carry in all
    guests:       who takes room there already, without those that are being placed
    doubt:        0 for a host nothing speaks against; each further doubt makes it less welcome
    """

    host: str
    arch: Arch
    rack: str
    memory_bytes: int
    cpu_limit: int
    guests: tuple[Guest, ...] = ()
    closed: Closed | None = None
    doubt: int = 0
    memory_free_bytes: int = field(init=False)
    cpu_free: int = field(init=False)
    groups: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        used_bytes = sum(guest.memory_bytes for guest in self.guests)
        used_cpus = sum(guest.cpu_count for guest in self.guests)
        groups = frozenset(group for guest in self.guests for group in guest.groups)
        object.__setattr__(self, "memory_free_bytes", self.memory_bytes - used_bytes)
        object.__setattr__(self, "cpu_free", self.cpu_limit - used_cpus)
        object.__setattr__(self, "groups", groups)

    def admits(self, vm: Displaced) -> bool:
        """Whether `vm` could go there if it were the only one to be placed."""
        return (
            self.closed is None
            and vm.only in (None, self.host)
            and vm.arch == self.arch
            and vm.memory_bytes <= self.memory_free_bytes
            and vm.cpu_count <= self.cpu_free
            and not (vm.groups & self.groups)
        )


@dataclass(frozen=True, slots=True)
class Placement:
    """Where each VM goes; or, when not all fit, nobody goes anywhere and each misfit is explained.

    target: VM name -> host name; empty when there are misfits
    cost:   by the prices of the rules; only for comparing placements of one question
    proven: no cheaper placement exists, or with misfits: no complete one exists
    """

    target: dict[str, str]
    misfits: tuple[Misfit, ...] = ()
    cost: int = 0
    proven: bool = True


class Filling:
    """Rooms while VMs are being put into them; the only mutable thing in placement."""

    def __init__(self, rooms: Sequence[Room]) -> None:
        self.rooms = {room.host: room for room in rooms}
        self.memory_free_bytes = {room.host: room.memory_free_bytes for room in rooms}
        self.cpu_free = {room.host: room.cpu_free for room in rooms}
        self.groups = {room.host: set(room.groups) for room in rooms}
        self.added: dict[str, list[Displaced]] = {room.host: [] for room in rooms}

    def admits(self, vm: Displaced, host: str) -> bool:
        room = self.rooms[host]
        return (
            vm.memory_bytes <= self.memory_free_bytes[host]
            and vm.cpu_count <= self.cpu_free[host]
            and room.closed is None
            and room.arch == vm.arch
            and vm.only in (None, host)
            and self.groups[host].isdisjoint(vm.groups)
        )

    def put(self, vm: Displaced, host: str) -> None:
        self.memory_free_bytes[host] -= vm.memory_bytes
        self.cpu_free[host] -= vm.cpu_count
        self.groups[host] |= vm.groups
        self.added[host].append(vm)
