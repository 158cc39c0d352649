"""The power switch behind a BMC: the chassis."""

from shuishan.lab.chassis import Chassis
from shuishan.lab.chassis_image import CHASSIS_RECIPE
from shuishan.lab.images import cached_image
from shuishan.lab.layout import LabLayout


class LabPower:
    """Switches one lab's hosts. Each method may be repeated."""

    def __init__(self, layout: LabLayout) -> None:
        self._layout = layout

    def is_on(self, host: str) -> bool:
        """Is the host's power on?"""
        return Chassis(self._layout, host).running()

    async def on(self, host: str) -> None:
        """Switch on; returns before the guest has booted."""
        chassis = Chassis(self._layout, host)
        if not chassis.running():
            await chassis.start(cached_image(CHASSIS_RECIPE, self._layout))

    async def off(self, host: str) -> None:
        """Cut the power."""
        await Chassis(self._layout, host).stop()
