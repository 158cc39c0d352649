"""Findings in, plans or reasons out."""

import pytest
from tests.unit.decide.decide_world import (
    HIS,
    HOSTS,
    NOW_S,
    blind,
    deeds,
    diagnosis,
    finding,
    host,
    moves,
    pcie,
    site,
    status,
    system,
    vm,
)

from shuishan.catalog.policies import Policy, default_policy
from shuishan.decide.decide import decide
from shuishan.model.finding import Diagnosis, Finding, Severity
from shuishan.model.plan import Consent, Decision, OnFailure, Plan, PlanState
from shuishan.model.signal import Source
from shuishan.model.site import CareTier, SiteView, VmState
from shuishan.model.status import PlanStatus

POLICY = default_policy()
BUSY = {"h1": ["his-db", "his-app"]}


def decided(
    view: SiteView,
    seen: Diagnosis,
    *plans: PlanStatus,
    policy: Policy = POLICY,
    now_s: float = NOW_S,
) -> Decision:
    return decide(view, seen, policy, plans=plans, now_s=now_s)


def only_plan(decision: Decision) -> Plan:
    assert len(decision.plans) == 1, decision
    return decision.plans[0]


def held_reason(decision: Decision, found: Finding) -> str:
    return next(held.reason.en for held in decision.held if held.finding == found.id)


def test_nothing_found_nothing_done() -> None:
    assert decided(site(BUSY), diagnosis()) == Decision(plans=())


def test_a_drive_about_to_fail_empties_its_host() -> None:
    plan = only_plan(decided(site(BUSY), diagnosis(finding())))
    assert deeds(plan) == ["host.cordon h1", "vm.move his-db", "vm.move his-app"]
    assert [step.id for step in plan.steps] == ["1", "2", "3"]
    assert set(moves(plan).values()) == {"h2", "h3"}, "a system is spread over racks"
    assert plan.consent is Consent.AUTOMATIC
    assert plan.because == (finding().id,)
    assert plan.on_failure is OnFailure.UNDO_STEP, "nobody is sent back to a failing host"
    assert all(step.undo_text is not None for step in plan.steps)
    assert [premise.fact for premise in plan.steps[1].premises] == [
        "vm_on_host",
        "host_answers",
        "host_not_cordoned",
        "host_fits_vm",
    ]
    assert [order.en for order in plan.orders] == [
        "Order an NVMe drive for h1/nvme0 and replace it: spare blocks run out"
    ]
    assert plan.title.zh == "清空 h1（需迁移 2 台虚拟机）：备用块即将耗尽"


def test_vms_nearest_to_a_patient_leave_first() -> None:
    icu = system("icu", vm("z-monitor"), tier=CareTier.LIFE_CRITICAL)
    lab = system("toy", vm("a-toy"), tier=CareTier.TEST)
    view = site({"h1": ["a-toy", "his-app", "his-db", "z-monitor"]}, systems=(HIS, icu, lab))
    plan = only_plan(decided(view, diagnosis(finding(predicted=False))))
    assert list(moves(plan)) == ["z-monitor", "his-db", "his-app", "a-toy"]


def test_life_critical_systems_are_asked_for_while_there_is_time() -> None:
    icu = system("icu", vm("monitor"), tier=CareTier.LIFE_CRITICAL)
    view = site({"h1": ["monitor"]}, systems=(icu,))
    assert only_plan(decided(view, diagnosis(finding()))).consent is Consent.OPERATOR
    now = diagnosis(finding(predicted=False), finding(component="nvme1"))
    assert only_plan(decided(view, now)).consent is Consent.AUTOMATIC


def test_an_empty_host_is_only_cordoned() -> None:
    assert deeds(only_plan(decided(site({}), diagnosis(finding())))) == ["host.cordon h1"]


def test_a_cordon_set_by_somebody_else_is_not_ours_to_set_or_undo() -> None:
    plan = only_plan(decided(site(BUSY, cordoned=["h1"]), diagnosis(finding())))
    assert deeds(plan) == ["vm.move his-db", "vm.move his-app"]


def test_a_vm_shut_off_stays_and_one_in_unknown_state_leaves() -> None:
    view = site(BUSY, states={"his-db": VmState.SHUT_OFF, "his-app": VmState.UNKNOWN})
    assert list(moves(only_plan(decided(view, diagnosis(finding()))))) == ["his-app"]


def test_done_is_done() -> None:
    plan = only_plan(decided(site(BUSY), diagnosis(finding())))
    after = site({"h2": ["his-db", "his-app"]}, cordoned=["h1"])
    decision = decided(after, diagnosis(finding()), status(plan, PlanState.DONE))
    assert decision.plans == ()
    assert held_reason(decision, finding()) == "h1 is already empty and cordoned"


def test_a_host_emptied_by_hand_still_needs_its_part() -> None:
    after = site({"h2": ["his-db"]}, cordoned=["h1"])
    plan = only_plan(decided(after, diagnosis(finding())))
    assert (plan.steps, len(plan.orders)) == ((), 1)
    again = decided(after, diagnosis(finding()), status(plan, PlanState.DONE))
    assert again.plans == ()
    assert "already empty" in held_reason(again, finding())


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (PlanState.PROPOSED, "is waiting for a yes"),
        (PlanState.RUNNING, "is under way"),
        (PlanState.STUCK, "a person has to look first"),
    ],
)
def test_an_open_plan_on_the_host_holds_everything_else_on_it(state: PlanState, words: str) -> None:
    plan = only_plan(decided(site(BUSY), diagnosis(finding())))
    late = pcie()
    decision = decided(site(BUSY), diagnosis(finding(), late), status(plan, state))
    assert decision.plans == ()
    assert words in held_reason(decision, finding())
    assert words in held_reason(decision, late)


def test_a_vm_in_the_hands_of_another_plan_is_waited_for() -> None:
    other = only_plan(decided(site(BUSY), diagnosis(finding())))
    other = other.model_copy(update={"subject": "system/his"})
    decision = decided(site(BUSY), diagnosis(finding()), status(other, PlanState.RUNNING))
    assert f"plan {other.id} is at work on his-db" in held_reason(decision, finding())


def test_an_undone_plan_is_tried_again_after_a_pause_and_not_with_the_same_target() -> None:
    first = only_plan(decided(site({"h1": ["his-db"]}), diagnosis(finding())))
    target = moves(first)["his-db"]
    undone = status(first, PlanState.UNWOUND, broke_at="2")
    soon = decided(site({"h1": ["his-db"]}), diagnosis(finding()), undone, now_s=NOW_S + 1)
    assert (
        held_reason(soon, finding())
        == "plans on host/h1 undone in a row: 1; the next attempt comes 5 s after the last"
    )
    later = decided(site({"h1": ["his-db"]}), diagnosis(finding()), undone, now_s=NOW_S + 6)
    assert moves(only_plan(later))["his-db"] != target


def test_a_plan_that_keeps_failing_waits_twice_as_long_each_time() -> None:
    view = site({"h1": ["his-db"]})
    plan = only_plan(decided(view, diagnosis(finding())))
    undone = [
        status(plan.model_copy(update={"at_s": NOW_S + n}), PlanState.UNWOUND, broke_at="2", ended_at_s=NOW_S)
        for n in range(4)
    ]
    assert decided(view, diagnosis(finding()), *undone, now_s=NOW_S + 39).plans == ()
    assert decided(view, diagnosis(finding()), *undone, now_s=NOW_S + 41).plans != ()
    for_ever = undone * 100
    assert decided(view, diagnosis(finding()), *for_ever, now_s=NOW_S + 601).plans != ()


def test_a_host_that_failed_as_a_target_is_still_better_than_none() -> None:
    view = site({"h1": ["his-db"]}, silent=["h3"])
    plan = only_plan(decided(view, diagnosis(finding())))
    undone = status(plan, PlanState.UNWOUND, broke_at="2")
    again = decided(view, diagnosis(finding()), undone, now_s=NOW_S + 6)
    assert moves(only_plan(again)) == {"his-db": "h2"}


def test_what_a_person_declined_is_not_proposed_again_until_something_new_is_found() -> None:
    plan = only_plan(decided(site(BUSY), diagnosis(finding())))
    declined = status(plan, PlanState.REFUSED)
    decision = decided(site(BUSY), diagnosis(finding()), declined)
    assert "a person said no" in held_reason(decision, finding())
    new = finding(component="nvme1")
    assert only_plan(decided(site(BUSY), diagnosis(finding(), new), declined)).steps


def test_a_plan_that_does_not_fit_moves_nobody_and_says_what_is_short() -> None:
    hosts = (host("h1"), host("h2", memory_mib=768), host("h3", rack="b", memory_mib=512))
    view = site({"h1": ["his-db", "his-app"], "h2": ["x"], "h3": ["y"]}, hosts=hosts)
    plan = only_plan(decided(view, diagnosis(finding())))
    assert plan.steps == ()
    assert not plan.fits
    assert plan.orders, "the part is needed all the same"
    assert [misfit.vm for misfit in plan.misfits] == ["his-db", "his-app"]
    assert plan.misfits[0].nearest_host == "h2"
    assert plan.misfits[0].nearest_miss.en == "needs 512 MiB, h2 has 256 MiB free: 256 MiB short"
    assert plan.title.en.startswith("h1 should be emptied, but 2 of 2 VMs fit nowhere")
    again = decided(view, diagnosis(finding()), status(plan, PlanState.REFUSED))
    assert again.plans == ()
    assert "still fit nowhere" in held_reason(again, finding())
    roomier = site({"h1": ["his-db", "his-app"], "h2": ["x"]}, hosts=(host("h1"), host("h2")))
    assert only_plan(decided(roomier, diagnosis(finding()), status(plan, PlanState.REFUSED))).fits


def test_two_failing_hosts_are_emptied_together_and_never_into_each_other() -> None:
    hosts = (*HOSTS, host("h4", rack="b"))
    view = site({"h1": ["his-db"], "h2": ["his-app"]}, hosts=hosts)
    decision = decided(view, diagnosis(finding("h2"), finding("h1")))
    assert sorted(plan.subject for plan in decision.plans) == ["host/h1", "host/h2"]
    assert set(moves(decision.plans[0]).values()) | set(moves(decision.plans[1]).values()) <= {"h3", "h4"}


def test_when_only_one_of_two_hosts_fits_it_is_the_one_nearer_to_a_patient() -> None:
    toy = system("toy", vm("toy-1"), tier=CareTier.TEST)
    hosts = (host("h1"), host("h2"), host("h3", memory_mib=512))
    view = site({"h1": ["toy-1"], "h2": ["his-db"]}, hosts=hosts, systems=(HIS, toy))
    by_subject = {plan.subject: plan for plan in decided(view, diagnosis(finding("h1"), finding("h2"))).plans}
    assert moves(by_subject["host/h2"]) == {"his-db": "h3"}
    assert [misfit.vm for misfit in by_subject["host/h1"].misfits] == ["toy-1"]


def test_silence_alone_moves_nobody() -> None:
    decision = decided(site(BUSY), diagnosis(blinds=[blind("h1"), blind("h1", Source.KERNEL_LOG)]))
    assert decision.plans == ()
    assert [held.finding for held in decision.held] == ["blind:h1/bmc_sensor", "blind:h1/kernel_log"]
    assert "silence is no reason to move" in decision.held[0].reason.en


def test_a_silent_host_cannot_be_emptied_live() -> None:
    decision = decided(site({}, silent=["h1"]), diagnosis(finding()))
    assert decision.plans == ()
    assert "h1 gives no answer" in held_reason(decision, finding())


def test_a_host_nobody_hears_is_no_target_and_one_without_bmc_only_a_second_choice() -> None:
    view = site({"h1": ["his-db"]})
    deaf = diagnosis(finding(), blinds=[blind("h3", Source.KERNEL_LOG)])
    assert moves(only_plan(decided(view, deaf))) == {"his-db": "h2"}
    for other, expected in (("h2", "h3"), ("h3", "h2")):
        seen = diagnosis(finding(), blinds=[blind(other)])
        assert moves(only_plan(decided(view, seen))) == {"his-db": expected}
    both = diagnosis(finding(), blinds=[blind("h2"), blind("h3")])
    assert moves(only_plan(decided(view, both)))


def test_below_the_threshold_nothing_happens_and_the_numbers_are_named() -> None:
    unsure = finding(probability=0.5)
    decision = decided(site(BUSY), diagnosis(unsure))
    assert decision.plans == ()
    assert held_reason(decision, unsure) == "50 % sure; rule predicted acts from 70 %"


def test_pcie_errors_on_one_device_are_looked_at_by_a_person_once() -> None:
    plan = only_plan(decided(site(BUSY), diagnosis(pcie())))
    assert plan.steps == ()
    assert plan.orders[0].en.startswith("Inspect h1/0000:00:04.0: reseat the card")
    again = decided(site(BUSY), diagnosis(pcie()), status(plan, PlanState.DONE))
    assert again.plans == ()
    assert "asked already" in held_reason(again, pcie())


def test_uncorrectable_pcie_errors_empty_the_host() -> None:
    fatal = finding(issue="pcie.fatal", component="0000:00:04.0", predicted=False, horizon_s=None)
    plan = only_plan(decided(site(BUSY), diagnosis(fatal, pcie())))
    assert len(moves(plan)) == 2
    assert set(plan.because) == {fatal.id, pcie().id}, "what else is wrong with the host is asked for too"


def test_what_matters_in_months_is_ordered_not_fled_from() -> None:
    plan = only_plan(decided(site(BUSY), diagnosis(finding(horizon_s=90 * 86400))))
    assert (plan.steps, len(plan.orders)) == ((), 1)


def test_information_is_kept_for_the_record() -> None:
    note = finding(severity=Severity.INFO, evacuate=False)
    decision = decided(site(BUSY), diagnosis(note))
    assert decision.plans == ()
    assert held_reason(decision, note).startswith("policy default, rule everything_else")


def test_a_finding_on_a_host_nobody_registered_is_held() -> None:
    stranger = finding("h9")
    decision = decided(site(BUSY), diagnosis(stranger))
    assert "h9 is not a registered host" in held_reason(decision, stranger)


def test_hosts_in_doubt_are_avoided_and_bad_ones_excluded() -> None:
    view = site({"h1": ["his-db"]})
    warned = diagnosis(finding(), pcie("h2"))
    plans = decided(view, warned).plans
    assert moves(plans[0]) == {"his-db": "h3"}
    suspected = finding("h2", probability=0.4, predicted=False)
    assert moves(decided(view, diagnosis(finding(), suspected)).plans[0]) == {"his-db": "h3"}


def test_cordoned_and_critical_hosts_are_no_targets_even_when_nothing_else_is_left() -> None:
    view = site({"h1": ["his-db"]}, cordoned=["h2", "h3"])
    assert not only_plan(decided(view, diagnosis(finding()))).fits
    suspected = [finding(name, probability=0.4, evacuate=False) for name in ("h2", "h3")]
    by_subject = {
        plan.subject: plan
        for plan in decided(site({"h1": ["his-db"]}), diagnosis(finding(), *suspected)).plans
    }
    assert not by_subject["host/h1"].fits


def test_a_vm_that_is_only_arriving_is_not_sent_away() -> None:
    view = site({"h1": ["his-db", "his-app"], "h2": ["his-app"]})
    arriving = view.seen[0].vms[1].model_copy(update={"state": VmState.PAUSED})
    first = view.seen[0].model_copy(update={"vms": (view.seen[0].vms[0], arriving)})
    view = view.model_copy(update={"seen": (first, *view.seen[1:])})
    assert list(moves(only_plan(decided(view, diagnosis(finding()))))) == ["his-db"]


def test_room_promised_to_a_running_plan_is_not_given_away_twice() -> None:
    hosts = (host("h1"), host("h2"), host("h3", memory_mib=512), host("h4", memory_mib=512))
    view = site({"h1": ["his-db"], "h2": ["his-app"]}, hosts=hosts)
    both = diagnosis(finding("h1"), finding("h2"))
    for subject in ("host/h1", "host/h2"):
        running = next(plan for plan in decided(view, both).plans if plan.subject == subject)
        other = only_plan(decided(view, both, status(running, PlanState.RUNNING)))
        assert {*moves(running).values(), *moves(other).values()} == {"h3", "h4"}


def test_several_moves_at_once_are_numbered_in_waves() -> None:
    policy = POLICY.model_copy(update={"moves_at_once": 2})
    view = site({"h1": ["his-db", "his-app", "x"]})
    plan = only_plan(decided(view, diagnosis(finding()), policy=policy))
    assert [step.params.get("wave") for step in plan.steps] == [None, "1", "1", "2"]
