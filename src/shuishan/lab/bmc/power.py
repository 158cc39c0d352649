"""The power switch behind a BMC: the host that carries VMs, and the chassis that is its hardware."""

from shuishan.lab import hosts
from shuishan.lab.chassis import Chassis
from shuishan.lab.chassis_image import CHASSIS_RECIPE
from shuishan.lab.images import cached_image
from shuishan.lab.layout import LabLayout


class LabPower:
    """Switches one lab's hosts. Each method may be repeated.

    A host or a chassis that the lab never made is left out: a lab may have only one of them.
    """

    def __init__(self, layout: LabLayout) -> None:
        self._layout = layout

    def is_on(self, host: str) -> bool:
        """Is the power on, for either half?"""
        return Chassis(self._layout, host).running() or hosts.running(self._layout, host)

    async def on(self, host: str) -> None:
        """Switch on; returns before the chassis has booted."""
        chassis = Chassis(self._layout, host)
        if chassis.folder.exists() and not chassis.running():
            await chassis.start(cached_image(CHASSIS_RECIPE, self._layout))
        if self._layout.host_dir(host).exists():
            await hosts.power_on(self._layout, host)

    async def off(self, host: str) -> None:
        """Cut the power of both, VMs first."""
        await hosts.power_off(self._layout, host)
        await Chassis(self._layout, host).stop()
