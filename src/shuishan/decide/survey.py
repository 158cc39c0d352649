"""Look-ups over the site: which VM belongs to what, how near to a patient, and who has to leave a host."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shuishan.decide.room import Displaced, Guest
from shuishan.model.site import (
    CareTier,
    HostSpec,
    HostState,
    HostView,
    SiteView,
    SystemSpec,
    VmSpec,
    VmState,
    VmView,
)

# A VM of no declared system may be vital for all we know, so it ranks with the core ones.
UNKNOWN_RANK = CareTier.CORE.rank


@dataclass(frozen=True, slots=True)
class Survey:
    """Look-ups over one SiteView, each built once.

    system_of, spec_of: by VM name
    running_on:         VM name -> host, for VMs seen running
    """

    site: SiteView
    host_of_name: Mapping[str, HostSpec]
    view_of: Mapping[str, HostView]
    system_of: Mapping[str, SystemSpec]
    spec_of: Mapping[str, VmSpec]
    groups_of: Mapping[str, frozenset[str]]
    running_on: Mapping[str, str]

    @staticmethod
    def of(site: SiteView) -> "Survey":
        system_of = {vm.name: system for system in site.systems for vm in system.vms}
        spec_of = {vm.name: vm for system in site.systems for vm in system.vms}
        running_on = {
            vm.name: view.name
            for view in site.seen
            if view.state is HostState.ANSWERING
            for vm in view.vms
            if vm.state is VmState.RUNNING
        }
        return Survey(
            site=site,
            host_of_name={host.name: host for host in site.hosts},
            view_of={view.name: view for view in site.seen},
            system_of=system_of,
            spec_of=spec_of,
            groups_of=groups_by_vm(site.systems),
            running_on=running_on,
        )

    def view(self, host: str) -> HostView:
        return self.view_of.get(host) or self.site.view(host)

    def answers(self, host: str) -> bool:
        return self.view(host).state is HostState.ANSWERING

    def to_move(self, host: str) -> list[VmView]:
        """VMs that have to leave for the host to be empty: nearest to a patient first.

        A VM whose state is unknown counts: it may well run. One that is only arriving (it runs elsewhere)
        does not.
        """
        if not self.answers(host):
            return []
        leaving = (VmState.RUNNING, VmState.PAUSED, VmState.UNKNOWN)
        here = [
            vm
            for vm in self.view(host).vms
            if vm.state in leaving and self.running_on.get(vm.name, host) == host
        ]
        return sorted(here, key=lambda vm: (self.care_rank(vm.name), self.start_order(vm.name), vm.name))

    def care_rank(self, vm: str) -> int:
        system = self.system_of.get(vm)
        return UNKNOWN_RANK if system is None else system.care_tier.rank

    def start_order(self, vm: str) -> int:
        spec = self.spec_of.get(vm)
        return 0 if spec is None else spec.start_order

    def care_tier(self, host: str) -> CareTier | None:
        """The tier nearest to a patient among the declared systems that run there."""
        systems = (self.system_of.get(vm.name) for vm in self.to_move(host))
        tiers = [system.care_tier for system in systems if system is not None]
        return min(tiers, key=lambda tier: tier.rank) if tiers else None

    def guest(self, vm: VmView | VmSpec) -> Guest:
        system = self.system_of.get(vm.name)
        return Guest(
            vm=vm.name,
            memory_bytes=vm.memory_bytes,
            cpu_count=vm.cpu_count,
            arch=vm.arch,
            care_rank=self.care_rank(vm.name),
            start_order=self.start_order(vm.name),
            system=None if system is None else system.name,
            groups=self.groups_of.get(vm.name, frozenset()),
        )

    def displaced(self, vm: VmView, host: str) -> Displaced:
        return displaced(self.guest(vm), at=host)


def displaced(guest: Guest, *, at: str | None = None, only: str | None = None) -> Displaced:
    return Displaced(
        vm=guest.vm,
        memory_bytes=guest.memory_bytes,
        cpu_count=guest.cpu_count,
        arch=guest.arch,
        care_rank=guest.care_rank,
        start_order=guest.start_order,
        system=guest.system,
        groups=guest.groups,
        at=at,
        only=only,
    )


def groups_by_vm(systems: Iterable[SystemSpec]) -> dict[str, frozenset[str]]:
    """Anti-affinity groups by VM name; a group is named ``<system>/<number>``."""
    groups: dict[str, frozenset[str]] = {}
    for system in systems:
        for number, members in enumerate(system.anti_affinity):
            for vm in members:
                groups[vm] = groups.get(vm, frozenset()) | {f"{system.name}/{number}"}
    return groups
