"""One deed, from its premises to its receipt."""

import pytest
from tests.unit.act.bench import Bench, seen, step

from shuishan.base.compute.sim import Fault
from shuishan.model.plan import Premise, Receipt, StepState
from shuishan.model.site import VmState

MOVE = step("vm.move", vm="db", source="h1", target="h2")


def states(bench: Bench) -> list[StepState]:
    return [receipt.state for receipt in bench.journal.written]


async def test_a_broken_premise_fails_the_step_before_anything_is_done() -> None:
    bench = Bench()
    bench.compute.add("h1", seen("db"))
    bench.ledger.cordons.add("h2")
    before = bench.state()
    guarded = MOVE.model_copy(
        update={"premises": (Premise(fact="host_not_cordoned", params={"host": "h2"}),)}
    )
    outcome = await bench.perform("do", guarded)
    assert not outcome.ok
    assert outcome.note == "host h2 is cordoned now"
    assert states(bench) == [StepState.STARTED, StepState.FAILED]
    assert bench.state() == before
    assert (await bench.perform("undo", guarded)).ok
    assert states(bench)[-1] is StepState.UNDONE
    assert bench.journal.written[-1].note == outcome.note  # why it was undone is still told
    assert bench.state() == before


async def test_what_an_engine_refuses_is_the_steps_note() -> None:
    bench = Bench()
    bench.compute.add("h1", seen("db"))
    bench.compute.fail("h2", Fault.REFUSING)
    outcome = await bench.perform("do", MOVE)
    assert outcome.note == "h2 refuses every change"
    assert bench.journal.written[-1].note == outcome.note


async def test_an_unforeseen_exception_is_an_outcome_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_args: object) -> None:
        raise ZeroDivisionError("division by zero")

    bench = Bench()
    monkeypatch.setattr(bench.ledger, "set_cordon", breaks)
    outcome = await bench.perform("do", step("host.cordon", host="h1"))
    assert not outcome.ok
    assert outcome.note == "ZeroDivisionError: division by zero"
    assert states(bench) == [StepState.STARTED, StepState.FAILED]


async def test_after_a_crash_the_first_start_counts() -> None:
    bench = Bench()
    began_s = bench.clock.now_s() - 100
    begun = Receipt(plan="p", step="1", state=StepState.STARTED, started_at_s=began_s)
    bench.journal.receipts["p", "1"] = begun
    bench.compute.add("h1", seen("db"))
    assert (await bench.perform("do", MOVE)).ok
    done = bench.journal.written[-1]
    assert done.state is StepState.DONE
    assert done.started_at_s == began_s
    assert done.ended_at_s == bench.clock.now_s()
    assert set(done.measured) == {"downtime_ms", "total_ms"}


async def test_an_undo_that_fails_is_stuck_and_says_both_reasons() -> None:
    bench = Bench()
    bench.compute.add("h1", seen("db", VmState.SHUT_OFF))
    first = await bench.perform("do", MOVE)
    outcome = await bench.perform("undo", MOVE)
    assert not outcome.ok
    assert states(bench)[-1] is StepState.STUCK
    assert bench.journal.written[-1].note == f"{first.note}; undo: {outcome.note.partition('; undo: ')[2]}"
    assert outcome.note.endswith("db was found running neither on h1 nor on h2")


async def test_a_step_that_cannot_be_undone_is_passed_over() -> None:
    bench = Bench()
    forget = step("system.forget", system="his", undoable=False)
    assert (await bench.perform("do", forget)).ok
    assert bench.ledger.systems == {}
    assert (await bench.perform("undo", forget)).ok
    assert states(bench) == [StepState.STARTED, StepState.DONE]


async def test_undoing_what_never_began_is_safe() -> None:
    bench = Bench()
    bench.compute.add("h1", seen("db"))
    before = bench.state()
    assert (await bench.perform("undo", MOVE)).ok
    assert bench.state() == before
