"""Who goes where? All fit, or nobody is moved and each misfit is explained. Pure."""

from collections.abc import Sequence

from shuishan.catalog.policies import PlacementRules
from shuishan.decide.greedy import greedy
from shuishan.decide.misfit import explain
from shuishan.decide.price import price, price_floor
from shuishan.decide.room import Displaced, Filling, Placement, Room
from shuishan.decide.solve import cheapest, most
from shuishan.model.plan import Misfit


def place(vms: Sequence[Displaced], hosts: Sequence[Room], rules: PlacementRules) -> Placement:
    """A host for every VM, as cheap as the rules' effort finds; or no host for any, with reasons.

    vms:   each name once
    hosts: each name once; closed ones are no targets, but may be named as what would help
    Never breaks memory, CPU, architecture, anti-affinity or a closed host. Misfits come nearest to a
    patient first. The same question gets the same answer.
    Raises ValueError when a name is there twice.
    """
    _each_once([vm.vm for vm in vms], "VM")
    _each_once([room.host for room in hosts], "host")
    # The order in which the caller lists things must not change the answer.
    vms = sorted(vms, key=lambda vm: vm.vm)
    rooms = sorted(hosts, key=lambda room: room.host)
    if not vms:
        return Placement(target={})
    target = greedy(vms, rooms, rules)
    proven = False
    if len(target) < len(vms):
        solved = most(vms, rooms, rules, hint=target)
        target, proven = solved.target, solved.proven
    if len(target) < len(vms):
        return Placement(target={}, misfits=_explained(vms, rooms, target), proven=proven)
    cost = price(target, vms, rooms, rules)
    if cost <= price_floor(vms, rooms, rules):
        return Placement(target=target, cost=cost)
    solved = cheapest(vms, rooms, rules, hint=target)
    # The solver may stop at its limit with something no better than the hint.
    best = min((solved.target, target), key=lambda found: price(found, vms, rooms, rules))
    return Placement(target=best, cost=price(best, vms, rooms, rules), proven=solved.proven)


def _explained(vms: Sequence[Displaced], rooms: Sequence[Room], target: dict[str, str]) -> tuple[Misfit, ...]:
    filling = Filling(rooms)
    for vm in vms:
        if vm.vm in target:
            filling.put(vm, target[vm.vm])
    left = sorted(
        (vm for vm in vms if vm.vm not in target), key=lambda vm: (vm.care_rank, vm.start_order, vm.vm)
    )
    return tuple(explain(vm, filling) for vm in left)


def _each_once(names: Sequence[str], kind: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{kind} {name} is listed twice")
        seen.add(name)
