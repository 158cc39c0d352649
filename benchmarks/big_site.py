"""A seeded site of any size for the benchmarks: hosts in racks of eight, systems of four VMs."""

import random

from shuishan.model.site import (
    CareTier,
    DiskSpec,
    HostSpec,
    HostState,
    HostView,
    NicSpec,
    ProbeSpec,
    SiteView,
    SystemSpec,
    VmSpec,
    VmState,
    VmView,
)

GIB = 1024**3
_VMS_PER_SYSTEM = 4


def big_site(host_count: int, vm_count: int, *, seed: int, at_s: float) -> SiteView:
    """All VMs run, none on a host with one of its anti-affinity group, and memory is about 70 % full."""
    dice = random.Random(seed)
    hosts = tuple(_host(n, memory_gib=round(10 * vm_count / host_count)) for n in range(host_count))
    systems = tuple(_system(n, dice) for n in range(vm_count // _VMS_PER_SYSTEM))
    placed: dict[str, list[VmView]] = {host.name: [] for host in hosts}
    free_bytes = {host.name: host.memory_bytes for host in hosts}
    for system in systems:
        taken: set[str] = set()
        for vm in system.vms:
            choices = sorted((name for name in free_bytes if name not in taken), key=lambda n: -free_bytes[n])
            host = dice.choice(choices[: max(1, host_count // 4)])
            taken.add(host)
            free_bytes[host] -= vm.memory_bytes
            placed[host].append(
                VmView(
                    name=vm.name,
                    state=VmState.RUNNING,
                    cpu_count=vm.cpu_count,
                    memory_bytes=vm.memory_bytes,
                    system=system.name,
                )
            )
    seen = tuple(
        HostView(name=name, state=HostState.ANSWERING, seen_at_s=at_s, vms=tuple(vms))
        for name, vms in placed.items()
    )
    return SiteView(at_s=at_s, hosts=hosts, seen=seen, systems=systems)


def _host(number: int, *, memory_gib: int) -> HostSpec:
    return HostSpec(
        name=f"h{number:03}",
        rack=f"rack-{number // 8}",
        cpu_count=128,
        memory_bytes=memory_gib * GIB,
        libvirt_uri=f"sim://h{number:03}",
        migration_address="192.0.2.1",
    )


def _system(number: int, dice: random.Random) -> SystemSpec:
    name = f"s{number:04}"
    vms = tuple(
        VmSpec(
            name=f"{name}-{k}",
            cpu_count=dice.choice((1, 2, 4, 8)),
            memory_bytes=dice.choice((2, 4, 4, 8, 8, 16)) * GIB,
            disks=(DiskSpec(size_bytes=GIB, image="tiny"),),
            nics=(NicSpec(address="192.0.2.9/24"),),
            start_order=k,
        )
        for k in range(_VMS_PER_SYSTEM)
    )
    return SystemSpec(
        name=name,
        title={"en": name, "zh": name},
        care_tier=dice.choice(list(CareTier)),
        tolerance_s=30,
        vms=vms,
        anti_affinity=((vms[0].name, vms[1].name),),
        probe=ProbeSpec(url="http://192.0.2.9/"),
    )
