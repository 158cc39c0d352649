"""What holds for every site, whatever is found on it."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.decide.decide_world import MIB, NOW_S, finding, host, site, system, vm

from shuishan.catalog.policies import default_policy
from shuishan.decide.decide import decide
from shuishan.model.finding import Blind, Diagnosis, Severity
from shuishan.model.signal import Source
from shuishan.model.site import CareTier, HostState, SiteView

POLICY = default_policy()
NAMES = ["h1", "h2", "h3", "h4", "h5"]
ESSENTIAL = POLICY.placement.essential_senses


@st.composite
def situations(draw: st.DrawFn) -> tuple[SiteView, Diagnosis]:
    hosts = [host(name, rack=name, memory_mib=draw(st.sampled_from([512, 2048, 4096]))) for name in NAMES]
    systems = [
        system(
            f"s{n}",
            vm(f"s{n}-db", memory_mib=draw(st.sampled_from([256, 512, 1024]))),
            vm(f"s{n}-app", start_order=1),
            tier=draw(st.sampled_from(list(CareTier))),
            apart=((f"s{n}-db", f"s{n}-app"),) if draw(st.booleans()) else (),
        )
        for n in range(draw(st.integers(0, 3)))
    ]
    where: dict[str, list[str]] = {}
    for one in systems:
        for spec in one.vms:
            where.setdefault(draw(st.sampled_from(NAMES)), []).append(spec.name)
    some = st.lists(st.sampled_from(NAMES), unique=True, max_size=2)
    view = site(where, hosts=hosts, systems=systems, cordoned=draw(some), silent=draw(some))
    findings = {
        one.id: one
        for one in draw(
            st.lists(
                st.builds(
                    finding,
                    st.sampled_from([*NAMES, "h9"]),
                    component=st.sampled_from(["nvme0", "DIMM_A1"]),
                    severity=st.sampled_from(list(Severity)),
                    probability=st.sampled_from([0.1, 0.5, 0.75, 0.99]),
                    predicted=st.booleans(),
                    evacuate=st.booleans(),
                ),
                max_size=5,
            )
        )
    }
    blinds = draw(
        st.lists(
            st.builds(
                Blind,
                host=st.sampled_from(NAMES),
                source=st.sampled_from(list(Source)),
                since_s=st.just(NOW_S),
                reason=st.just("refused"),
            ),
            max_size=3,
            unique_by=lambda blind: (blind.host, blind.source),
        )
    )
    return view, Diagnosis(at_s=NOW_S, findings=tuple(findings.values()), blind=tuple(blinds))


@settings(max_examples=100, deadline=None)
@given(situations())
def test_every_finding_is_answered_once_and_no_subject_has_two_plans(
    situation: tuple[SiteView, Diagnosis],
) -> None:
    view, diagnosis = situation
    decision = decide(view, diagnosis, POLICY, now_s=NOW_S)
    answered = [found for plan in decision.plans for found in plan.because]
    answered += [held.finding for held in decision.held]
    expected = [found.id for found in diagnosis.findings]
    expected += [f"blind:{blind.host}/{blind.source.value}" for blind in diagnosis.blind]
    assert sorted(answered) == sorted(expected)
    subjects = [plan.subject for plan in decision.plans]
    assert len(subjects) == len(set(subjects))
    assert all(plan.steps == () for plan in decision.plans if plan.misfits)


@settings(max_examples=100, deadline=None)
@given(situations())
def test_nothing_is_moved_to_a_host_that_should_not_take_it(situation: tuple[SiteView, Diagnosis]) -> None:
    view, diagnosis = situation
    decision = decide(view, diagnosis, POLICY, now_s=NOW_S)
    moves = [step.params for plan in decision.plans for step in plan.steps if step.action == "vm.move"]
    targets = {move["target"] for move in moves}
    assert targets.isdisjoint(view.cordoned)
    assert targets.isdisjoint(one.name for one in view.seen if one.state is not HostState.ANSWERING)
    assert targets.isdisjoint(blind.host for blind in diagnosis.blind if blind.source in ESSENTIAL)
    assert targets.isdisjoint(
        one.host
        for one in diagnosis.findings
        if one.severity is Severity.CRITICAL and one.probability >= POLICY.placement.distrust_probability
    )
    assert targets.isdisjoint(plan.subject.removeprefix("host/") for plan in decision.plans if plan.steps)
    for spec in view.hosts:
        used = {one.name: one.memory_bytes for one in view.view(spec.name).vms}
        arrived = {move["vm"] for move in moves if move["target"] == spec.name}
        sizes = {one.name: one.memory_bytes for seen in view.seen for one in seen.vms}
        used |= {name: sizes[name] for name in arrived}
        assert not arrived or sum(used.values()) <= spec.memory_bytes, f"{spec.name}: {used} / {MIB}"
    assert len({move["vm"] for move in moves}) == len(moves)


@settings(max_examples=60, deadline=None)
@given(situations(), st.integers(0, 9))
def test_the_same_facts_in_another_order_give_the_same_decision(
    situation: tuple[SiteView, Diagnosis], seed: int
) -> None:
    view, diagnosis = situation
    shuffle = random.Random(seed)
    other_view = view.model_copy(
        update={
            "hosts": tuple(shuffle.sample(view.hosts, len(view.hosts))),
            "seen": tuple(shuffle.sample(view.seen, len(view.seen))),
        }
    )
    other = diagnosis.model_copy(
        update={"findings": tuple(shuffle.sample(diagnosis.findings, len(diagnosis.findings)))}
    )
    decision = decide(view, diagnosis, POLICY, now_s=NOW_S)
    assert decide(view, diagnosis, POLICY, now_s=NOW_S) == decision
    assert decide(other_view, other, POLICY, now_s=NOW_S) == decision
