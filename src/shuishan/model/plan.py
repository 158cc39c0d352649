"""Plans: what will be done, in order, each step with its premise and its undo."""

import hashlib
from enum import StrEnum
from typing import Any

from pydantic import Field

from shuishan.model.word import Text, Word


class Consent(StrEnum):
    """Whose yes a plan needs before it runs."""

    AUTOMATIC = "automatic"  # policy lets it run unattended
    OPERATOR = "operator"


class OnFailure(StrEnum):
    """What is undone when a step fails."""

    UNDO_ALL = "undo_all"  # the site is as it was before the plan
    # Each finished step is worth keeping: a VM that left a failing host must not be sent back to it.
    UNDO_STEP = "undo_step"


class Premise(Word):
    """A fact a step was planned on; checked again right before the step runs.

    fact:  ``vm_on_host`` | ``host_answers`` | ``host_not_cordoned`` | ``host_fits_vm``
    """

    fact: str
    params: dict[str, str]


class Step(Word):
    """One deed. `action` names do, undo and check together, e.g. ``host.cordon``, ``vm.move``.

    undo_text: what undoing it means; None when it cannot be undone
    """

    id: str
    action: str
    params: dict[str, str]
    premises: tuple[Premise, ...] = ()
    text: Text
    undo_text: Text | None


class Misfit(Word):
    """A VM for which no host was found, and the nearest miss."""

    vm: str
    needs: Text
    nearest_host: str | None
    nearest_miss: Text
    would_help: Text


class Plan(Word):
    """Immutable. A plan that does not fit has misfits and no steps: nothing is half-done.

    because: ids of the findings it answers
    subject: ``host/h1``, ``system/his`` …: two plans on one subject never run together
    """

    id: str
    at_s: float
    subject: str
    title: Text
    because: tuple[str, ...]
    steps: tuple[Step, ...]
    misfits: tuple[Misfit, ...] = ()
    consent: Consent
    on_failure: OnFailure = OnFailure.UNDO_ALL
    orders: tuple[Text, ...] = ()  # what a person has to do, e.g. order a part

    @property
    def fits(self) -> bool:
        return not self.misfits


def plan_id(subject: str, content: Any, at_s: float) -> str:
    """A short id that differs whenever subject, content or time differ."""
    return hashlib.sha256(f"{subject}|{content!r}|{at_s:.6f}".encode()).hexdigest()[:10]


class Held(Word):
    """A finding on which nothing is done, with the reason a person can check."""

    finding: str
    reason: Text


class Decision(Word):
    """What decide answers to one diagnosis: plans to carry out, and what is left alone and why."""

    plans: tuple[Plan, ...]
    held: tuple[Held, ...] = ()


class PlanState(StrEnum):
    PROPOSED = "proposed"  # waits for consent
    RUNNING = "running"
    DONE = "done"
    UNWOUND = "unwound"  # a step failed; everything begun was undone
    STUCK = "stuck"  # an undo failed: a person is needed
    REFUSED = "refused"  # does not fit, or a person said no


class StepState(StrEnum):
    PENDING = "pending"
    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"
    STUCK = "stuck"


class Receipt(Word):
    """What happened to one step.

    measured: numbers the deed itself measured, unit last, e.g. ``downtime_ms``
    """

    plan: str
    step: str
    state: StepState
    started_at_s: float | None = None
    ended_at_s: float | None = None
    measured: dict[str, float] = Field(default_factory=dict)
    note: str = ""
