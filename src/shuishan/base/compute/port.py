"""The door to virtual machines on hosts. Every driver passes `tests/contract/test_compute.py`.

Errors of every method: Silent when the host gives no answer in time, EngineRefused when it says no,
NotFound when the VM is not there.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from shuishan.model.site import HostSpec, HostView, VmSpec
from shuishan.model.word import Word


class MoveProgress(Word):
    """remaining_bytes is None until the engine knows."""

    remaining_bytes: int | None
    elapsed_s: float


class Moved(Word):
    """What a live migration cost. downtime_ms: the pause QEMU measured; None if it did not say."""

    downtime_ms: float | None
    total_ms: float | None


OnProgress = Callable[[MoveProgress], Awaitable[None]]


class Compute(Protocol):
    async def look(self, host: HostSpec, *, timeout_s: float) -> HostView:
        """The host with all its VMs, running or not. Never raises Silent: the view says so."""
        ...

    async def create(self, host: HostSpec, vm: VmSpec, system: str) -> None:
        """Make disks where absent and define the VM; repeating it changes nothing."""
        ...

    async def start(self, host: HostSpec, vm: str) -> None:
        """Start it; a running VM is left alone."""
        ...

    async def stop(self, host: HostSpec, vm: str, *, timeout_s: float) -> None:
        """Shut it down cleanly within `timeout_s`, else by force; a stopped VM is left alone."""
        ...

    async def remove(self, host: HostSpec, vm: str) -> None:
        """Forget a stopped VM and delete its disks; an absent VM is no error."""
        ...

    async def move(
        self, vm: str, source: HostSpec, target: HostSpec, *, timeout_s: float, on_progress: OnProgress | None
    ) -> Moved:
        """Live-migrate a running VM. On any error the VM still runs on the source."""
        ...

    async def cancel_move(self, vm: str, source: HostSpec) -> None:
        """Stop a migration under way; none under way is no error."""
        ...
