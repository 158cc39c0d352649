"""What a finished plan really achieved, from a second look at the site. Pure."""

from collections.abc import Mapping, Sequence

from shuishan.catalog.messages import say
from shuishan.model.plan import Plan, Receipt, StepState
from shuishan.model.proof import Claim, Pause, ProbeSummary, Proof, Verdict
from shuishan.model.site import HostState, SiteView, VmState

_UNSEEN_S = 1.0  # of a plan's time without a question asked; beyond it nobody can say "all"
_ALIVE = (VmState.RUNNING, VmState.PAUSED)


def prove(
    plan: Plan, receipts: Sequence[Receipt], after: SiteView, probes: Sequence[ProbeSummary], *, at_s: float
) -> Proof:
    """The proof of `plan`.

    after:  the site as seen once the plan had ended
    probes: what clients outside saw while it ran, one per system touched
    """
    by_step = {receipt.step: receipt for receipt in receipts}
    claims = (
        *_vms_run_once(plan, after),
        *_hosts_empty(plan, after, by_step),
        *(_answered(probe, plan.at_s) for probe in probes),
        *_asked_only(plan),
    )
    return Proof(
        plan=plan.id,
        at_s=at_s,
        verdict=overall([claim.verdict for claim in claims]),
        claims=claims,
        pauses=pauses(plan, by_step),
        probes=tuple(probes),
    )


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """One broken claim breaks the whole; one unknown leaves it open; nothing claimed is nothing known."""
    if Verdict.BROKEN in verdicts:
        return Verdict.BROKEN
    if Verdict.UNKNOWN in verdicts or not verdicts:
        return Verdict.UNKNOWN
    return Verdict.HELD


def pauses(plan: Plan, by_step: Mapping[str, Receipt]) -> tuple[Pause, ...]:
    """How long each VM stood still, for every move that was done."""
    found: list[Pause] = []
    for step in plan.steps:
        receipt = by_step.get(step.id)
        if step.action == "vm.move" and receipt is not None and receipt.state is StepState.DONE:
            found.append(
                Pause(
                    vm=step.params["vm"],
                    source=step.params["source"],
                    target=step.params["target"],
                    downtime_ms=receipt.measured.get("downtime_ms"),
                    total_ms=receipt.measured.get("total_ms"),
                )
            )
    return tuple(found)


def _vms_run_once(plan: Plan, after: SiteView) -> list[Claim]:
    wanted = {step.params["vm"]: step for step in plan.steps if step.action in ("vm.move", "vm.start")}
    claims: list[Claim] = []
    for vm in wanted:
        places = _places(after, vm, VmState.RUNNING) or _places(after, vm, VmState.PAUSED)
        silent = [view.name for view in after.seen if view.state is not HostState.ANSWERING]
        if len(places) == 1:
            verdict, text = Verdict.HELD, say("prove.vm_runs_once", vm=vm, host=places[0])
        elif len(places) > 1:
            verdict, text = Verdict.BROKEN, say("prove.vm_runs_twice", vm=vm, hosts=", ".join(places))
        elif silent:
            verdict, text = Verdict.UNKNOWN, say("prove.vm_unseen", vm=vm, hosts=", ".join(silent))
        else:
            verdict, text = Verdict.BROKEN, say("prove.vm_lost", vm=vm)
        claims.append(Claim(id="vm_runs_once", subject=f"vm/{vm}", verdict=verdict, text=text))
    return claims


def _places(after: SiteView, vm: str, state: VmState) -> list[str]:
    return [view.name for view in after.seen for seen in view.vms if seen.name == vm and seen.state is state]


def _hosts_empty(plan: Plan, after: SiteView, by_step: Mapping[str, Receipt]) -> list[Claim]:
    """Hosts the plan meant to empty; a plan that was called off promised nothing about them."""
    sources = {step.params["source"] for step in plan.steps if step.action == "vm.move"}
    finished = all(
        (receipt := by_step.get(step.id)) is not None and receipt.state is StepState.DONE
        for step in plan.steps
    )
    claims: list[Claim] = []
    for host in sorted(sources) if finished else ():
        view = after.view(host)
        left = [vm.name for vm in view.vms if vm.state in _ALIVE]
        if view.state is not HostState.ANSWERING:
            verdict, text = Verdict.UNKNOWN, say("prove.host_silent", host=host)
        elif left:
            verdict, text = Verdict.BROKEN, say("prove.host_not_empty", host=host, vms=", ".join(left))
        else:
            verdict, text = Verdict.HELD, say("prove.host_empty", host=host)
        claims.append(Claim(id="host_empty", subject=f"host/{host}", verdict=verdict, text=text))
    return claims


def _asked_only(plan: Plan) -> list[Claim]:
    """A plan that only asks a person for something changes nothing that could be looked at."""
    if plan.steps:
        return []
    text = say("prove.asked_only", count=len(plan.orders))
    return [Claim(id="asked_only", subject=plan.subject, verdict=Verdict.HELD, text=text)]


def _answered(probe: ProbeSummary, began_s: float) -> Claim:
    subject = f"system/{probe.system}"
    if probe.asked == 0:
        text = say("prove.system_not_asked", system=probe.system)
        return Claim(id="system_answered", subject=subject, verdict=Verdict.UNKNOWN, text=text)
    fields = {"system": probe.system, "asked": probe.asked, "lost": probe.lost}
    if probe.lost:
        text = say("prove.system_lost", **fields)
        return Claim(id="system_answered", subject=subject, verdict=Verdict.BROKEN, text=text)
    unseen_s = probe.from_s - began_s
    if unseen_s > _UNSEEN_S:
        text = say("prove.system_partly_asked", **fields, unseen_s=f"{unseen_s:.0f}")
        return Claim(id="system_answered", subject=subject, verdict=Verdict.UNKNOWN, text=text)
    slowest = f"{probe.latency_max_ms:.0f}" if probe.latency_max_ms is not None else "?"
    text = say("prove.system_answered", **fields, slowest_ms=slowest)
    return Claim(id="system_answered", subject=subject, verdict=Verdict.HELD, text=text)
