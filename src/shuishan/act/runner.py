"""The order of deeds: each step in turn; when one fails, it is undone, and all before it, newest first.

(A plan may say that finished steps are worth keeping; then only the failed one is undone.)

Pure control flow. Whoever calls gives `perform`, which does or undoes one step and makes its outcome
durable: after a crash the same plan is run again from the top, `perform` answers at once for steps
whose outcome is already recorded, and the rest goes on as if nothing had happened.
"""

from collections.abc import Callable
from typing import Literal

from shuishan.model.plan import OnFailure, Plan, PlanState, Step
from shuishan.model.word import Word

Phase = Literal["do", "undo"]


class Outcome(Word):
    """How one deed ended. note: why it failed, for people."""

    ok: bool
    note: str = ""


Perform = Callable[[Phase, Step], Outcome]


def carry_out(plan: Plan, perform: Perform) -> PlanState:
    """Run `plan` to its end.

    Returns DONE; UNWOUND when a step failed and what the plan wants undone was undone; STUCK when an undo
    failed too (the others are still undone: one broken undo must not keep a VM from coming home).
    """
    begun: list[Step] = []
    for step in plan.steps:
        begun.append(step)  # before doing it: a step that fails may have half happened
        if not perform("do", step).ok:
            keep = plan.on_failure is OnFailure.UNDO_STEP
            return unwind(begun[-1:] if keep else begun, perform)
    return PlanState.DONE


def unwind(begun: list[Step], perform: Perform) -> PlanState:
    """Undo `begun`, newest first; a step without an undo is passed over."""
    undone = [perform("undo", step).ok for step in reversed(begun) if step.undo_text is not None]
    return PlanState.UNWOUND if all(undone) else PlanState.STUCK
