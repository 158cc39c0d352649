"""Small sites, findings and plan histories for the tests of decide."""

from collections.abc import Mapping, Sequence

from shuishan.model.finding import Blind, Diagnosis, Evidence, Finding, Severity
from shuishan.model.plan import Plan, PlanState, Receipt, StepState
from shuishan.model.signal import Source
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
from shuishan.model.status import PlanStatus
from shuishan.model.word import Text

MIB = 1024**2
NOW_S = 1_000_000.0


def host(name: str, *, rack: str = "a", memory_mib: int = 2048, cpu_count: int = 4) -> HostSpec:
    return HostSpec(
        name=name,
        rack=rack,
        cpu_count=cpu_count,
        memory_bytes=memory_mib * MIB,
        libvirt_uri=f"sim://{name}",
        migration_address="192.0.2.1",
    )


def vm(name: str, *, memory_mib: int = 512, start_order: int = 0, ready: bool = False) -> VmSpec:
    return VmSpec(
        name=name,
        cpu_count=1,
        memory_bytes=memory_mib * MIB,
        disks=(DiskSpec(size_bytes=MIB, image="tiny"),),
        nics=(NicSpec(address="192.0.2.9/24"),),
        start_order=start_order,
        ready_url="http://192.0.2.9/ready" if ready else None,
    )


def system(
    name: str,
    *vms: VmSpec,
    tier: CareTier = CareTier.CORE,
    apart: tuple[tuple[str, ...], ...] = (),
) -> SystemSpec:
    return SystemSpec(
        name=name,
        title={"en": name, "zh": name},
        care_tier=tier,
        tolerance_s=10,
        vms=vms,
        anti_affinity=apart,
        probe=ProbeSpec(url="http://192.0.2.9/"),
    )


HIS = system(
    "his",
    vm("his-db", start_order=0, ready=True),
    vm("his-app", start_order=1, ready=True),
)
HOSTS = (host("h1"), host("h2"), host("h3", rack="b"))


def site(
    where: Mapping[str, Sequence[str]],
    *,
    hosts: Sequence[HostSpec] = HOSTS,
    systems: Sequence[SystemSpec] = (HIS,),
    cordoned: Sequence[str] = (),
    silent: Sequence[str] = (),
    states: Mapping[str, VmState] | None = None,
) -> SiteView:
    """where: host -> names of VMs seen there; undeclared ones get 512 MiB."""
    specs = {spec.name: spec for one in systems for spec in one.vms}

    def view(name: str) -> VmView:
        spec = specs.get(name) or vm(name)
        return VmView(
            name=name,
            state=(states or {}).get(name, VmState.RUNNING),
            cpu_count=spec.cpu_count,
            memory_bytes=spec.memory_bytes,
        )

    return SiteView(
        at_s=NOW_S,
        hosts=tuple(hosts),
        seen=tuple(
            HostView(name=one.name, state=HostState.SILENT, seen_at_s=NOW_S, reason="no answer")
            if one.name in silent
            else HostView(
                name=one.name,
                state=HostState.ANSWERING,
                seen_at_s=NOW_S,
                vms=tuple(view(name) for name in where.get(one.name, ())),
            )
            for one in hosts
        ),
        systems=tuple(systems),
        cordoned=frozenset(cordoned),
    )


def finding(
    host_name: str = "h1",
    issue: str = "disk.nvme_spare_exhausted",
    *,
    component: str = "nvme0",
    severity: Severity = Severity.CRITICAL,
    probability: float = 0.98,
    horizon_s: float | None = 3 * 86400,
    predicted: bool = True,
    evacuate: bool = True,
) -> Finding:
    return Finding(
        id=f"{host_name}:{component}:{issue}",
        issue=issue,
        category=issue.split(".", maxsplit=1)[0],
        title=Text(en="spare blocks run out", zh="备用块即将耗尽"),
        host=host_name,
        component=component,
        severity=severity,
        probability=probability,
        horizon_s=horizon_s,
        predicted=predicted,
        evidence=(Evidence(source=Source.SMART, at_s=NOW_S, text="spare 8 %"),),
        advice=Text(en="replace it", zh="更换"),
        at_s=NOW_S,
        evacuate=evacuate,
    )


def pcie(host_name: str = "h1", *, probability: float = 0.9) -> Finding:
    """Correctable errors on one device: somebody should look, nobody has to leave."""
    return finding(
        host_name,
        "pcie.correctable_errors",
        component="0000:00:04.0",
        severity=Severity.WARNING,
        probability=probability,
        predicted=False,
        horizon_s=None,
        evacuate=False,
    )


def blind(host_name: str, source: Source = Source.BMC_SENSOR) -> Blind:
    return Blind(host=host_name, source=source, since_s=NOW_S - 60, reason="connection refused")


def diagnosis(*findings: Finding, blinds: Sequence[Blind] = ()) -> Diagnosis:
    return Diagnosis(at_s=NOW_S, findings=findings, blind=tuple(blinds))


def status(
    plan: Plan, state: PlanState, *, broke_at: str | None = None, ended_at_s: float = NOW_S
) -> PlanStatus:
    """broke_at: id of the step that failed."""
    receipts: list[Receipt] = []
    if broke_at is not None:
        for step in plan.steps:
            failed = step.id == broke_at
            receipts.append(
                Receipt(
                    plan=plan.id,
                    step=step.id,
                    state=StepState.FAILED if failed else StepState.UNDONE,
                    started_at_s=ended_at_s - 5,
                    ended_at_s=ended_at_s,
                )
            )
            if failed:
                break
    return PlanStatus(plan=plan, state=state, receipts=tuple(receipts))


def moves(plan: Plan) -> dict[str, str]:
    """VM -> target of every move."""
    return {s.params["vm"]: s.params["target"] for s in plan.steps if s.action == "vm.move"}


def deeds(plan: Plan) -> list[str]:
    """Each step as ``action vm-or-host``."""
    return [
        f"{s.action} {s.params.get('vm') or s.params.get('host') or s.params.get('system')}"
        for s in plan.steps
    ]
