"""One deed, from its premises to its receipt. Errors become outcomes: the runner knows no exceptions."""

import logging
from typing import Protocol

from shuishan.act.actions import DEEDS
from shuishan.act.premises import check
from shuishan.act.runner import Outcome, Phase
from shuishan.act.world import World
from shuishan.model.errors import ShuishanError
from shuishan.model.plan import Plan, Receipt, Step, StepState

_log = logging.getLogger(__name__)


class Journal(Protocol):
    """Where receipts go. Writing one again replaces the one before."""

    def write(self, receipt: Receipt, step: Step) -> None: ...
    def read(self, plan: str, step: str) -> Receipt | None: ...


async def perform(phase: Phase, plan: Plan, step: Step, world: World, journal: Journal) -> Outcome:
    """Do or undo one step and write its receipt."""
    if phase == "do":
        return await _do(plan, step, world, journal)
    return await _undo(plan, step, world, journal)


async def _do(plan: Plan, step: Step, world: World, journal: Journal) -> Outcome:
    before = journal.read(plan.id, step.id)
    # After a crash the step may already have begun: its own first start is the one that counts.
    began_s = before.started_at_s if before and before.started_at_s else world.clock.now_s()
    receipt = Receipt(plan=plan.id, step=step.id, state=StepState.STARTED, started_at_s=began_s)
    journal.write(receipt, step)
    now = world.looking_once()
    try:
        for premise in step.premises:
            await check(premise, now)
        measured = await DEEDS[step.action].do(now, step.params)
    except Exception as cause:
        note = _in_words(cause)
        _end(receipt, step, StepState.FAILED, world, journal, note=note)
        return Outcome(ok=False, note=note)
    _end(receipt, step, StepState.DONE, world, journal, measured=measured)
    return Outcome(ok=True)


async def _undo(plan: Plan, step: Step, world: World, journal: Journal) -> Outcome:
    receipt = journal.read(plan.id, step.id) or Receipt(plan=plan.id, step=step.id, state=StepState.PENDING)
    undo = DEEDS[step.action].undo
    if undo is None:
        return Outcome(ok=True)
    try:
        await undo(world, step.params)
    except Exception as cause:
        note = f"{receipt.note}; undo: {_in_words(cause)}".lstrip("; ")
        _end(receipt, step, StepState.STUCK, world, journal, note=note)
        return Outcome(ok=False, note=note)
    _end(receipt, step, StepState.UNDONE, world, journal, note=receipt.note)
    return Outcome(ok=True)


def _end(
    receipt: Receipt,
    step: Step,
    state: StepState,
    world: World,
    journal: Journal,
    *,
    measured: dict[str, float] | None = None,
    note: str = "",
) -> None:
    changes = {"state": state, "ended_at_s": world.clock.now_s(), "measured": measured or {}, "note": note}
    journal.write(receipt.model_copy(update=changes), step)


def _in_words(cause: Exception) -> str:
    if isinstance(cause, ShuishanError):
        return cause.message
    _log.exception("a deed broke in a way nobody foresaw", exc_info=cause)
    return f"{type(cause).__name__}: {cause}"
