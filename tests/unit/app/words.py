"""Small model values for the tests of the app."""

from collections.abc import Sequence

from shuishan.model.finding import Diagnosis, Evidence, Finding, Severity
from shuishan.model.plan import Consent, Misfit, Plan, PlanState, Receipt, Step, StepState
from shuishan.model.signal import Source
from shuishan.model.status import PlanStatus
from shuishan.model.word import Text

T0 = 1_700_000_000.0


def text(en: str) -> Text:
    return Text(en=en, zh=f"「{en}」")


def finding(
    host: str = "h1",
    component: str = "nvme0",
    *,
    at_s: float = T0,
    severity: Severity = Severity.CRITICAL,
    source: Source = Source.SMART,
    horizon_s: float | None = None,
    probability: float = 0.9,
) -> Finding:
    return Finding(
        id=f"{host}/{component}/disk.worn",
        issue="disk.worn",
        category="disk",
        title=text(f"the drive {component} is worn"),
        host=host,
        component=component,
        severity=severity,
        probability=probability,
        horizon_s=horizon_s,
        predicted=horizon_s is not None,
        evidence=(Evidence(source=source, at_s=at_s, text="spare 8 %"),),
        advice=text("replace it"),
        at_s=at_s,
        evacuate=True,
    )


def diagnosis(*findings: Finding, at_s: float = T0) -> Diagnosis:
    return Diagnosis(at_s=at_s, findings=findings)


def step(id: str = "1", action: str = "vm.move", **params: str) -> Step:
    filled = params or {"vm": "db", "source": "h1", "target": "h2"}
    return Step(id=id, action=action, params=filled, text=text(f"step {id}"), undo_text=text(f"undo {id}"))


def plan(
    id: str = "p1",
    *,
    subject: str = "host/h1",
    at_s: float = T0,
    because: Sequence[str] = ("h1/nvme0/disk.worn",),
    steps: Sequence[Step] = (),
    misfits: Sequence[Misfit] = (),
    consent: Consent = Consent.AUTOMATIC,
    orders: Sequence[Text] = (),
) -> Plan:
    return Plan(
        id=id,
        at_s=at_s,
        subject=subject,
        title=text(f"plan {id}"),
        because=tuple(because),
        steps=tuple(steps),
        misfits=tuple(misfits),
        consent=consent,
        orders=tuple(orders),
    )


def misfit(vm: str = "db", miss: str = "128 MiB short") -> Misfit:
    return Misfit(
        vm=vm,
        needs=text("256 MiB"),
        nearest_host="h2",
        nearest_miss=text(miss),
        would_help=text("add memory"),
    )


def status(plan: Plan, state: PlanState = PlanState.DONE, receipts: Sequence[Receipt] = ()) -> PlanStatus:
    return PlanStatus(plan=plan, state=state, receipts=tuple(receipts))


def receipt(
    step: str = "1", state: StepState = StepState.DONE, *, plan: str = "p1", note: str = ""
) -> Receipt:
    return Receipt(plan=plan, step=step, state=state, started_at_s=T0, ended_at_s=T0 + 1, note=note)
