"""A deed: do and undo of one kind of step, side by side. Both are safe to repeat."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from shuishan.act.world import World

Params = Mapping[str, str]
Measured = dict[str, float]  # numbers the deed measured itself, unit last


@dataclass(frozen=True, slots=True)
class Deed:
    """undo is None for what cannot be undone; such a step carries no undo text either."""

    name: str
    do: Callable[[World, Params], Awaitable[Measured]]
    undo: Callable[[World, Params], Awaitable[None]] | None
