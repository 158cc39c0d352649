"""How systems come up, how they go, and how an operator empties a host."""

import pytest
from tests.unit.decide.decide_world import (
    HIS,
    NOW_S,
    blind,
    deeds,
    diagnosis,
    finding,
    host,
    moves,
    site,
    status,
    system,
    vm,
)

from shuishan.catalog.policies import default_policy
from shuishan.decide.evacuate import plan_drain
from shuishan.decide.systems import plan_apply, plan_remove
from shuishan.model.errors import Conflict, NotFound
from shuishan.model.plan import Consent, OnFailure, PlanState
from shuishan.model.signal import Source
from shuishan.model.site import VmState

POLICY = default_policy()


def test_draining_an_unknown_host_names_the_known_ones() -> None:
    with pytest.raises(NotFound, match="no host h9; registered are: h1, h2, h3"):
        plan_drain(site({}), "h9", POLICY, NOW_S)


def test_draining_a_host_that_gives_no_answer_is_refused() -> None:
    with pytest.raises(Conflict, match="h1 gives no answer"):
        plan_drain(site({}, silent=["h1"]), "h1", POLICY, NOW_S)


def test_draining_needs_nobody_elses_yes_and_is_done_once() -> None:
    plan = plan_drain(site({"h1": ["his-db", "his-app"]}), "h1", POLICY, NOW_S)
    assert deeds(plan) == ["host.cordon h1", "vm.move his-db", "vm.move his-app"]
    assert plan.consent is Consent.AUTOMATIC
    assert plan.on_failure is OnFailure.UNDO_ALL
    assert plan_drain(site({"h2": ["his-db"]}, cordoned=["h1"]), "h1", POLICY, NOW_S).steps == ()


def test_draining_avoids_hosts_in_doubt_and_explains_when_nothing_is_left() -> None:
    view = site({"h1": ["his-db"]})
    seen = diagnosis(finding("h2"))
    assert moves(plan_drain(view, "h1", POLICY, NOW_S, diagnosis=seen)) == {"his-db": "h3"}
    seen = diagnosis(finding("h2"), blinds=[blind("h3", Source.KERNEL_LOG)])
    plan = plan_drain(view, "h1", POLICY, NOW_S, diagnosis=seen)
    assert plan.steps == ()
    assert plan.misfits[0].nearest_miss.en.startswith("h2 has 2 GiB free, but its own hardware is in doubt")
    assert plan.misfits[0].would_help.en == (
        "repair h2; or make h3 readable again (nothing is known from its kernel_log)"
    )


def test_a_new_system_is_created_started_and_awaited_in_order() -> None:
    plan = plan_apply(site({}, systems=()), HIS, POLICY, NOW_S)
    assert deeds(plan) == [
        "vm.create his-db",
        "vm.start his-db",
        "vm.ready his-db",
        "vm.create his-app",
        "vm.start his-app",
        "vm.ready his-app",
    ]
    assert plan.subject == "system/his"
    assert plan.consent is Consent.AUTOMATIC
    assert len({step.params["host"] for step in plan.steps}) == 2
    assert all(step.undo_text is not None for step in plan.steps)


def test_applying_again_does_nothing() -> None:
    assert plan_apply(site({"h1": ["his-db"], "h2": ["his-app"]}), HIS, POLICY, NOW_S).steps == ()


def test_only_what_is_missing_is_done_but_what_it_needs_is_awaited() -> None:
    plan = plan_apply(site({"h1": ["his-db"]}), HIS, POLICY, NOW_S)
    assert deeds(plan) == ["vm.ready his-db", "vm.create his-app", "vm.start his-app", "vm.ready his-app"]


@pytest.mark.parametrize("state", [VmState.SHUT_OFF, VmState.CRASHED])
def test_a_vm_that_lies_somewhere_is_started_there_and_not_made_twice(state: VmState) -> None:
    view = site({"h2": ["his-db"], "h1": ["his-app"]}, states={"his-db": state})
    plan = plan_apply(view, HIS, POLICY, NOW_S)
    assert deeds(plan) == ["vm.start his-db", "vm.ready his-db"]
    assert plan.steps[0].params["host"] == "h2"


@pytest.mark.parametrize("state", [VmState.PAUSED, VmState.UNKNOWN])
def test_a_vm_that_may_be_up_is_left_alone(state: VmState) -> None:
    view = site({"h2": ["his-db"], "h1": ["his-app"]}, states={"his-db": state})
    assert plan_apply(view, HIS, POLICY, NOW_S).steps == ()


def test_a_vm_that_may_run_on_a_silent_host_is_not_made_a_second_time() -> None:
    with pytest.raises(Conflict, match="his-db was seen nowhere, and h3 gives no answer and may hold it"):
        plan_apply(site({}, silent=["h3"]), HIS, POLICY, NOW_S)
    new = plan_apply(site({}, systems=(), silent=["h3"]), HIS, POLICY, NOW_S)
    assert {step.params["host"] for step in new.steps} <= {"h1", "h2"}


def test_a_system_that_does_not_fit_is_not_half_made() -> None:
    large = system("emr", vm("emr-db", memory_mib=4096), vm("emr-app"))
    plan = plan_apply(site({}), large, POLICY, NOW_S)
    assert plan.steps == ()
    assert [misfit.vm for misfit in plan.misfits] == ["emr-db"]
    assert plan.misfits[0].would_help.en == "add 2 GiB of memory to h2"  # emr-app stands on h1
    assert plan.title.en == "emr cannot be brought up: 1 of its VMs fit nowhere"


def test_vms_that_must_not_share_a_host_do_not() -> None:
    pair = system("pair", vm("a"), vm("b"), apart=(("a", "b"),))
    plan = plan_apply(site({}, hosts=(host("h1", memory_mib=8192), host("h2"))), pair, POLICY, NOW_S)
    assert {step.params["host"] for step in plan.steps} == {"h1", "h2"}


def test_room_promised_to_another_plan_is_taken() -> None:
    hosts = (host("h1", memory_mib=512), host("h2", memory_mib=512))
    first, second = system("one", vm("one-vm")), system("two", vm("two-vm"))
    running = plan_apply(site({}, hosts=hosts, systems=(first,)), first, POLICY, NOW_S)
    view = site({}, hosts=hosts, systems=(first,))
    other = plan_apply(view, second, POLICY, NOW_S, plans=[status(running, PlanState.RUNNING)])
    assert running.steps[0].params["host"] != other.steps[0].params["host"]


def test_removing_stops_all_before_it_deletes_any_and_cannot_be_undone() -> None:
    plan = plan_remove(site({"h1": ["his-db"], "h2": ["his-app"]}), HIS, NOW_S)
    assert deeds(plan) == [
        "vm.stop his-app",
        "vm.stop his-db",
        "vm.remove his-app",
        "vm.remove his-db",
        "system.forget his",
    ]
    assert [step.undo_text is None for step in plan.steps] == [False, False, True, True, True]


def test_removing_what_is_half_gone_finishes_it() -> None:
    view = site({"h1": ["his-db"]}, states={"his-db": VmState.SHUT_OFF})
    assert deeds(plan_remove(view, HIS, NOW_S)) == ["vm.remove his-db", "system.forget his"]
    assert deeds(plan_remove(site({}), HIS, NOW_S)) == ["system.forget his"]


def test_removing_leaves_nothing_behind_on_a_silent_host() -> None:
    with pytest.raises(Conflict, match="h3 gives no answer and may hold it"):
        plan_remove(site({"h1": ["his-db"]}, silent=["h3"]), HIS, NOW_S)
