"""Deeds on hosts."""

from shuishan.act.deed import Deed, Measured, Params
from shuishan.act.world import World


async def cordon(world: World, params: Params) -> Measured:
    """Let no new VM come to the host."""
    world.ledger.set_cordon(params["host"], True, params.get("reason", ""))
    return {}


async def uncordon(world: World, params: Params) -> Measured:
    world.ledger.set_cordon(params["host"], False, "")
    return {}


async def cordon_again(world: World, params: Params) -> None:
    await cordon(world, params)


async def lift_cordon(world: World, params: Params) -> None:
    await uncordon(world, params)


DEEDS = (Deed("host.cordon", cordon, lift_cordon), Deed("host.uncordon", uncordon, cordon_again))
