"""The order of deeds, with a failure at every point."""

import pytest

from shuishan.act.runner import Outcome, Phase, Wave, carry_out, waves
from shuishan.model.plan import Consent, OnFailure, Plan, PlanState, Step
from shuishan.model.word import Text

TEXT = Text(en="x", zh="x")


def step(id: str, *, undoable: bool = True, wave: str | None = None) -> Step:
    params = {} if wave is None else {"wave": wave}
    return Step(id=id, action="a", params=params, text=TEXT, undo_text=TEXT if undoable else None)


def plan(*steps: Step, on_failure: OnFailure = OnFailure.UNDO_ALL) -> Plan:
    return Plan(
        id="p",
        at_s=0,
        subject="host/h1",
        title=TEXT,
        because=(),
        steps=steps,
        consent=Consent.AUTOMATIC,
        on_failure=on_failure,
    )


class Hands:
    """Records what was done and undone; fails where told to."""

    def __init__(self, *fail_at: str) -> None:
        self.fail_at = fail_at
        self.deeds: list[str] = []

    def __call__(self, phase: Phase, wave: Wave) -> tuple[Outcome, ...]:
        done = [f"{phase} {step.id}" for step in wave]
        self.deeds += done
        return tuple(Outcome(ok=deed not in self.fail_at) for deed in done)


THREE = (step("1"), step("2"), step("3"))


def test_all_steps_in_order() -> None:
    hands = Hands()
    assert carry_out(plan(*THREE), hands) is PlanState.DONE
    assert hands.deeds == ["do 1", "do 2", "do 3"]


@pytest.mark.parametrize(
    ("fail_at", "deeds"),
    [
        ("do 1", ["do 1", "undo 1"]),
        ("do 2", ["do 1", "do 2", "undo 2", "undo 1"]),
        ("do 3", ["do 1", "do 2", "do 3", "undo 3", "undo 2", "undo 1"]),
    ],
)
def test_a_failed_step_and_all_before_it_are_undone_newest_first(fail_at: str, deeds: list[str]) -> None:
    hands = Hands(fail_at)
    assert carry_out(plan(*THREE), hands) is PlanState.UNWOUND
    assert hands.deeds == deeds


def test_where_finished_steps_are_worth_keeping_only_the_failed_one_is_undone() -> None:
    hands = Hands("do 3")
    assert carry_out(plan(*THREE, on_failure=OnFailure.UNDO_STEP), hands) is PlanState.UNWOUND
    assert hands.deeds == ["do 1", "do 2", "do 3", "undo 3"]


def test_a_broken_undo_is_reported_and_the_others_are_still_undone() -> None:
    hands = Hands("do 3", "undo 2")
    assert carry_out(plan(*THREE), hands) is PlanState.STUCK
    assert hands.deeds[-3:] == ["undo 3", "undo 2", "undo 1"]


def test_what_cannot_be_undone_is_passed_over() -> None:
    hands = Hands("do 2")
    assert carry_out(plan(step("1", undoable=False), step("2")), hands) is PlanState.UNWOUND
    assert hands.deeds == ["do 1", "do 2", "undo 2"]


def test_a_plan_without_steps_is_done_at_once() -> None:
    hands = Hands()
    assert carry_out(plan(), hands) is PlanState.DONE
    assert hands.deeds == []


def test_neighbours_of_one_wave_go_together_and_only_the_failed_of_them_is_undone() -> None:
    moves = plan(
        step("1"),
        step("2", wave="1"),
        step("3", wave="1"),
        step("4", wave="2"),
        on_failure=OnFailure.UNDO_STEP,
    )
    assert [[one.id for one in wave] for wave in waves(moves)] == [["1"], ["2", "3"], ["4"]]
    hands = Hands("do 3")
    assert carry_out(moves, hands) is PlanState.UNWOUND
    assert hands.deeds == ["do 1", "do 2", "do 3", "undo 3"]
