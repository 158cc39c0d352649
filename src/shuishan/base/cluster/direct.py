"""Moves by the compute driver itself, where no cluster manager owns the VM."""

from shuishan.base.compute.port import Compute, Moved, OnProgress
from shuishan.model.site import HostSpec


class DirectMover:
    """Implements base.cluster.port.Mover."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute

    async def move(
        self, vm: str, source: HostSpec, target: HostSpec, *, timeout_s: float, on_progress: OnProgress | None
    ) -> Moved:
        return await self._compute.move(vm, source, target, timeout_s=timeout_s, on_progress=on_progress)

    async def cancel(self, vm: str, source: HostSpec) -> None:
        await self._compute.cancel_move(vm, source)
