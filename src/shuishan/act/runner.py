"""The order of deeds: each step in turn; when one fails, it is undone, and all before it, newest first.

(A plan may say that finished steps are worth keeping; then only the failed one is undone.)

Pure control flow. Whoever calls gives `perform`, which does or undoes one step and makes its outcome
durable: after a crash the same plan is run again from the top, `perform` answers at once for steps
whose outcome is already recorded, and the rest goes on as if nothing had happened.
"""

from collections.abc import Callable
from itertools import groupby
from typing import Literal

from shuishan.model.plan import OnFailure, Plan, PlanState, Step
from shuishan.model.word import Word

Phase = Literal["do", "undo"]
Wave = tuple[Step, ...]  # steps that run at the same time


class Outcome(Word):
    """How one deed ended. note: why it failed, for people."""

    ok: bool
    note: str = ""


Perform = Callable[[Phase, Wave], tuple[Outcome, ...]]


def carry_out(plan: Plan, perform: Perform) -> PlanState:
    """Run `plan` to its end.

    Returns DONE; UNWOUND when a step failed and what the plan wants undone was undone; STUCK when an
    undo failed too (the others are still undone: one broken undo must not keep a VM from coming home).
    """
    begun: list[Wave] = []
    for wave in waves(plan):
        begun.append(wave)  # before doing it: a step that fails may have half happened
        outcomes = perform("do", wave)
        failed = tuple(step for step, outcome in zip(wave, outcomes, strict=True) if not outcome.ok)
        if failed:
            keep = plan.on_failure is OnFailure.UNDO_STEP
            return unwind([failed] if keep else begun, perform)
    return PlanState.DONE


def unwind(begun: list[Wave], perform: Perform) -> PlanState:
    """Undo `begun`, newest first; a step without an undo is passed over."""
    held = True
    for wave in reversed(begun):
        undoable = tuple(step for step in reversed(wave) if step.undo_text is not None)
        if undoable:
            held = all(outcome.ok for outcome in perform("undo", undoable)) and held
    return PlanState.UNWOUND if held else PlanState.STUCK


def waves(plan: Plan) -> list[Wave]:
    """The plan's steps in order; neighbours that name the same `wave` go together."""
    keyed = groupby(plan.steps, key=lambda step: step.params.get("wave", f"alone {step.id}"))
    return [tuple(steps) for _, steps in keyed]
