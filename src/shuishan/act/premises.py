"""Premises: facts a step was planned on, looked at again right before it runs. Plans age."""

from collections.abc import Awaitable, Callable

from shuishan.act.world import World
from shuishan.model.errors import PremiseBroken
from shuishan.model.plan import Premise
from shuishan.model.site import HostState, VmState

Check = Callable[[World, dict[str, str]], Awaitable[None]]


async def check(premise: Premise, world: World) -> None:
    """Raises PremiseBroken, in words, when the fact no longer holds."""
    await CHECKS[premise.fact](world, premise.params)


async def _vm_on_host(world: World, params: dict[str, str]) -> None:
    """The VM runs where we thought, or already where the step will bring it."""
    name, host, target = params["vm"], params["host"], params.get("target")
    for place in (host, target) if target else (host,):
        if await world.vm_state(name, place) in ("running", "paused"):
            return
    raise PremiseBroken(f"{name} no longer runs on {host}", subject=f"vm/{name}")


async def _host_answers(world: World, params: dict[str, str]) -> None:
    view = await world.look(params["host"])
    if view.state is not HostState.ANSWERING:
        raise PremiseBroken(f"host {view.name} gives no answer: {view.reason}", subject=f"host/{view.name}")


async def _host_not_cordoned(world: World, params: dict[str, str]) -> None:
    if params["host"] in world.ledger.cordoned():
        raise PremiseBroken(f"host {params['host']} is cordoned now", subject=f"host/{params['host']}")


async def _host_fits_vm(world: World, params: dict[str, str]) -> None:
    """Memory is re-counted, the resource that cannot be shared. As in placement only what is shut off
    takes none: a crashed VM may be restarted any moment, one of unknown state may well run.
    """
    spec, name = world.ledger.host_spec(params["host"]), params["vm"]
    needs_bytes = await world.vm_memory_bytes(name, params.get("source", spec.name), spec.name)
    view = await world.look(spec.name)
    taken_bytes = sum(
        seen.memory_bytes for seen in view.vms if seen.name != name and seen.state is not VmState.SHUT_OFF
    )
    short_bytes = taken_bytes + needs_bytes - spec.memory_bytes
    if short_bytes > 0:
        raise PremiseBroken(
            f"host {spec.name} no longer fits {name}: {short_bytes / 1024**2:.0f} MiB short",
            subject=f"host/{spec.name}",
        )


CHECKS: dict[str, Check] = {
    "vm_on_host": _vm_on_host,
    "host_answers": _host_answers,
    "host_not_cordoned": _host_not_cordoned,
    "host_fits_vm": _host_fits_vm,
}
