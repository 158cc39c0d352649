"""What a site is made of, as declared (specs) and as last seen (views)."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from shuishan.model.word import Word

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
Arch = Literal["x86_64", "aarch64"]


class CareTier(StrEnum):
    """How near to a patient a system stands; policies and drills ask for it."""

    LIFE_CRITICAL = "life_critical"
    CORE = "core"  # HIS, EMR, LIS: the hospital stops without it
    SUPPORT = "support"
    TEST = "test"

    @property
    def rank(self) -> int:
        """0 is nearest to a patient."""
        return list(CareTier).index(self)


class HostSpec(Word):
    """A host as registered: where it is and how to reach its parts.

    libvirt_uri:     of its virtualization daemon
    chassis_address: SSH address of its operating system, where hardware is read
    bmc_url:         Redfish base URL, or None where it has no BMC
    """

    name: Name
    arch: Arch = "x86_64"
    rack: str
    cpu_count: int = Field(gt=0)
    memory_bytes: int = Field(gt=0)
    libvirt_uri: str
    migration_address: str
    chassis_address: str | None = None
    chassis_port: int = 22
    bmc_url: str | None = None


class HostState(StrEnum):
    """Whether the host's virtualization daemon answers. Silent is neither healthy nor dead."""

    ANSWERING = "answering"
    SILENT = "silent"
    NOT_ASKED = "not_asked"


class VmState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    SHUT_OFF = "shut_off"
    CRASHED = "crashed"
    UNKNOWN = "unknown"


class VmView(Word):
    """A VM as its host reports it."""

    name: str
    state: VmState
    cpu_count: int
    memory_bytes: int
    arch: Arch = "x86_64"
    system: str | None = None


class HostView(Word):
    """A host as last seen. `vms` is empty and meaningless unless state is ANSWERING."""

    name: str
    state: HostState
    seen_at_s: float
    vms: tuple[VmView, ...] = ()
    reason: str = ""  # why it is silent


class DiskSpec(Word):
    name: Name = "root"
    size_bytes: int = Field(gt=0)
    image: str  # name of a base image the site holds


class NicSpec(Word):
    network: Name = "lab"
    address: str  # IPv4 with prefix length, e.g. 10.77.0.31/24


class ProbeSpec(Word):
    """How to tell from outside that a system answers."""

    url: str
    timeout_s: float = Field(gt=0, default=2.0)
    interval_s: float = Field(gt=0, default=1.0)


class VmSpec(Word):
    """A VM as declared. start_order: lower starts first; equal ones together."""

    name: Name
    cpu_count: int = Field(gt=0, le=64)
    memory_bytes: int = Field(ge=64 * 1024**2)
    arch: Arch = "x86_64"
    disks: tuple[DiskSpec, ...] = Field(min_length=1)
    nics: tuple[NicSpec, ...] = Field(min_length=1)
    start_order: int = Field(ge=0, default=0)
    role: str = ""  # told to the guest at boot
    peers: dict[str, str] = Field(default_factory=dict)  # role -> address, told to the guest at boot
    ready_url: str | None = None  # answered 200 once the VM serves


class SystemSpec(Word):
    """A hospital system: what it is made of and how much interruption it bears.

    tolerance_s:   longest interruption the hospital bears before falling back to paper
    anti_affinity: groups of VM names that must not share a host
    """

    name: Name
    title: dict[Literal["en", "zh"], str]
    care_tier: CareTier
    tolerance_s: float = Field(gt=0)
    vms: tuple[VmSpec, ...] = Field(min_length=1)
    anti_affinity: tuple[tuple[str, ...], ...] = ()
    probe: ProbeSpec


class SiteView(Word):
    """Everything decide needs to know about the site at one moment."""

    at_s: float
    hosts: tuple[HostSpec, ...]
    seen: tuple[HostView, ...]
    systems: tuple[SystemSpec, ...]
    cordoned: frozenset[str] = frozenset()

    def view(self, host: str) -> HostView:
        """The view of `host`; a host never asked is NOT_ASKED."""
        for view in self.seen:
            if view.name == host:
                return view
        return HostView(name=host, state=HostState.NOT_ASKED, seen_at_s=self.at_s)

    def host_of(self, vm: str) -> str | None:
        """The host on which `vm` was seen running, else where it was seen paused, else None.

        While a VM moves, its target knows it too, as paused.
        """
        for state in (VmState.RUNNING, VmState.PAUSED):
            for view in self.seen:
                if any(seen.name == vm and seen.state is state for seen in view.vms):
                    return view.name
        return None

    def system_of(self, vm: str) -> SystemSpec | None:
        for system in self.systems:
            if any(spec.name == vm for spec in system.vms):
                return system
        return None
