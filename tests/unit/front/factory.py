"""A realistic story made of model values: h1's NVMe drive runs out of spare, HIS moves, nobody notices."""

from shuishan.model.finding import Blind, Diagnosis, Dismissed, Evidence, Finding, Severity
from shuishan.model.plan import Consent, Misfit, Plan, PlanState, Premise, Receipt, Step, StepState
from shuishan.model.proof import Claim, Pause, ProbeSummary, Proof, Verdict
from shuishan.model.signal import Source
from shuishan.model.site import (
    CareTier,
    DiskSpec,
    HostSpec,
    HostState,
    HostView,
    NicSpec,
    ProbeSpec,
    SystemSpec,
    VmSpec,
    VmState,
    VmView,
)
from shuishan.model.status import (
    Condition,
    HostStatus,
    PlanStatus,
    Report,
    SiteStatus,
    SystemStatus,
    VmStatus,
)
from shuishan.model.timeline import Entry, Room
from shuishan.model.word import Text

T0 = 1_795_400_000.0  # 2026-11-22 21:33:20 UTC, the first sign
GIB = 1024**3
MIB = 1024**2


def both(en: str, zh: str) -> Text:
    return Text(en=en, zh=zh)


def host_spec(name: str, rack: str) -> HostSpec:
    number = int(name[1:])
    return HostSpec(
        name=name,
        rack=rack,
        cpu_count=4,
        memory_bytes=4 * GIB,
        libvirt_uri=f"qemu+tls://10.77.0.{10 + number}/system",
        migration_address=f"10.77.0.{10 + number}",
        chassis_address=f"10.77.0.{110 + number}",
        bmc_url=f"https://10.77.0.{210 + number}",
    )


def vm_view(name: str, memory_mib: int = 384) -> VmView:
    return VmView(
        name=name,
        state=VmState.RUNNING,
        cpu_count=1,
        memory_bytes=memory_mib * MIB,
        system=name.split("-", maxsplit=1)[0],
    )


def condition(kind: str, status: str, reason: str, text: Text) -> Condition:
    return Condition.model_validate({"type": kind, "status": status, "reason": reason, "message": text})


def host_status(
    name: str, rack: str, vms: tuple[str, ...], *, failing: bool = False, blind: bool = False
) -> HostStatus:
    spec = host_spec(name, rack)
    healthy = (
        condition(
            "healthy", "false", "failing", both("nvme0 runs out of spare blocks", "nvme0 备用块即将耗尽")
        )
        if failing
        else condition("healthy", "true", "quiet", both("No finding", "未发现问题"))
    )
    return HostStatus(
        spec=spec,
        seen=HostView(
            name=name, state=HostState.ANSWERING, seen_at_s=T0 + 30, vms=tuple(vm_view(vm) for vm in vms)
        ),
        cordoned=failing,
        conditions=(
            condition("answering", "true", "answered", both("libvirt answers", "libvirt 正常应答")),
            healthy,
            condition(
                "schedulable",
                "false" if failing else "true",
                "cordoned" if failing else "open",
                both("Cordoned: takes no VM", "已隔离：不再接收虚拟机")
                if failing
                else both("May take VMs", "可接收虚拟机"),
            ),
        ),
        blind=(Blind(host=name, source=Source.BMC_SENSOR, since_s=T0 - 60, reason="BMC answers not"),)
        if blind
        else (),
        findings=("disk.nvme_spare_exhausted@h1/nvme0",) if failing else (),
    )


def vm_spec(name: str, number: int) -> VmSpec:
    return VmSpec(
        name=name,
        cpu_count=1,
        memory_bytes=384 * MIB,
        disks=(DiskSpec(size_bytes=4 * GIB, image="debian-12"),),
        nics=(NicSpec(address=f"10.77.0.{number}/24"),),
        start_order=number - 31,
    )


def system_spec() -> SystemSpec:
    return SystemSpec(
        name="his",
        title={"en": "Hospital information system", "zh": "医院信息系统"},
        care_tier=CareTier.CORE,
        tolerance_s=30,
        vms=(vm_spec("his-db", 31), vm_spec("his-app", 32)),
        probe=ProbeSpec(url="http://10.77.0.32:8080/visits", interval_s=0.1),
    )


def probe_summary(lost: int = 0) -> ProbeSummary:
    return ProbeSummary(
        system="his",
        from_s=T0 - 5,
        to_s=T0 + 28,
        asked=331,
        answered=331 - lost,
        lost=lost,
        latency_p50_ms=6.2,
        latency_max_ms=214.7,
    )


def system_status() -> SystemStatus:
    return SystemStatus(
        spec=system_spec(),
        generation=1,
        observed_generation=1,
        vms=(
            VmStatus(name="his-db", host="h3", state=VmState.RUNNING),
            VmStatus(name="his-app", host="h2", state=VmState.RUNNING),
        ),
        conditions=(condition("serving", "true", "answered", both("HIS answers", "HIS 正常应答")),),
        probe=probe_summary(),
    )


def evidence(at_s: float, text: str, source: Source = Source.KERNEL_LOG, count: int = 1) -> Evidence:
    return Evidence(source=source, at_s=at_s, text=text, origin="ssh://10.77.0.111", count=count)


def finding() -> Finding:
    return Finding(
        id="disk.nvme_spare_exhausted@h1/nvme0",
        issue="disk.nvme_spare_exhausted",
        category="disk",
        title=both("NVMe drive runs out of spare blocks", "NVMe 固态盘备用块即将耗尽"),
        host="h1",
        component="nvme0",
        severity=Severity.CRITICAL,
        probability=0.98,
        horizon_s=3 * 86400.0,
        predicted=True,
        evidence=(
            evidence(
                T0, "nvme nvme0: controller reports critical warning 0x01: available spare below threshold"
            ),
            evidence(T0 + 0.6, "available spare 8 % is below its threshold of 10 %", Source.SMART),
            evidence(T0 + 0.6, "percentage used 97 %", Source.SMART),
            evidence(
                T0 + 0.9, "blk_update_request: critical medium error, dev nvme0n1, sector 20480", count=4
            ),
        ),
        against=(evidence(T0 + 0.6, "media and data integrity errors: 0", Source.SMART),),
        advice=both(
            "Move what runs on h1, then replace nvme0. Keep the host cordoned until the new drive is in.",
            "请先迁走 h1 上的业务，再更换 nvme0；新盘就位前请保持该主机隔离。",
        ),
        at_s=T0 + 1.1,
        evacuate=True,
    )


def dismissed() -> Dismissed:
    return Dismissed(
        host="h2",
        component="usb1",
        issue="benign.usb_reset",
        reason=both("A USB reset at boot is normal", "启动时的 USB 复位属正常现象"),
        evidence=(evidence(T0 - 40, "usb 1-1: reset high-speed USB device number 2 using xhci_hcd"),),
        at_s=T0 - 40,
    )


def diagnosis() -> Diagnosis:
    return Diagnosis(
        at_s=T0 + 1.1,
        findings=(finding(),),
        dismissed=(dismissed(),),
        blind=(
            Blind(host="h2", source=Source.BMC_SENSOR, since_s=T0 - 60, reason="BMC gave no answer in 5 s"),
        ),
    )


def move(number: int, vm: str, target: str, seconds: int) -> Step:
    return Step(
        id=f"s{number}",
        action="vm.move",
        params={"vm": vm, "source": "h1", "target": target},
        premises=(Premise(fact="vm_on_host", params={"vm": vm, "host": "h1"}),),
        text=both(f"move {vm} h1 → {target} ~{seconds} s", f"迁移 {vm} h1 → {target} 约 {seconds} 秒"),
        undo_text=both("move back", "迁回"),
    )


def plan() -> Plan:
    return Plan(
        id="7f3c1a90be",
        at_s=T0 + 1.4,
        subject="host/h1",
        title=both("Empty h1 before nvme0 fails", "在 nvme0 失效前腾空 h1"),
        because=("disk.nvme_spare_exhausted@h1/nvme0",),
        steps=(
            Step(
                id="s1",
                action="host.cordon",
                params={"host": "h1"},
                text=both("cordon h1", "隔离 h1"),
                undo_text=both("uncordon", "解除隔离"),
            ),
            move(2, "his-db", "h3", 12),
            move(3, "his-app", "h2", 9),
        ),
        consent=Consent.AUTOMATIC,
        orders=(
            both(
                "Order one NVMe drive for h1 (nvme0, 1.92 TB) and replace it within 3 days",
                "请为 h1 订购一块 NVMe 固态盘（nvme0，1.92 TB），并于 3 天内更换",
            ),
        ),
    )


def receipts() -> tuple[Receipt, ...]:
    def done(step: str, start: float, end: float, measured: dict[str, float]) -> Receipt:
        return Receipt(
            plan="7f3c1a90be",
            step=step,
            state=StepState.DONE,
            started_at_s=T0 + start,
            ended_at_s=T0 + end,
            measured=measured,
        )

    return (
        done("s1", 1.5, 1.6, {}),
        done("s2", 1.7, 13.9, {"downtime_ms": 210.4, "total_ms": 12_180.0}),
        done("s3", 14.0, 22.8, {"downtime_ms": 96.1, "total_ms": 8_760.0}),
    )


def pauses() -> tuple[Pause, ...]:
    return (
        Pause(vm="his-db", source="h1", target="h3", downtime_ms=210.4, total_ms=12_180.0),
        Pause(vm="his-app", source="h1", target="h2", downtime_ms=96.1, total_ms=8_760.0),
    )


def proof() -> Proof:
    def held(id: str, subject: str, text: Text) -> Claim:
        return Claim(id=id, subject=subject, verdict=Verdict.HELD, text=text)

    return Proof(
        plan="7f3c1a90be",
        at_s=T0 + 25,
        verdict=Verdict.HELD,
        claims=(
            held("host_empty", "host/h1", both("No VM runs on h1 any more", "h1 上已无运行中的虚拟机")),
            held("vm_runs_once", "vm/his-db", both("his-db runs once, on h3", "his-db 仅在 h3 上运行一份")),
            held(
                "vm_runs_once", "vm/his-app", both("his-app runs once, on h2", "his-app 仅在 h2 上运行一份")
            ),
            held(
                "system_answered",
                "system/his",
                both("HIS answered 331 of 331 requests", "HIS 应答了 331 次请求中的 331 次"),
            ),
        ),
        pauses=pauses(),
        probes=(probe_summary(),),
    )


def plan_status() -> PlanStatus:
    return PlanStatus(plan=plan(), state=PlanState.DONE, receipts=receipts(), proof=proof())


def proposed(subject: str = "host/h2") -> PlanStatus:
    """A plan that waits for an operator's yes."""
    return PlanStatus(
        plan=Plan(
            id="aa11bb22cc",
            at_s=T0 + 100,
            subject=subject,
            title=both("Drain h2", "腾空 h2"),
            because=(),
            steps=(
                Step(
                    id="s1",
                    action="host.cordon",
                    params={"host": "h2"},
                    text=both("cordon h2", "隔离 h2"),
                    undo_text=both("uncordon", "解除隔离"),
                ),
                Step(
                    id="s2",
                    action="vm.move",
                    params={"vm": "his-app", "source": "h2", "target": "h3"},
                    text=both("move his-app h2 → h3 ~9 s", "迁移 his-app h2 → h3 约 9 秒"),
                    undo_text=both("move back", "迁回"),
                ),
            ),
            consent=Consent.OPERATOR,
        ),
        state=PlanState.PROPOSED,
    )


def misfit_plan() -> PlanStatus:
    """A plan that explains what does not fit."""
    return PlanStatus(
        plan=Plan(
            id="dd44ee55ff",
            at_s=T0 + 1.4,
            subject="host/h1",
            title=both("Empty h1 before nvme0 fails", "在 nvme0 失效前腾空 h1"),
            because=("disk.nvme_spare_exhausted@h1/nvme0",),
            steps=(),
            misfits=(
                Misfit(
                    vm="his-db",
                    needs=both("3.0 GiB of memory, x86_64", "3.0 GiB 内存，x86_64"),
                    nearest_host="h3",
                    nearest_miss=both(
                        "h3 has 2.2 GiB free, 0.8 GiB too little", "h3 空闲 2.2 GiB，还差 0.8 GiB"
                    ),
                    would_help=both(
                        "Uncordon h2, or stop a test system on h3", "解除 h2 的隔离，或停用 h3 上的测试系统"
                    ),
                ),
            ),
            consent=Consent.AUTOMATIC,
        ),
        state=PlanState.REFUSED,
    )


def timeline() -> tuple[Entry, ...]:
    told: list[tuple[float, Room, str, Text]] = [
        (-0.8, Room.LAB, "host/h1", both("nvme0 of c1 loses its spare blocks", "c1 的 nvme0 开始丢失备用块")),
        (
            0.0,
            Room.SENSE,
            "host/h1",
            both("Kernel log of h1: nvme0 critical warning 0x01", "h1 内核日志：nvme0 严重告警 0x01"),
        ),
        (
            0.6,
            Room.SENSE,
            "host/h1",
            both("SMART of nvme0: spare 8 %, threshold 10 %", "nvme0 的 SMART：备用块 8 %，阈值 10 %"),
        ),
        (
            1.1,
            Room.DIAGNOSE,
            "host/h1",
            both(
                "nvme0 runs out of spare blocks: 98 % sure, about 3 days left",
                "nvme0 备用块即将耗尽：把握 98 %，约余 3 天",
            ),
        ),
        (
            1.4,
            Room.DECIDE,
            "host/h1",
            both(
                "Plan 7f3c: cordon h1, move his-db and his-app", "方案 7f3c：隔离 h1，迁移 his-db 与 his-app"
            ),
        ),
        (1.6, Room.ACT, "host/h1", both("h1 is cordoned", "h1 已隔离")),
        (1.7, Room.ACT, "vm/his-db", both("Moving his-db to h3", "正在将 his-db 迁往 h3")),
        (
            13.9,
            Room.ACT,
            "vm/his-db",
            both("his-db runs on h3; it paused 210 ms", "his-db 已在 h3 运行；停顿 210 毫秒"),
        ),
        (14.0, Room.ACT, "vm/his-app", both("Moving his-app to h2", "正在将 his-app 迁往 h2")),
        (
            22.8,
            Room.ACT,
            "vm/his-app",
            both("his-app runs on h2; it paused 96 ms", "his-app 已在 h2 运行；停顿 96 毫秒"),
        ),
        (
            25.0,
            Room.PROVE,
            "host/h1",
            both("h1 is empty; HIS answered 331 of 331 requests", "h1 已腾空；HIS 应答 331/331 次请求"),
        ),
        (25.1, Room.PEOPLE, "host/h1", both("Order: replace nvme0 of h1", "工单：更换 h1 的 nvme0")),
    ]
    return tuple(
        Entry(seq=seq, at_s=T0 + at, room=room, subject=subject, text=text, refs={"plan": "7f3c1a90be"})
        for seq, (at, room, subject, text) in enumerate(told, start=1)
    )


def hosts() -> tuple[HostStatus, ...]:
    return (
        host_status("h1", "A1", (), failing=True),
        host_status("h2", "A2", ("his-app", "lis-app"), blind=True),
        host_status("h3", "B1", ("his-db",)),
    )


def report(**changes: object) -> Report:
    made = Report(
        site="lab",
        version="0.1.0",
        made_at_s=T0 + 30,
        title=both(
            "h1 lost its NVMe drive's spare; HIS moved in time", "h1 的 NVMe 备用块耗尽，HIS 已及时迁走"
        ),
        verdict=both(
            "A drive of host h1 is about to fail; both HIS servers were moved away within 23 s, "
            "and not one of 331 requests was lost.",
            "主机 h1 的固态盘即将失效；HIS 的两台虚拟机已在 23 秒内迁走，331 次请求无一丢失。",
        ),
        hosts=hosts(),
        systems=(system_status(),),
        diagnosis=diagnosis(),
        plans=(plan_status(),),
        pauses=pauses(),
        probes=(probe_summary(),),
        timeline=timeline(),
        placement_before={"his-db": "h1", "his-app": "h1", "lis-app": "h2"},
        placement_after={"his-db": "h3", "his-app": "h2", "lis-app": "h2"},
        digest="9a1f0c62d4b7e8351f6a2d90c4be77813a5d0e9f2b6c48d17e30f59ab2c4d681",
    )
    return made.model_copy(update=changes)


def site() -> SiteStatus:
    return SiteStatus(
        name="lab",
        version="0.1.0",
        at_s=T0 + 30,
        turn=42,
        turn_ms=38.5,
        hosts=hosts(),
        systems=(system_status(),),
        diagnosis=diagnosis(),
        plans=(plan_status(),),
    )
