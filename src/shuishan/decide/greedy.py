"""A first placement in milliseconds: the solver's hint, and the answer when the solver has no time."""

from collections.abc import Sequence

from shuishan.catalog.policies import PlacementRules
from shuishan.decide.price import mean_percent, points_above, racks_by_system, vm_price
from shuishan.decide.room import Displaced, Filling, Room


def greedy(vms: Sequence[Displaced], rooms: Sequence[Room], rules: PlacementRules) -> dict[str, str]:
    """VM name -> host name for as many as fit: by price, and if that leaves somebody out, by size.

    A placement that leaves a VM out is returned too, whichever of the two places more.
    """
    by_price = cheapest_fit(vms, rooms, rules)
    if len(by_price) == len(vms):
        return by_price
    by_size = first_fit_decreasing(vms, rooms)
    return by_size if len(by_size) > len(by_price) else by_price


def cheapest_fit(vms: Sequence[Displaced], rooms: Sequence[Room], rules: PlacementRules) -> dict[str, str]:
    """Each VM, those with fewest choices and largest first, on the host where it costs least."""
    filling = Filling(rooms)
    racks = racks_by_system(rooms)
    mean, full = mean_percent(vms, rooms), round(rules.full_percent)
    choices = {vm.vm: [room for room in rooms if room.admits(vm)] for vm in vms}
    target: dict[str, str] = {}

    def marginal(vm: Displaced, room: Room) -> tuple[int, int, str]:
        capacity_bytes = room.memory_bytes
        before_bytes = capacity_bytes - filling.memory_free_bytes[room.host]
        after_bytes = before_bytes + vm.memory_bytes
        cost = vm_price(vm, room, rules)
        for weight, percent in ((rules.weight_balance, mean), (rules.weight_full, full)):
            above = points_above(after_bytes, capacity_bytes, percent)
            cost += weight * (above - points_above(before_bytes, capacity_bytes, percent))
        if vm.system is not None and room.rack not in racks.get(vm.system, ()):
            cost -= rules.weight_rack
        # Equal prices: the emptiest host, then by name, so that equal questions get equal answers.
        return cost, after_bytes * 1000 // max(1, capacity_bytes), room.host

    for vm in sorted(vms, key=lambda vm: (len(choices[vm.vm]), -vm.memory_bytes, vm.vm)):
        fitting = [room for room in choices[vm.vm] if filling.admits(vm, room.host)]
        if fitting:
            room = min(fitting, key=lambda room: marginal(vm, room))
            filling.put(vm, room.host)
            target[vm.vm] = room.host
            if vm.system is not None:
                racks.setdefault(vm.system, set()).add(room.rack)
    return target


def first_fit_decreasing(vms: Sequence[Displaced], rooms: Sequence[Room]) -> dict[str, str]:
    """The textbook heuristic: largest first, on the first host (by name) that takes it."""
    filling = Filling(rooms)
    hosts = sorted(filling.rooms)
    target: dict[str, str] = {}
    for vm in sorted(vms, key=lambda vm: (-vm.memory_bytes, -vm.cpu_count, vm.vm)):
        host = next((host for host in hosts if filling.admits(vm, host)), None)
        if host is not None:
            filling.put(vm, host)
            target[vm.vm] = host
    return target
