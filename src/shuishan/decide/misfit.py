"""Why a VM fits nowhere: the nearest host, what it lacks in numbers, and what would help."""

from shuishan.catalog.messages import messages, say
from shuishan.decide.room import Closed, Displaced, Filling, Room
from shuishan.decide.words import either, fill, names, size
from shuishan.model.plan import Misfit
from shuishan.model.word import Text

_HELPS_SHOWN = 3


def explain(vm: Displaced, filling: Filling) -> Misfit:
    """The misfit of `vm`, once all that fit are in `filling`."""
    needs = say("decide.needs", memory=size(vm.memory_bytes), cpus=vm.cpu_count, arch=vm.arch)
    rooms = [room for room in filling.rooms.values() if room.host != vm.at or room.closed is None]
    if vm.only is not None:
        rooms = [room for room in rooms if room.host == vm.only]
    if not rooms:
        none = say("decide.miss.no_host")
        return Misfit(
            vm=vm.vm, needs=needs, nearest_host=None, nearest_miss=none, would_help=_another_host(vm)
        )
    nearest = min(rooms, key=lambda room: _distance(vm, room, filling))
    return Misfit(
        vm=vm.vm,
        needs=needs,
        nearest_host=nearest.host,
        nearest_miss=_miss(vm, nearest, filling),
        would_help=_help(vm, rooms, filling),
    )


def _short_bytes(vm: Displaced, room: Room, filling: Filling) -> int:
    return max(0, vm.memory_bytes - filling.memory_free_bytes[room.host])


def _short_cpus(vm: Displaced, room: Room, filling: Filling) -> int:
    return max(0, vm.cpu_count - filling.cpu_free[room.host])


def _is_silent(room: Room) -> bool:
    """Nothing is known of what it carries, so no number may be named."""
    return room.closed is not None and room.closed.kind == "silent"


def _neighbours(vm: Displaced, room: Room, filling: Filling) -> list[str]:
    """VMs there (or to be there) that must not share a host with `vm`."""
    there = [*room.guests, *filling.added[room.host]]
    return [guest.vm for guest in there if guest.groups & vm.groups]


def _distance(vm: Displaced, room: Room, filling: Filling) -> tuple[bool, bool, bool, bool, int, int, str]:
    """How far a room is from taking `vm`: first what cannot be had for money, then how much is short."""
    return (
        room.arch != vm.arch,
        room.closed is not None,
        _is_silent(room),
        bool(_neighbours(vm, room, filling)),
        _short_bytes(vm, room, filling),
        _short_cpus(vm, room, filling),
        room.host,
    )


def _miss(vm: Displaced, room: Room, filling: Filling) -> Text:
    if room.arch != vm.arch:
        return say("decide.miss.arch", arch=vm.arch, host=room.host, other=room.arch)
    if room.closed is not None:
        return _miss_by_closure(room, room.closed, filling)
    added = [other.vm for other in filling.added[room.host]]
    after = say("decide.miss.memory.after", vms=names(added)) if added else Text(en="", zh="")
    short_bytes, short_cpus = _short_bytes(vm, room, filling), _short_cpus(vm, room, filling)
    if short_bytes:
        free_bytes = vm.memory_bytes - short_bytes
        return fill(
            messages()["decide.miss.memory" if free_bytes >= 0 else "decide.miss.memory.over"],
            need=size(vm.memory_bytes),
            host=room.host,
            free=size(abs(free_bytes)),
            after=after,
            short=size(short_bytes),
        )
    if short_cpus:
        return fill(
            messages()["decide.miss.cpu"],
            need=vm.cpu_count,
            host=room.host,
            free=max(0, vm.cpu_count - short_cpus),
            after=after,
            short=short_cpus,
        )
    return _miss_by_neighbours(vm, room, filling)


def _miss_by_closure(room: Room, closed: Closed, filling: Filling) -> Text:
    if closed.kind == "silent":
        return say("decide.miss.silent", host=room.host)
    free = size(max(0, filling.memory_free_bytes[room.host]))
    return fill(messages()["decide.miss.closed"], host=room.host, free=free, reason=closed.reason)


def _miss_by_neighbours(vm: Displaced, room: Room, filling: Filling) -> Text:
    others = _neighbours(vm, room, filling)
    if others:
        return say("decide.miss.apart", host=room.host, others=names(others), vm=vm.vm)
    # Only reached when the solver stopped before it had tried every exchange.
    return say("decide.miss.exchange", host=room.host, vm=vm.vm)


def _help(vm: Displaced, rooms: list[Room], filling: Filling) -> Text:
    """What a person could do, cheapest first."""
    right = [room for room in rooms if room.arch == vm.arch]
    clear = [room for room in right if not _neighbours(vm, room, filling)]
    helps = [
        _reopen(room)
        for room in clear
        if room.closed is not None
        and room.closed.kind != "leaving"
        and not _short_bytes(vm, room, filling)
        and not _short_cpus(vm, room, filling)
    ]
    open_rooms = [room for room in clear if room.closed is None]
    stop = _stop_somebody(vm, open_rooms, filling)
    if stop is not None:
        helps.insert(0, stop)
    short = [room for room in open_rooms if not _short_cpus(vm, room, filling)]
    if short:
        room = min(short, key=lambda room: (_short_bytes(vm, room, filling), room.host))
        short_bytes = _short_bytes(vm, room, filling)
        if short_bytes:
            helps.append(say("decide.help.memory", short=size(short_bytes), host=room.host))
    elif open_rooms:
        room = min(open_rooms, key=lambda room: (_short_cpus(vm, room, filling), room.host))
        helps.append(say("decide.help.cpu", short=_short_cpus(vm, room, filling), host=room.host))
    if not helps:
        return _another_host(vm)
    return either(helps[:_HELPS_SHOWN])


def _reopen(room: Room) -> Text:
    assert room.closed is not None
    match room.closed.kind:
        case "cordoned":
            return say("decide.help.uncordon", host=room.host)
        case "silent":
            return say("decide.help.silent", host=room.host)
        case "blind":
            return fill(messages()["decide.help.blind"], host=room.host, reason=room.closed.reason)
        case "unhealthy" | "leaving":
            return say("decide.help.unhealthy", host=room.host)


def _stop_somebody(vm: Displaced, rooms: list[Room], filling: Filling) -> Text | None:
    """The smallest VM further from a patient whose stop makes enough room; never one of unknown tier."""
    choices = [
        (guest.memory_bytes, guest.vm, room.host)
        for room in rooms
        for guest in room.guests
        if guest.system is not None
        and guest.care_rank > vm.care_rank
        and guest.memory_bytes >= _short_bytes(vm, room, filling)
        and guest.cpu_count >= _short_cpus(vm, room, filling)
    ]
    if not choices:
        return None
    memory_bytes, name, host = min(choices)
    return say("decide.help.stop", vm=name, host=host, memory=size(memory_bytes))


def _another_host(vm: Displaced) -> Text:
    return say("decide.help.host", arch=vm.arch, memory=size(vm.memory_bytes))
