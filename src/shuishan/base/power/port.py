"""The door to a host's BMC. Every driver passes `tests/contract/test_power.py`.

Errors of every method: Silent when the BMC gives no answer in time, EngineRefused when it answers
with an error or with something that is not Redfish.
"""

from enum import StrEnum
from typing import Protocol

from shuishan.model.word import Word


class PowerState(StrEnum):
    """UNKNOWN: the BMC answered, but is itself not sure (or the machine is between the two)."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


class BmcDocument(Word):
    """Redfish resources as the BMC sent them; reading sense into them is the sense room's work.

    resources: path of the resource -> its JSON text
    """

    resources: dict[str, str]


class Bmc(Protocol):
    @property
    def origin(self) -> str:
        """Where its signals were read, e.g. ``https://10.77.0.211``; shown as evidence."""
        ...

    async def readings(self) -> BmcDocument:
        """The system and every sensor: temperatures, fans, voltages, power supplies."""
        ...

    async def events(self) -> BmcDocument:
        """The event log, as collections of LogEntry; the newest entries if it is very long."""
        ...

    async def power_state(self) -> PowerState: ...

    async def power_off(self, *, timeout_s: float) -> None:
        """Cut the power and return once the BMC says it is off; a machine that is off is left alone."""
        ...

    async def power_on(self, *, timeout_s: float) -> None:
        """Switch on and return once the BMC says it is on; a machine that is on is left alone."""
        ...

    async def close(self) -> None: ...
