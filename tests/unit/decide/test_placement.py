"""Placement: never breaks a constraint, finds what there is to find, and explains what there is not."""

import itertools
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shuishan.catalog.policies import PlacementRules
from shuishan.decide.greedy import first_fit_decreasing, greedy
from shuishan.decide.placement import place
from shuishan.decide.price import price, price_floor
from shuishan.decide.room import Closed, Displaced, Guest, Room
from shuishan.model.site import Arch
from shuishan.model.word import Text

GIB = 1024**3
RULES = PlacementRules(effort=0.05)
CORDONED = Closed("cordoned", Text(en="it is cordoned", zh="已被隔离"))
SILENT = Closed("silent", Text(en="it gives no answer", zh="无应答"))


def room(
    name: str,
    *guests: Guest,
    gib: float = 4,
    cpus: int = 16,
    rack: str = "a",
    closed: Closed | None = None,
    doubt: int = 0,
) -> Room:
    return Room(name, "x86_64", rack, int(gib * GIB), cpus, guests, closed, doubt)


def vm(
    name: str,
    gib: float = 1,
    *,
    cpus: int = 1,
    rank: int = 1,
    groups: Sequence[str] = (),
    at: str | None = None,
) -> Displaced:
    return Displaced(
        name, int(gib * GIB), cpus, care_rank=rank, system="his", groups=frozenset(groups), at=at
    )


def guest(name: str, gib: float = 1, *, rank: int = 1, system: str | None = "toy") -> Guest:
    return Guest(name, int(gib * GIB), 1, care_rank=rank, system=system)


def test_nobody_to_place() -> None:
    assert place([], [room("h1")], RULES).target == {}


def test_names_are_unique() -> None:
    with pytest.raises(ValueError, match="VM a is listed twice"):
        place([vm("a"), vm("a")], [], RULES)
    with pytest.raises(ValueError, match="host h1 is listed twice"):
        place([], [room("h1"), room("h1")], RULES)


def test_a_vm_stays_where_it_can() -> None:
    rooms = [room("h1", guest("x", 2)), room("h2")]
    assert place([vm("a", at="h1")], rooms, RULES).target == {"a": "h1"}


def test_a_system_is_spread_over_racks() -> None:
    rooms = [room("h1", rack="a"), room("h2", rack="a"), room("h3", rack="b")]
    target = place([vm("a"), vm("b")], rooms, RULES).target
    assert "h3" in target.values()
    assert set(target.values()) != {"h3"}


def test_headroom_is_left_balanced() -> None:
    target = place([vm(name) for name in "abcd"], [room("h1"), room("h2")], RULES).target
    assert sorted(target.values()) == ["h1", "h1", "h2", "h2"]


def test_a_full_puzzle_that_greedy_misses_is_solved() -> None:
    # Largest first strands a 2; only 4 + 2 + 2 + 2 and 9 + 3 fill both hosts to the last byte.
    vms = [vm(name, gib) for name, gib in zip("abcdef", (9, 4, 3, 2, 2, 2), strict=True)]
    rooms = [room("h1", gib=10), room("h2", gib=12)]
    assert len(greedy(vms, rooms, RULES)) == 5
    assert broken(place(vms, rooms, RULES).target, vms, rooms) == []
    assert len(place(vms, rooms, RULES).target) == 6


def test_cpus_are_counted_even_where_memory_would_be_better_balanced() -> None:
    vms = [vm("a", cpus=2), vm("b", cpus=2)]
    rooms = [room("h1", gib=100, cpus=2), room("h2", gib=4, cpus=2)]
    assert sorted(place(vms, rooms, RULES).target.values()) == ["h1", "h2"]


def test_an_over_full_host_does_not_stop_the_others() -> None:
    rooms = [room("h1", guest("x", 6)), room("h2")]
    assert place([vm("a")], rooms, RULES).target == {"a": "h2"}


@pytest.mark.parametrize(
    ("vms", "rooms", "nearest", "miss", "would_help"),
    [
        (
            [vm("a", 0.5)],
            [room("h2", guest("x", 3.75)), room("h3", guest("y", 4))],
            "h2",
            "needs 512 MiB, h2 has 256 MiB free: 256 MiB short",
            "add 256 MiB of memory to h2",
        ),
        (
            [vm("a", 1, rank=1)],
            [room("h2", guest("big", 2, rank=3), guest("small", 1, rank=2), guest("?", 1, system=None))],
            "h2",
            "needs 1 GiB, h2 has 0 MiB free: 1 GiB short",
            "stop small on h2 (1 GiB, a less vital system); or add 1 GiB of memory to h2",
        ),
        (
            [vm("a", 1)],
            [room("h2", guest("big", 4.5, rank=0))],
            "h2",
            "needs 1 GiB, h2 is over-full by 512 MiB: 1.5 GiB short",
            "add 1.5 GiB of memory to h2",
        ),
        (
            [vm("a", 1, cpus=4)],
            [room("h2", cpus=2)],
            "h2",
            "needs 4 vCPU, h2 can carry 2 more: 2 short",
            "add CPUs to h2 for 2 more vCPU",
        ),
        (
            [vm("a", 1)],
            [room("h2", closed=CORDONED), room("h3", closed=SILENT)],
            "h2",
            "h2 has 4 GiB free, but it is cordoned",
            "lift the cordon of h2; or bring h3 back: it gives no answer",
        ),
        (
            [vm("a", 1)],
            [room("h3", closed=SILENT)],
            "h3",
            "h3 gives no answer, so what it could take is unknown",
            "bring h3 back: it gives no answer",
        ),
        ([vm("a", 1)], [], None, "no other host is registered", "add an x86_64 host with 1 GiB free"),
    ],
)
def test_what_does_not_fit_is_explained(
    vms: list[Displaced], rooms: list[Room], nearest: str | None, miss: str, would_help: str
) -> None:
    placement = place(vms, rooms, RULES)
    assert placement.target == {}
    misfit = placement.misfits[0]
    assert (misfit.nearest_host, misfit.nearest_miss.en) == (nearest, miss)
    assert misfit.would_help.en == would_help


def test_a_vm_that_may_share_with_nobody_is_explained() -> None:
    vms = [vm("a", groups=["g"]), vm("b", groups=["g"])]
    placement = place(vms, [room("h2")], RULES)
    assert placement.target == {}
    assert [misfit.vm for misfit in placement.misfits] == ["b"]
    assert placement.misfits[0].nearest_miss.en == "h2 has room, but a must not share a host with b"
    assert placement.misfits[0].would_help.en == "add an x86_64 host with 1 GiB free"


def test_another_architecture_is_explained() -> None:
    arm = Displaced("a", GIB, 1, arch="aarch64")
    misfit = place([arm], [room("h2")], RULES).misfits[0]
    assert misfit.nearest_miss.en == "needs an aarch64 host; h2 is x86_64"
    assert misfit.needs.en == "1 GiB of memory, 1 vCPU, aarch64"


def test_room_is_counted_after_those_who_do_fit_and_misfits_begin_near_the_patient() -> None:
    vms = [vm("toy", 2, rank=3), vm("icu", 2, rank=0), vm("his", 2, rank=1)]
    placement = place(vms, [room("h2", gib=2.5)], RULES)
    assert [misfit.vm for misfit in placement.misfits] == ["his", "toy"]
    assert (
        placement.misfits[0].nearest_miss.en
        == "needs 2 GiB, h2 has 512 MiB free once icu stand there: 1.5 GiB short"
    )


# ---- whatever the site looks like

_sizes = st.sampled_from([0.5, 1, 2, 3])


@st.composite
def questions(draw: st.DrawFn, most_vms: int = 8, most_rooms: int = 5) -> tuple[list[Displaced], list[Room]]:
    archs: st.SearchStrategy[Arch] = st.sampled_from(["x86_64", "x86_64", "x86_64", "aarch64"])
    group_sets = st.frozensets(st.sampled_from(["g1", "g2"]), max_size=1)
    rooms = [
        Room(
            f"h{n}",
            draw(archs),
            draw(st.sampled_from(["a", "b"])),
            int(draw(st.sampled_from([0, 2, 4, 6.5])) * GIB),
            draw(st.integers(0, 12)),
            tuple(
                Guest(f"g{n}-{k}", int(draw(_sizes) * GIB), 1, system=f"s{k}", groups=draw(group_sets))
                for k in range(draw(st.integers(0, 2)))
            ),
            draw(st.sampled_from([None, None, None, CORDONED, SILENT])),
            draw(st.integers(0, 2)),
        )
        for n in range(draw(st.integers(0, most_rooms)))
    ]
    homes = st.sampled_from([None, *(room.host for room in rooms)])
    vms = [
        Displaced(
            f"v{n}",
            int(draw(_sizes) * GIB),
            draw(st.integers(1, 4)),
            arch=draw(archs),
            care_rank=draw(st.integers(0, 3)),
            system=draw(st.sampled_from([None, "s0", "s1"])),
            groups=draw(group_sets),
            at=draw(homes),
            only=draw(st.sampled_from([None, None, None, *(room.host for room in rooms)])),
        )
        for n in range(draw(st.integers(0, most_vms)))
    ]
    return vms, rooms


def broken(target: Mapping[str, str], vms: Sequence[Displaced], rooms: Sequence[Room]) -> list[str]:
    """Constraints that a placement breaks, by a check that shares no code with the product."""
    wrong: list[str] = []
    for here in rooms:
        coming = [vm for vm in vms if target.get(vm.vm) == here.host]
        if not coming:
            continue
        everybody: list[Guest] = [*here.guests, *coming]
        groups = [group for one in everybody for group in one.groups]
        new_groups = {group for vm in coming for group in vm.groups}
        if here.closed is not None:
            wrong.append(f"{here.host} is closed")
        if sum(one.memory_bytes for one in everybody) > here.memory_bytes:
            wrong.append(f"{here.host} lacks memory")
        if sum(one.cpu_count for one in everybody) > here.cpu_limit:
            wrong.append(f"{here.host} lacks CPU")
        if any(groups.count(group) > 1 for group in new_groups):
            wrong.append(f"{here.host} breaks anti-affinity")
        wrong += [f"{vm.vm} is {vm.arch}" for vm in coming if vm.arch != here.arch]
        wrong += [f"{vm.vm} only on {vm.only}" for vm in coming if vm.only not in (None, here.host)]
    return wrong


@settings(max_examples=80, deadline=None)
@given(questions())
def test_a_placement_never_breaks_a_constraint(question: tuple[list[Displaced], list[Room]]) -> None:
    vms, rooms = question
    placement = place(vms, rooms, RULES)
    assert broken(placement.target, vms, rooms) == []
    if placement.misfits:
        assert placement.target == {}
        ranks = {vm.vm: vm.care_rank for vm in vms}
        reported = [ranks[misfit.vm] for misfit in placement.misfits]
        assert reported == sorted(reported)
    else:
        assert placement.target.keys() == {vm.vm for vm in vms}
        assert placement.cost == price(placement.target, vms, rooms, RULES) if vms else True


@settings(max_examples=80, deadline=None)
@given(questions())
def test_where_first_fit_finds_a_placement_so_do_we_and_order_does_not_matter(
    question: tuple[list[Displaced], list[Room]],
) -> None:
    vms, rooms = question
    placement = place(vms, rooms, RULES)
    found = first_fit_decreasing(vms, rooms)
    if len(found) == len(vms):
        assert not placement.misfits
        assert placement.cost <= (price(found, vms, rooms, RULES) if vms else 0)
    assert place(vms[::-1], rooms[::-1], RULES) == placement


@settings(max_examples=60, deadline=None)
@given(questions(most_vms=4, most_rooms=3))
def test_against_trying_everything(question: tuple[list[Displaced], list[Room]]) -> None:
    vms, rooms = question
    every = (
        dict(zip([vm.vm for vm in vms], hosts, strict=True))
        for hosts in itertools.product([here.host for here in rooms], repeat=len(vms))
    )
    allowed = [target for target in every if not broken(target, vms, rooms)]
    placement = place(vms, rooms, RULES)
    assert bool(placement.misfits) == (not allowed)
    assert placement.proven
    if allowed and vms:
        cheapest = min(price(target, vms, rooms, RULES) for target in allowed)
        assert placement.cost == cheapest
        assert price_floor(vms, rooms, RULES) <= cheapest
