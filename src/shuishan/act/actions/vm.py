"""Deeds on VMs. Each looks first: after a crash it may be done already."""

import contextlib

from shuishan.act.deed import Deed, Measured, Params
from shuishan.act.world import World
from shuishan.base.compute.port import Moved
from shuishan.model.errors import EngineRefused, NotFound, PremiseBroken, Silent

_ALIVE = ("running", "paused")


async def move(world: World, params: Params) -> Measured:
    """Live-migrate; measured: downtime_ms, total_ms where the engine says so."""
    name, source, target = params["vm"], params["source"], params["target"]
    here, there = await world.vm_state(name, source), await world.vm_state(name, target)
    if here not in _ALIVE and there == "running":
        return {}  # it arrived while nobody was there to see
    if here not in _ALIVE:
        raise PremiseBroken(f"{name} runs neither on {source} nor on {target}", subject=f"vm/{name}")
    moved = await _move(world, name, source, target)
    figures = {"downtime_ms": moved.downtime_ms, "total_ms": moved.total_ms}
    return {key: value for key, value in figures.items() if value is not None}


async def move_back(world: World, params: Params) -> None:
    """Bring the VM home; where it never left, call off what is under way."""
    name, source, target = params["vm"], params["source"], params["target"]
    if await world.vm_state(name, source) in _ALIVE:
        await world.mover.cancel(name, world.ledger.host_spec(source))
        if await world.vm_state(name, source) in _ALIVE:
            return
    if await world.vm_state(name, target) not in _ALIVE:
        raise EngineRefused(
            f"{name} was found running neither on {source} nor on {target}", subject=f"vm/{name}"
        )
    await _move(world, name, target, source)


async def _move(world: World, vm: str, source: str, target: str) -> Moved:
    return await world.mover.move(
        vm,
        world.ledger.host_spec(source),
        world.ledger.host_spec(target),
        timeout_s=world.deadlines.move_s(await world.vm_memory_bytes(vm, source)),
        on_progress=None,
    )


async def create(world: World, params: Params) -> Measured:
    spec = world.ledger.vm_spec(params["vm"])
    await world.compute.create(world.ledger.host_spec(params["host"]), spec, params["system"])
    return {}


async def start(world: World, params: Params) -> Measured:
    await world.compute.start(world.ledger.host_spec(params["host"]), params["vm"])
    return {}


async def ready(world: World, params: Params) -> Measured:
    """Wait until the VM answers its ready URL; measured: ready_s."""
    spec = world.ledger.vm_spec(params["vm"])
    began_s = world.clock.now_s()
    if spec.ready_url is None:
        return {}
    while not await world.web.answers(spec.ready_url, timeout_s=2.0):
        if world.clock.now_s() - began_s > world.deadlines.ready_s:
            waited = f"within {world.deadlines.ready_s:g} s of its start"
            raise Silent(f"{spec.name}: {spec.ready_url} gave no answer {waited}", subject=f"vm/{spec.name}")
        await world.clock.sleep(0.3)
    return {"ready_s": world.clock.now_s() - began_s}


async def stop(world: World, params: Params) -> Measured:
    with contextlib.suppress(NotFound):
        await world.compute.stop(
            world.ledger.host_spec(params["host"]), params["vm"], timeout_s=world.deadlines.stop_s
        )
    return {}


async def remove(world: World, params: Params) -> Measured:
    await world.compute.remove(world.ledger.host_spec(params["host"]), params["vm"])
    return {}


async def _stop_again(world: World, params: Params) -> None:
    await stop(world, params)


async def _start_again(world: World, params: Params) -> None:
    await start(world, params)


async def _remove_again(world: World, params: Params) -> None:
    await stop(world, params)
    await remove(world, params)


async def _nothing(world: World, params: Params) -> None:
    """Waiting changes nothing, so there is nothing to undo."""


DEEDS = (
    Deed("vm.move", move, move_back),
    Deed("vm.create", create, _remove_again),
    Deed("vm.start", start, _stop_again),
    Deed("vm.ready", ready, _nothing),
    Deed("vm.stop", stop, _start_again),
    Deed("vm.remove", remove, None),
)
