"""One story as a report: where it begins, what belongs to it, how it ends."""

import pytest
from tests.unit.app.words import T0, diagnosis, finding, misfit, plan, status, step, text

from shuishan.app.story import first_sign_s, report_of, sealed, told_of, verdict_of, witnessed
from shuishan.model.plan import PlanState
from shuishan.model.proof import Claim, Pause, ProbeSummary, Proof, Verdict
from shuishan.model.status import PlanStatus, Report, SiteStatus
from shuishan.model.timeline import Entry, Room

SITE = SiteStatus(
    name="sim",
    version="0",
    at_s=T0,
    turn=1,
    turn_ms=1,
    hosts=(),
    systems=(),
    diagnosis=diagnosis(finding()),
    plans=(),
)


def entry(at_s: float, room: Room, subject: str = "host/h1") -> Entry:
    return Entry(at_s=at_s, room=room, subject=subject, text=text(f"{room} {at_s}"))


def probe(asked: int = 10, lost: int = 0) -> ProbeSummary:
    return ProbeSummary(
        system="clerk",
        from_s=T0,
        to_s=T0,
        asked=asked,
        answered=asked - lost,
        lost=lost,
        latency_p50_ms=1,
        latency_max_ms=2,
    )


def proven(verdict: Verdict, *, id: str = "p1") -> PlanStatus:
    claim = Claim(id="c", subject="vm/db", verdict=verdict, text=text("the claim"))
    pause = Pause(vm="db", source="h1", target="h2", downtime_ms=40, total_ms=900)
    proof = Proof(plan=id, at_s=T0, verdict=verdict, claims=(claim,), pauses=(pause,), probes=(probe(),))
    return status(plan(id, steps=(step(),))).model_copy(update={"proof": proof})


def report(chosen: PlanStatus | None = None, related: tuple[PlanStatus, ...] = ()) -> Report:
    return report_of(SITE, chosen, related, [], T0)


def test_a_story_begins_with_the_first_evidence_of_what_its_plan_answers() -> None:
    signs = [finding(at_s=T0 - 50), finding("h2", at_s=T0 - 90)]
    assert first_sign_s(status(plan()), signs) == T0 - 50
    assert first_sign_s(status(plan(because=())), signs) == T0


def test_of_what_was_before_only_the_last_thing_broken_on_the_subject_is_told() -> None:
    early = entry(1, Room.LAB)
    cause = entry(2, Room.LAB)
    elsewhere = entry(3, Room.LAB, "host/h2")
    chatter = entry(4, Room.SENSE)
    asked = entry(5, Room.PEOPLE)
    sign, after = entry(10, Room.SENSE), entry(11, Room.ACT, "vm/db")
    told = told_of("host/h1", [early, cause, elsewhere, chatter, asked, sign, after], 10)
    assert told == [cause, sign, after]
    assert told_of("host/h3", [early, sign], 10) == [sign]


@pytest.mark.parametrize(
    ("plans", "says"),
    [
        ((), "1"),
        ((status(plan(misfits=(misfit(),)), PlanState.REFUSED),), "128 MiB short"),
        ((status(plan(), PlanState.RUNNING),), "plan p1"),
        ((proven(Verdict.BROKEN),), "the claim"),
        ((proven(Verdict.UNKNOWN),), "the claim"),
        ((proven(Verdict.HELD),), "10"),
        ((proven(Verdict.BROKEN), proven(Verdict.HELD, id="p2")), "10"),  # the last one decides
    ],
)
def test_the_verdict_is_one_sentence_in_two_languages(plans: tuple[PlanStatus, ...], says: str) -> None:
    verdict = verdict_of(plans, SITE.diagnosis, (), [probe()])
    assert says in verdict.en
    assert verdict.zh
    assert verdict.zh != verdict.en


def test_verdicts_differ() -> None:
    verdicts = [verdict_of((proven(one),), SITE.diagnosis, (), [probe()]).en for one in Verdict]
    assert len(set(verdicts)) == 3


def test_the_digest_covers_the_content() -> None:
    one = report(proven(Verdict.HELD))
    assert one.digest == sealed(one).digest
    assert len(one.digest) == 64
    changed = one.model_copy(update={"made_at_s": T0 + 1})
    assert sealed(changed).digest != one.digest
    assert report(proven(Verdict.BROKEN)).digest != one.digest


def test_what_a_client_outside_saw_changes_verdict_and_digest() -> None:
    one = report(proven(Verdict.HELD))
    seen = witnessed(one, probe(asked=77, lost=3))
    assert seen.probes == (*one.probes, probe(asked=77, lost=3))
    assert "87" in seen.verdict.en
    assert "3" in seen.verdict.en
    assert seen.digest != one.digest
    assert seen.digest == sealed(seen).digest


def test_the_chosen_plan_is_told_once_and_last() -> None:
    first, last = proven(Verdict.BROKEN), proven(Verdict.HELD, id="p2")
    assert report(last, (first,)).plans == (first, last)
    assert report(last, (first, last)).plans == (first, last)
    assert report(last, (first,)).placement_before == {"db": "h1"}


def test_a_quiet_site_has_a_report_too() -> None:
    quiet = report()
    assert quiet.plans == ()
    assert "sim" in quiet.title.en
