"""Plans on the terminal: shown before they are agreed to, followed while they run."""

import time
from collections.abc import Iterator

from shuishan.catalog.messages import say
from shuishan.front.api.client import Client
from shuishan.front.cli.exits import Exit
from shuishan.front.cli.out import Out, table
from shuishan.front.cli.told import state
from shuishan.model.plan import Consent, PlanState, Receipt, StepState
from shuishan.model.status import PlanStatus
from shuishan.model.word import Text

FOLLOW_S = 1800.0
POLL_S = 0.5
_ENDED = frozenset({PlanState.DONE, PlanState.UNWOUND, PlanState.STUCK, PlanState.REFUSED})
_EXITS = {
    PlanState.PROPOSED: Exit.NOTHING_CHANGED,
    PlanState.RUNNING: Exit.STILL_RUNNING,
    PlanState.DONE: Exit.DONE,
    PlanState.UNWOUND: Exit.UNWOUND,
    PlanState.STUCK: Exit.STUCK,
    PlanState.REFUSED: Exit.NOTHING_CHANGED,
}


def carry(api: Client, out: Out, status: PlanStatus) -> Exit:
    """Show the plan, ask where consent is needed, follow it; the answer is the plan as it ended."""
    if not out.as_json:
        out.text(plan_lines(out, status))
    if not status.plan.fits:
        return _end(out, status)
    if status.state is PlanState.PROPOSED:
        if not out.agreed(say("front.ask.apply")):
            out.talk(say("front.nothing_changed"))
            out.talk(say("front.plan.later", id=status.plan.id))
            return _end(out, status)
        status = api.agree(status.plan.id)
    return _end(out, follow(api, out, status))


def follow(api: Client, out: Out, status: PlanStatus) -> PlanStatus:
    """The plan once it has ended, or as it is after FOLLOW_S seconds; tells each step on the way."""
    end_s = time.monotonic() + FOLLOW_S
    told: set[tuple[str, StepState]] = set()
    while True:
        for line in _news(out, status, told):
            out.talk(line)
        if status.state in _ENDED or time.monotonic() > end_s:
            return status
        time.sleep(POLL_S)
        status = api.plan(status.plan.id)


def _news(out: Out, status: PlanStatus, told: set[tuple[str, StepState]]) -> Iterator[Text]:
    texts = {step.id: step.text for step in status.plan.steps}
    for receipt in status.receipts:
        key = (receipt.step, receipt.state)
        if key in told or receipt.step not in texts or receipt.state is StepState.PENDING:
            continue
        told.add(key)
        yield say(
            "front.step.news",
            step=out.tell(texts[receipt.step]),
            state=state(out, receipt.state),
            measured=measured(out, receipt),
        )


def _end(out: Out, status: PlanStatus) -> Exit:
    code = Exit.NO_ROOM if not status.plan.fits else _EXITS[status.state]
    ended = [] if code in (Exit.NO_ROOM, Exit.NOTHING_CHANGED) else [result_line(out, status)]
    out.answer(status, ended)
    return code


def result_line(out: Out, status: PlanStatus) -> str:
    """One line: what became of the plan."""
    return out.word("front.plan.result", id=status.plan.id, state=state(out, status.state))


def measured(out: Out, receipt: Receipt) -> str:
    """What a deed took and what it measured, in brackets; "" when nothing is known."""
    parts: list[str] = []
    if receipt.started_at_s is not None and receipt.ended_at_s is not None:
        parts.append(f"{receipt.ended_at_s - receipt.started_at_s:.1f} s")
    if "downtime_ms" in receipt.measured:
        parts.append(out.word("front.step.paused", downtime_ms=f"{receipt.measured['downtime_ms']:.0f}"))
    if receipt.note:
        parts.append(receipt.note)
    return f"({'; '.join(parts)})" if parts else ""


def plan_lines(out: Out, status: PlanStatus) -> Iterator[str]:
    """The plan as a person agrees to it: what, in which order, and what undoing each step means."""
    plan = status.plan
    irreversible = sum(step.undo_text is None for step in plan.steps)
    yield out.word(
        "front.plan.head",
        id=plan.id,
        title=out.tell(plan.title),
        steps=len(plan.steps),
        irreversible=irreversible,
        consent=out.word(
            "front.consent.operator" if plan.consent is Consent.OPERATOR else "front.consent.automatic"
        ),
        state=state(out, status.state),
    )
    yield from _step_lines(out, status)
    for misfit in plan.misfits:
        yield "  " + out.word("front.plan.misfit", vm=misfit.vm, needs=out.tell(misfit.needs))
        yield "    " + out.word("front.plan.nearest", miss=out.tell(misfit.nearest_miss))
        yield "    " + out.word("front.plan.would_help", help=out.tell(misfit.would_help))
    for order in plan.orders:
        yield "  " + out.word("front.plan.order", order=out.tell(order))


def _step_lines(out: Out, status: PlanStatus) -> list[str]:
    receipts = {receipt.step: receipt for receipt in status.receipts}
    rows: list[tuple[str, ...]] = []
    for number, step in enumerate(status.plan.steps, start=1):
        undo = (
            out.word("front.plan.no_undo")
            if step.undo_text is None
            else out.word("front.plan.undo", undo=out.tell(step.undo_text))
        )
        receipt = receipts.get(step.id)
        seen = f"{state(out, receipt.state)} {measured(out, receipt)}" if receipt else ""
        rows.append(("", str(number), out.tell(step.text), undo, seen))
    return table(rows[0], rows[1:]) if rows else []
