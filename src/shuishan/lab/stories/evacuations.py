"""Stories in which a host's hardware begins to fail and the hospital must not notice."""

from shuishan.lab.fault_kind import Value
from shuishan.lab.stories.stage import Stage, on_host
from shuishan.model.finding import Finding
from shuishan.model.plan import PlanState, StepState
from shuishan.model.proof import Verdict
from shuishan.model.site import VmState
from shuishan.model.status import PlanStatus, SiteStatus
from shuishan.prove.prober import Answer

FAILING = "h1"
_MOVE_DEADLINE_S = 300.0


async def nvme_spare(stage: Stage) -> None:
    """An NVMe drive of h1 runs out of spare blocks: predicted, and the host is emptied before it fails."""
    found, _ = await _evacuate(stage, "nvme_spare_low", ("disk.nvme_spare_exhausted",))
    stage.check(found.predicted and found.horizon_s is not None, "story.predicted", title=found.title)


async def dimm_errors(stage: Stage) -> None:
    """Correctable errors pile up on one DIMM of h1: the host is emptied."""
    found, _ = await _evacuate(stage, "dimm_correctable", ("memory.correctable_storm",), count=7)
    stage.check(bool(found.component), "story.component", component=found.component)


async def _evacuate(
    stage: Stage, fault: str, issues: tuple[str, ...], **params: Value
) -> tuple[Finding, PlanStatus]:
    """Break h1, and follow finding, plan, moves and proof while a clerk works."""
    vms = {vm.name for vm in stage.system.vms}
    await stage.gather_on(FAILING)
    async with stage.clerk() as clerk:
        before = await clerk.count()
        await stage.break_host(FAILING, fault, **params)
        found = await stage.finding(FAILING, issues)
        stage.check(True, "story.named", title=found.title, component=f"{FAILING}/{found.component}")
        plan = await stage.plan_for(found)
        stage.check(plan.plan.fits and bool(plan.plan.orders), "story.planned", title=plan.plan.title)
        ended = await stage.plan_end(plan.plan.id, deadline_s=_MOVE_DEADLINE_S)
        site = await stage.ask(lambda api: api.site())
        check_emptied(stage, site, ended, vms)
    await check_clerk(stage, clerk.answers, clerk.acknowledged, before, await clerk.count())
    await stage.write_report(plan.plan.id, clerk)
    return found, ended


def check_emptied(
    stage: Stage, site: SiteStatus, ended: PlanStatus, vms: set[str], *, seen_whole: bool = True
) -> None:
    """The plan was carried out, the failing host is empty, every VM runs once, every pause is known.

    seen_whole: the control plane watched all the while; else it must not claim to have
    """
    stage.check(ended.state is PlanState.DONE, "story.plan_done", plan=ended.plan.id, state=ended.state.value)
    left = [
        vm.name
        for status in site.hosts
        if status.spec.name == FAILING
        for vm in status.seen.vms
        if vm.state is VmState.RUNNING
    ]
    stage.check(not left, "story.host_empty", host=FAILING)
    elsewhere = [vm for status in site.hosts for vm in status.seen.vms if vm.state is VmState.RUNNING]
    names = sorted(vm.name for vm in elsewhere if vm.name in vms)
    stage.check(names == sorted(vms), "story.each_runs_once", vms=", ".join(sorted(vms)))
    proof = ended.proof
    if seen_whole:
        stage.check(proof is not None and proof.verdict is Verdict.HELD, "story.proved")
    else:
        stage.check(proof is not None and proof.verdict is Verdict.UNKNOWN, "story.proof_open")
    pauses = proof.pauses if proof else ()
    known = [pause for pause in pauses if pause.downtime_ms is not None]
    told = ", ".join(f"{pause.vm} {pause.downtime_ms:.0f} ms" for pause in known)
    moved = {step.params["vm"] for step in ended.plan.steps if step.action == "vm.move"}
    stage.check({pause.vm for pause in known} == moved, "story.pauses", pauses=told or "-")


async def check_clerk(
    stage: Stage, answers: list[Answer], acknowledged: list[int], before: int, after: int
) -> None:
    """No request lost, and every acknowledged registration is in the database, once."""
    lost = [answer for answer in answers if not answer.ok]
    slowest = max((answer.latency_ms for answer in answers), default=0.0)
    fields = {"asked": len(answers), "lost": len(lost), "slowest_ms": f"{slowest:.0f}"}
    stage.check(bool(answers) and not lost, "story.clerk", **fields)
    stage.check(
        after - before == len(acknowledged) == len(set(acknowledged)),
        "story.nothing_missing",
        count=len(acknowledged),
    )


async def pcie_errors(stage: Stage) -> None:
    """Correctable PCIe errors are named and left to a person; an uncorrectable one empties the host."""
    vms = {vm.name for vm in stage.system.vms}
    await stage.gather_on(FAILING)
    await stage.break_host(FAILING, "pcie_correctable")
    found = await stage.finding(FAILING, ("pcie.correctable_errors",))
    stage.check(
        bool(found.component), "story.named", title=found.title, component=f"{FAILING}/{found.component}"
    )
    plan = await stage.plan_for(found)
    moves = [step for step in plan.plan.steps if step.action == "vm.move"]
    stage.check(bool(plan.plan.orders) and not moves, "story.order_only", title=plan.plan.title)
    site = await stage.ask(lambda api: api.site())
    stage.check(on_host(site, vms, FAILING), "story.stayed", host=FAILING)
    await _evacuate(stage, "pcie_fatal", ("pcie.uncorrectable_error",))


async def no_room(stage: Stage) -> None:
    """Nowhere to go: the plan says what does not fit and what would help, and nothing is half-done."""
    vms = {vm.name for vm in stage.system.vms}
    await stage.gather_on(FAILING)
    filler = stage.filler()
    applied = await stage.ask(lambda api: api.apply_system(filler))
    stage.afterwards(lambda: stage.remove_system(filler.name))
    await stage.plan_end(applied.plan.id, deadline_s=_MOVE_DEADLINE_S)
    await stage.break_host(FAILING, "nvme_spare_low")
    found = await stage.finding(FAILING, ("disk.nvme_spare_exhausted",))
    plan = await stage.plan_for(found)
    stage.check(not plan.plan.fits and not plan.plan.steps, "story.does_not_fit", title=plan.plan.title)
    for misfit in plan.plan.misfits:
        told = misfit.nearest_host is not None and bool(misfit.would_help.en)
        stage.check(told, "story.misfit", vm=misfit.vm, miss=misfit.nearest_miss, help=misfit.would_help)
    site = await stage.ask(lambda api: api.site())
    stage.check(on_host(site, vms, FAILING), "story.stayed", host=FAILING)
    cordoned = [status.spec.name for status in site.hosts if status.cordoned]
    stage.check(not cordoned, "story.nothing_half_done")
    await stage.write_report(plan.plan.id)


async def target_dies(stage: Stage) -> None:
    """The target loses power in the middle of a migration: the VM stays, and goes elsewhere next turn."""
    vms = {vm.name for vm in stage.system.vms}
    await stage.gather_on(FAILING)
    await stage.limit_migration(FAILING, vms, 6)
    async with stage.clerk() as clerk:
        before = await clerk.count()
        await stage.break_host(FAILING, "nvme_spare_low")
        first, vm, target = await stage.moving()
        await stage.power_off(target)
        await stage.limit_migration(FAILING, vms, 0)
        called_off = await stage.plan_end(first.plan.id, deadline_s=_MOVE_DEADLINE_S)
        stage.check(called_off.state is PlanState.UNWOUND, "story.unwound", vm=vm, target=target)
        undone = [receipt.state for receipt in called_off.receipts if receipt.note]
        stage.check(undone == [StepState.UNDONE], "story.step_undone")
        found = await stage.finding(FAILING, ("disk.nvme_spare_exhausted",))
        second = await stage.next_plan_for(found, after=first.plan.id)
        ended = await stage.plan_end(second.plan.id, deadline_s=_MOVE_DEADLINE_S)
        site = await stage.ask(lambda api: api.site())
        check_emptied(stage, site, ended, vms)
    await check_clerk(stage, clerk.answers, clerk.acknowledged, before, await clerk.count())
    await stage.write_report(second.plan.id, clerk)


async def server_killed(stage: Stage) -> None:
    """kill -9 of the control plane in the middle of a plan: after its restart the plan completes."""
    vms = {vm.name for vm in stage.system.vms}
    await stage.gather_on(FAILING)
    await stage.limit_migration(FAILING, vms, 6)
    async with stage.clerk() as clerk:
        before = await clerk.count()
        await stage.break_host(FAILING, "nvme_spare_low")
        plan, _, _ = await stage.moving()
        await stage.kill_and_restart_server()
        await stage.limit_migration(FAILING, vms, 0)
        ended = await stage.plan_end(plan.plan.id, deadline_s=_MOVE_DEADLINE_S)
        site = await stage.ask(lambda api: api.site())
        check_emptied(stage, site, ended, vms, seen_whole=False)
        starts = [step for step in ended.plan.steps if step.action == "vm.start"]
        stage.check(not starts, "story.started_once")
    await check_clerk(stage, clerk.answers, clerk.acknowledged, before, await clerk.count())
    await stage.write_report(plan.plan.id, clerk)
