"""What a placement costs, in plain Python: the same prices that the solver minimises."""

from collections.abc import Iterable, Mapping, Sequence
from math import gcd

from shuishan.catalog.policies import PlacementRules
from shuishan.decide.room import Displaced, Room


def unit_bytes(vms: Iterable[Displaced]) -> int:
    """The largest unit in which every VM's memory is a whole number.

    Rounding free memory down to it loses nothing, since every sum of needs is a multiple of it too.
    """
    return gcd(*(vm.memory_bytes for vm in vms)) or 1


def mean_percent(vms: Sequence[Displaced], rooms: Sequence[Room]) -> int:
    """Memory use of all open rooms together once all `vms` are placed, in whole percent, rounded up."""
    open_rooms = [room for room in rooms if room.closed is None]
    capacity_bytes = sum(room.memory_bytes for room in open_rooms)
    if capacity_bytes == 0:
        return 100
    used_bytes = capacity_bytes - sum(room.memory_free_bytes for room in open_rooms)
    used_bytes += sum(vm.memory_bytes for vm in vms)
    return -(-100 * used_bytes // capacity_bytes)


def points_above(used_bytes: int, capacity_bytes: int, percent: int) -> int:
    """By how many whole percentage points use exceeds `percent`, rounded up; 0 when it does not."""
    if capacity_bytes <= 0:
        return 0
    return max(0, -(-(100 * used_bytes - percent * capacity_bytes) // capacity_bytes))


def racks_by_system(rooms: Sequence[Room]) -> dict[str, set[str]]:
    """The racks in which each system has VMs that stay where they are."""
    racks: dict[str, set[str]] = {}
    for room in rooms:
        for guest in room.guests:
            if guest.system is not None:
                racks.setdefault(guest.system, set()).add(room.rack)
    return racks


def price(
    target: Mapping[str, str], vms: Sequence[Displaced], rooms: Sequence[Room], rules: PlacementRules
) -> int:
    """The cost of a complete placement. Lower is better; comparable only for the same question.

    target: VM name -> host name, for every one of `vms`
    """
    by_host = {room.host: room for room in rooms}
    added_bytes: dict[str, int] = {}
    racks = racks_by_system(rooms)
    cost = 0
    for vm in vms:
        room = by_host[target[vm.vm]]
        added_bytes[room.host] = added_bytes.get(room.host, 0) + vm.memory_bytes
        cost += vm_price(vm, room, rules)
        if vm.system is not None:
            racks.setdefault(vm.system, set()).add(room.rack)
    # A system is safest in as many racks as it can be in.
    for system in {vm.system for vm in vms if vm.system is not None}:
        cost -= rules.weight_rack * len(racks[system])
    mean, full = mean_percent(vms, rooms), round(rules.full_percent)
    for room in rooms:
        if room.closed is None:
            used_bytes = room.memory_bytes - room.memory_free_bytes + added_bytes.get(room.host, 0)
            cost += rules.weight_balance * points_above(used_bytes, room.memory_bytes, mean)
            cost += rules.weight_full * points_above(used_bytes, room.memory_bytes, full)
    return cost


def vm_price(vm: Displaced, room: Room, rules: PlacementRules) -> int:
    """What putting this VM there costs, whatever the others do."""
    moves = vm.at is not None and vm.at != room.host
    return rules.weight_move * moves + rules.weight_doubt * room.doubt


def price_floor(vms: Sequence[Displaced], rooms: Sequence[Room], rules: PlacementRules) -> int:
    """No complete placement costs less than this: each price taken at its best, as if alone.

    A placement that reaches it is the best one, and nobody needs to search on. Every VM must have at
    least one host that admits it.
    """
    mean, full = mean_percent(vms, rooms), round(rules.full_percent)
    racks = racks_by_system(rooms)
    within_reach: dict[str, set[str]] = {}
    newcomers: dict[str, int] = {}
    floor = 0
    for vm in vms:
        choices = [room for room in rooms if room.admits(vm)]
        floor += min(vm_price(vm, room, rules) for room in choices)
        if vm.system is not None:
            within_reach.setdefault(vm.system, set()).update(room.rack for room in choices)
            newcomers[vm.system] = newcomers.get(vm.system, 0) + 1
    for system, reachable in within_reach.items():
        already = racks.get(system, set())
        floor -= rules.weight_rack * (len(already) + min(newcomers[system], len(reachable - already)))
    for room in rooms:
        if room.closed is None:
            used_bytes = room.memory_bytes - room.memory_free_bytes
            floor += rules.weight_balance * points_above(used_bytes, room.memory_bytes, mean)
            floor += rules.weight_full * points_above(used_bytes, room.memory_bytes, full)
    return floor
