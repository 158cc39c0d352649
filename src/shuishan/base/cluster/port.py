"""The door through which VMs change hosts.

Where a cluster manager owns a VM, only it may move it; where none does, the compute driver moves it
directly. Actions know only this port.
"""

from typing import Protocol

from shuishan.base.compute.port import Moved, OnProgress
from shuishan.model.site import HostSpec


class Mover(Protocol):
    async def move(
        self, vm: str, source: HostSpec, target: HostSpec, *, timeout_s: float, on_progress: OnProgress | None
    ) -> Moved:
        """Live-migrate; on any error the VM still runs on the source."""
        ...

    async def cancel(self, vm: str, source: HostSpec) -> None:
        """Stop a move under way; none under way is no error."""
        ...
