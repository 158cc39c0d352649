"""The timeline says each thing once, also after a restart."""

from pathlib import Path

import pytest
from tests.unit.app.words import T0, diagnosis, finding, misfit, plan, receipt, step, text

from shuishan.app.chronicle import Chronicle
from shuishan.app.store import Store
from shuishan.base.simclock import SimClock
from shuishan.model.finding import Blind, Diagnosis, Dismissed, Evidence
from shuishan.model.plan import Consent, Held, PlanState, StepState
from shuishan.model.proof import Claim, Proof, Verdict
from shuishan.model.signal import Source
from shuishan.model.site import HostState, HostView
from shuishan.model.timeline import Room


class Desk:
    """A chronicle on a store that outlives it."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "site.db")
        self.clock = SimClock(T0)
        self.read_seq = 0
        self.restart()

    def restart(self) -> None:
        self.chronicle = Chronicle(self.store, self.clock)

    def news(self) -> list[str]:
        """What was told since last asked."""
        entries = self.store.entries(self.read_seq, 1000)
        self.read_seq = entries[-1].seq if entries else self.read_seq
        return [entry.text.en for entry in entries]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def view(state: HostState) -> HostView:
    return HostView(name="h1", state=state, seen_at_s=T0, reason="connection refused")


def blind(source: Source) -> Blind:
    return Blind(host="h1", source=source, since_s=T0, reason="connection refused")


def dismissed(at_s: float) -> Dismissed:
    seen = Evidence(source=Source.KERNEL_LOG, at_s=at_s, text="usb reset")
    return Dismissed(
        host="h1",
        component="usb1",
        issue="harmless.usb",
        reason=text("it is a stick"),
        evidence=(seen,),
        at_s=at_s,
    )


def test_a_host_is_told_when_it_falls_silent_and_when_it_answers_again(desk: Desk) -> None:
    for state, lines in (
        (HostState.ANSWERING, 1),
        (HostState.ANSWERING, 0),
        (HostState.SILENT, 1),
        (HostState.SILENT, 0),
        (HostState.ANSWERING, 1),
    ):
        desk.restart()
        desk.chronicle.hosts([view(state)])
        assert len(desk.news()) == lines, state


def test_a_finding_is_told_with_its_first_sign_and_once_more_when_it_is_gone(desk: Desk) -> None:
    desk.chronicle.diagnosis(diagnosis(finding()))
    first_sign, found = desk.news()
    assert "spare 8 %" in first_sign
    assert "the drive nvme0 is worn" in found
    assert "90" in found
    desk.restart()
    desk.chronicle.diagnosis(diagnosis(finding(at_s=T0 + 5), at_s=T0 + 5))
    assert desk.news() == []
    desk.chronicle.diagnosis(diagnosis(at_s=T0 + 9))
    assert len(desk.news()) == 1
    desk.chronicle.diagnosis(diagnosis(at_s=T0 + 10))
    assert desk.news() == []


def test_what_is_still_ahead_says_how_far(desk: Desk) -> None:
    desk.chronicle.diagnosis(diagnosis(finding(horizon_s=2 * 86_400.0)))
    assert "2 days" in desk.news()[-1]


def test_harmless_history_from_before_the_first_start_is_no_news(desk: Desk) -> None:
    old = Diagnosis(at_s=T0, findings=(), dismissed=(dismissed(T0 - 1),))
    desk.chronicle.diagnosis(old)
    assert desk.news() == []
    desk.clock.advance(100)
    desk.restart()  # a later start is not the first: what happened between the two is news
    new = Diagnosis(at_s=T0 + 100, findings=(), dismissed=(dismissed(T0 + 50),))
    desk.chronicle.diagnosis(new)
    assert len(desk.news()) == 1
    desk.restart()
    desk.chronicle.diagnosis(new)
    assert desk.news() == []


def test_after_a_repair_signs_reasons_and_lack_of_room_are_news_again(desk: Desk) -> None:
    new = Diagnosis(at_s=T0, findings=(), dismissed=(dismissed(T0 + 50),))
    held = Held(finding=finding().id, reason=text("wait"))
    other = Held(finding=finding("h10").id, reason=text("wait"))

    def all_of_it() -> int:
        desk.chronicle.diagnosis(new)
        desk.chronicle.held(held, finding())
        desk.chronicle.held(other, finding("h10"))
        return len(desk.news())

    assert (all_of_it(), all_of_it()) == (3, 0)
    desk.store.mark("misfit/host/h1", "said")
    desk.chronicle.told_anew("h1")
    assert all_of_it() == 2
    assert desk.store.mark("misfit/host/h1", "said")


def test_blindness_comes_and_goes_by_sense(desk: Desk) -> None:
    smart, kernel = blind(Source.SMART), blind(Source.KERNEL_LOG)
    told: list[int] = []
    for now_blind in ([smart], [smart], [kernel, smart], [kernel], [], []):
        desk.restart()
        desk.chronicle.blind("h1", now_blind)
        told.append(len(desk.news()))
    assert told == [1, 0, 1, 1, 1, 0]


def test_a_reason_to_wait_is_told_until_it_changes(desk: Desk) -> None:
    told: list[int] = []
    for reason in ("a", "a", "b", "a"):
        desk.restart()
        desk.chronicle.held(Held(finding="f", reason=text(reason)), finding())
        told.append(len(desk.news()))
    assert told == [1, 0, 1, 1]


def test_a_plan_is_told_with_its_steps_its_orders_and_whose_yes_it_waits_for(desk: Desk) -> None:
    desk.chronicle.planned(plan(steps=(step("1"), step("2")), orders=(text("order a drive"),)))
    told = desk.news()
    assert len(told) == 4
    assert "order a drive" in told[-1]
    desk.chronicle.planned(plan(consent=Consent.OPERATOR))
    assert len(desk.news()) == 2


def test_a_plan_that_does_not_fit_tells_its_misfits_only(desk: Desk) -> None:
    desk.chronicle.planned(plan(misfits=(misfit("db"), misfit("app"))))
    (told,) = desk.news()
    assert "128 MiB short" in told
    assert "db" in told
    assert "app" in told


def test_each_state_of_a_step_is_told_once(desk: Desk) -> None:
    moved = receipt(state=StepState.DONE).model_copy(update={"measured": {"downtime_ms": 41.7}})
    for one in (receipt(state=StepState.STARTED), moved, receipt(state=StepState.STUCK, note="no way back")):
        desk.chronicle.write(one, step())
        desk.restart()
        desk.chronicle.write(one, step())
        assert desk.chronicle.read("p1", "1") == one
    started, done, stuck = desk.news()
    assert "step 1" in started
    assert "42 ms" in done
    assert "no way back" in stuck


def test_an_undone_step_is_told_in_the_words_of_its_undo(desk: Desk) -> None:
    desk.chronicle.write(receipt(state=StepState.FAILED, note="h2 is full"), step())
    desk.chronicle.write(receipt(state=StepState.UNDONE), step())
    failed, undone = desk.news()
    assert "h2 is full" in failed
    assert "undo 1" in undone


def test_the_three_ends_of_a_plan_read_differently(desk: Desk) -> None:
    for state in (PlanState.DONE, PlanState.UNWOUND, PlanState.STUCK):
        desk.chronicle.ended(plan(), state)
    assert len(set(desk.news())) == 3


def test_every_claim_of_a_proof_is_told_with_its_verdict(desk: Desk) -> None:
    claims = tuple(Claim(id="c", subject="vm/db", verdict=one, text=text("it runs")) for one in Verdict)
    desk.chronicle.proved(
        Proof(plan="p1", at_s=T0, verdict=Verdict.BROKEN, claims=claims, pauses=(), probes=())
    )
    told = desk.news()
    assert len(set(told)) == 3
    assert all("it runs" in line for line in told)


def test_an_entry_may_be_about_an_earlier_moment(desk: Desk) -> None:
    desk.chronicle.tell(Room.LAB, "host/h1", text("broken"), at_s=T0 - 7, fault="disk")
    (entry,) = desk.store.entries(0, 5)
    assert (entry.at_s, entry.refs) == (T0 - 7, {"fault": "disk"})
