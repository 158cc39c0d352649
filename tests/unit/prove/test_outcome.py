"""What a plan really achieved."""

import pytest

from shuishan.model.plan import Consent, Plan, Receipt, Step, StepState
from shuishan.model.proof import ProbeSummary, Proof, Verdict
from shuishan.model.site import HostSpec, HostState, HostView, SiteView, VmState, VmView
from shuishan.model.word import Text
from shuishan.prove.outcome import overall, prove

TEXT = Text(en="x", zh="x")
MOVE = {"vm": "db", "source": "h1", "target": "h2"}
PLAN = Plan(
    id="p",
    at_s=0,
    subject="host/h1",
    title=TEXT,
    because=("f",),
    steps=(
        Step(id="1", action="host.cordon", params={"host": "h1"}, text=TEXT, undo_text=TEXT),
        Step(id="2", action="vm.move", params=MOVE, text=TEXT, undo_text=TEXT),
    ),
    consent=Consent.AUTOMATIC,
)
DONE = (
    Receipt(plan="p", step="1", state=StepState.DONE),
    Receipt(plan="p", step="2", state=StepState.DONE, measured={"downtime_ms": 90.0, "total_ms": 700.0}),
)
ANSWERED = ProbeSummary(
    system="his", from_s=0, to_s=9, asked=90, answered=90, lost=0, latency_p50_ms=20, latency_max_ms=400
)


def site(**hosts: list[str] | None) -> SiteView:
    """host → names of its running VMs; None: the host is silent."""
    views = tuple(
        HostView(
            name=name,
            state=HostState.SILENT if vms is None else HostState.ANSWERING,
            seen_at_s=9,
            vms=tuple(
                VmView(name=vm, state=VmState.RUNNING, cpu_count=1, memory_bytes=2**28) for vm in vms or []
            ),
        )
        for name, vms in hosts.items()
    )
    specs = tuple(
        HostSpec(
            name=name,
            rack="r",
            cpu_count=4,
            memory_bytes=2**31,
            libvirt_uri="test:///default",
            migration_address="192.0.2.1",
        )
        for name in hosts
    )
    return SiteView(at_s=9, hosts=specs, seen=views, systems=())


def verdicts(proof: Proof) -> dict[str, Verdict]:
    return {claim.id: claim.verdict for claim in proof.claims}


@pytest.mark.parametrize(
    ("after", "runs_once", "empty"),
    [
        (site(h1=[], h2=["db"]), Verdict.HELD, Verdict.HELD),
        (site(h1=["db"], h2=[]), Verdict.HELD, Verdict.BROKEN),
        (site(h1=["db"], h2=["db"]), Verdict.BROKEN, Verdict.BROKEN),
        (site(h1=[], h2=[]), Verdict.BROKEN, Verdict.HELD),
        (site(h1=[], h2=None), Verdict.UNKNOWN, Verdict.HELD),
        (site(h1=None, h2=["db"]), Verdict.HELD, Verdict.UNKNOWN),
    ],
)
def test_a_second_look_decides(after: SiteView, runs_once: Verdict, empty: Verdict) -> None:
    proof = prove(PLAN, DONE, after, [ANSWERED], at_s=9)
    assert verdicts(proof) == {
        "vm_runs_once": runs_once,
        "host_empty": empty,
        "system_answered": Verdict.HELD,
    }
    assert proof.verdict is overall([runs_once, empty])


def test_one_lost_request_breaks_the_proof() -> None:
    lost = ANSWERED.model_copy(update={"answered": 89, "lost": 1})
    proof = prove(PLAN, DONE, site(h1=[], h2=["db"]), [lost], at_s=9)
    assert proof.verdict is Verdict.BROKEN


def test_a_system_nobody_asked_is_not_proven_to_answer() -> None:
    unasked = ANSWERED.model_copy(update={"asked": 0, "answered": 0})
    assert prove(PLAN, DONE, site(h1=[], h2=["db"]), [unasked], at_s=9).verdict is Verdict.UNKNOWN


def test_pauses_are_those_of_finished_moves() -> None:
    proof = prove(PLAN, DONE, site(h1=[], h2=["db"]), [], at_s=9)
    assert [(pause.vm, pause.downtime_ms, pause.total_ms) for pause in proof.pauses] == [("db", 90.0, 700.0)]
    undone = (DONE[0], DONE[1].model_copy(update={"state": StepState.UNDONE, "measured": {}}))
    assert prove(PLAN, undone, site(h1=["db"], h2=[]), [], at_s=9).pauses == ()


def test_a_plan_that_was_called_off_promises_nothing_about_empty_hosts() -> None:
    undone = (DONE[0], DONE[1].model_copy(update={"state": StepState.UNDONE, "measured": {}}))
    proof = prove(PLAN, undone, site(h1=["db"], h2=[]), [], at_s=9)
    assert verdicts(proof) == {"vm_runs_once": Verdict.HELD}
