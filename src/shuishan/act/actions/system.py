"""Deeds on whole systems."""

from shuishan.act.deed import Deed, Measured, Params
from shuishan.act.world import World


async def forget(world: World, params: Params) -> Measured:
    """Drop a system's declaration once its VMs are gone."""
    world.ledger.forget_system(params["system"])
    return {}


DEEDS = (Deed("system.forget", forget, None),)
