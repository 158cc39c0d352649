"""What is written is read again, also by the next process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.story.house import system
from tests.unit.app.words import T0, finding, plan, receipt, step, text

from shuishan.app.store import TERMINAL, Store
from shuishan.model.errors import NotFound
from shuishan.model.plan import PlanState, StepState
from shuishan.model.proof import Proof, Verdict
from shuishan.model.timeline import Entry, Room


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "site.db")
    yield made
    made.close()


def again(tmp_path: Path) -> Store:
    return Store(tmp_path / "site.db")


def test_an_unknown_plan_says_where_to_look(store: Store) -> None:
    with pytest.raises(NotFound, match="plan nope is not known; see `shuishan plan list`"):
        store.plan("nope")
    assert store.ended_at_s("nope") is None
    assert store.receipt("nope", "1") is None
    assert store.finding("nope") is None


def test_a_plan_keeps_its_content_through_every_state(store: Store, tmp_path: Path) -> None:
    made = plan(steps=(step(),))
    store.add_plan(made, PlanState.PROPOSED)
    store.set_plan_state("p1", PlanState.RUNNING, at_s=T0 + 1, agreed_by="ann")
    assert store.ended_at_s("p1") is None
    store.set_plan_state("p1", PlanState.DONE, at_s=T0 + 2)
    found = again(tmp_path).plan("p1")
    assert (found.plan, found.state, found.agreed_by) == (made, PlanState.DONE, "ann")
    assert store.ended_at_s("p1") == T0 + 2


def test_plans_come_newest_first_and_by_state(store: Store) -> None:
    for number, state in enumerate(PlanState):
        store.add_plan(plan(f"p{number}"), state)
    newest = [status.plan.id for status in store.plans(3)]
    assert newest == ["p5", "p4", "p3"]
    waiting = store.plans_in(PlanState.PROPOSED, PlanState.RUNNING)
    assert [status.plan.id for status in waiting] == ["p0", "p1"]
    ended = [status.plan.id for status in store.plans(10) if store.ended_at_s(status.plan.id) is not None]
    assert len(ended) == len(TERMINAL)


def test_only_what_ran_to_an_end_waits_for_its_proof(store: Store) -> None:
    for number, state in enumerate(PlanState):
        store.add_plan(plan(f"p{number}"), state)
    assert [status.state for status in store.plans_unproven()] == [
        PlanState.DONE,
        PlanState.UNWOUND,
        PlanState.STUCK,
    ]
    proof = Proof(plan="p2", at_s=T0, verdict=Verdict.HELD, claims=(), pauses=(), probes=())
    store.set_proof(proof)
    assert store.plan("p2").proof == proof
    assert len(store.plans_unproven()) == 2


def test_a_receipt_replaces_the_one_before_and_ten_comes_after_two(store: Store) -> None:
    store.put_receipt(receipt("10"))
    store.put_receipt(receipt("2", StepState.STARTED))
    store.put_receipt(receipt("2", StepState.DONE))
    store.put_receipt(receipt("1", plan="other"))
    assert [(one.step, one.state) for one in store.receipts("p1")] == [
        ("2", StepState.DONE),
        ("10", StepState.DONE),
    ]


def test_findings_are_new_once_and_gone_once(store: Store) -> None:
    worn, other = finding(), finding("h2")
    assert store.update_findings([worn, other], T0) == ([worn, other], [])
    assert store.update_findings([worn, other], T0 + 1) == ([], [])
    assert store.update_findings([other], T0 + 2) == ([], [worn])
    assert store.update_findings([other], T0 + 3) == ([], [])
    assert store.open_findings() == [other]
    assert store.finding(worn.id) == worn  # its story can still be told
    assert store.update_findings([worn, other], T0 + 4) == ([worn], [])


@pytest.mark.parametrize(
    ("component", "left"), [(None, {"h2/nvme0"}), ("nvme0", {"h1/nvme1", "h2/nvme0"}), ("nvme9", None)]
)
def test_a_repair_closes_what_was_found_on_that_part(
    store: Store, component: str | None, left: set[str] | None
) -> None:
    found = [finding(), finding(component="nvme1"), finding("h2")]
    store.update_findings(found, T0)
    store.close_findings("h1", component)
    still = {f"{one.host}/{one.component}" for one in store.open_findings()}
    assert still == (left or {"h1/nvme0", "h1/nvme1", "h2/nvme0"})


def test_a_mark_tells_whether_something_changed(store: Store, tmp_path: Path) -> None:
    assert store.marked("a") is None
    assert store.mark("a", "1")
    assert not store.mark("a", "1")
    assert not again(tmp_path).mark("a", "1")
    assert store.mark("a", "2")
    store.mark_once("a", "3")
    store.mark_once("b", "3")
    assert (store.marked("a"), store.marked("b")) == ("2", "3")


def test_unmark_takes_its_prefix_literally(store: Store) -> None:
    for subject in ("held/h1/x", "held/h10/x", "held/h_/x"):
        store.mark(subject, "1")
    store.unmark("held/h_/")
    store.unmark("held/h1/")
    assert [store.marked(f"held/{host}/x") for host in ("h1", "h10", "h_")] == [None, "1", None]


def test_a_generation_rises_with_a_changed_spec_only(store: Store) -> None:
    assert store.put_system(system()) == 1
    assert store.put_system(system()) == 1
    store.set_observed("his", 1)
    assert store.put_system(system(memory_mib=512)) == 2
    ((spec, generation, observed),) = store.systems()
    assert (spec.vms[0].memory_bytes, generation, observed) == (512 * 1024**2, 2, 1)
    store.forget_system("his")
    assert store.systems() == []


def test_cordons_and_repairs_are_kept_and_replaced(store: Store, tmp_path: Path) -> None:
    store.set_cordon("h1", True, "a")
    store.set_cordon("h1", True, "b")
    assert again(tmp_path).cordoned() == {"h1"}
    store.set_cordon("h1", False, "")
    store.set_cordon("h1", False, "")
    assert store.cordoned() == frozenset()
    store.set_repaired("h1", "nvme0", 1.0, {})
    store.set_repaired("h1", "nvme0", 2.0, {"nvme0|errors": 7.0})
    store.set_repaired("h1", "", 3.0, {})
    assert store.counted("h1", "nvme0") == {"nvme0|errors": 7.0}
    assert store.counted("h9", "") == {}
    assert sorted(store.repairs()) == [("h1", "", 3.0), ("h1", "nvme0", 2.0)]


def test_the_timeline_counts_on_and_is_read_by_place_or_by_time(store: Store) -> None:
    for number, at_s in enumerate((30.0, 10.0, 20.0)):
        stored = store.add_entry(Entry(at_s=at_s, room=Room.ACT, subject="x/y", text=text(str(number))))
        assert stored.seq == number + 1
    assert [entry.seq for entry in store.entries(1, 10)] == [2, 3]
    assert [entry.seq for entry in store.entries(0, 1)] == [1]
    assert [entry.at_s for entry in store.entries_since(20.0)] == [20.0, 30.0]
