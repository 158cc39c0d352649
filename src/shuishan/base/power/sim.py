"""A BMC in memory: sensors and events that a story sets, served as the Redfish documents of a real one."""

import json
from dataclasses import dataclass, field
from typing import Any

from shuishan.base.power.port import BmcDocument, PowerState
from shuishan.model.errors import EngineRefused, Silent

_CHASSIS = "/redfish/v1/Chassis/1"
_SYSTEM = "/redfish/v1/Systems/1"
_LOG = "/redfish/v1/Managers/1/LogServices/SEL/Entries"


@dataclass(slots=True)
class SimSensor:
    """One sensor. kind: which list of Thermal or Power it is in; value None: it gives no reading."""

    name: str
    kind: str  # "temperature" | "fan" | "voltage" | "supply"
    value: float | None
    health: str = "OK"


def _healthy_sensors() -> list[SimSensor]:
    return [
        SimSensor("Inlet Temp", "temperature", 23.0),
        SimSensor("CPU0 Temp", "temperature", 52.0),
        SimSensor("FAN1", "fan", 7500.0),
        SimSensor("FAN2", "fan", 7500.0),
        SimSensor("P12V", "voltage", 12.06),
        SimSensor("PSU1", "supply", 240.0),
        SimSensor("PSU2", "supply", 236.0),
    ]


@dataclass(slots=True)
class SimBmc:
    """silent: it answers nothing; refusing: it answers every call with an error."""

    name: str = "sim"
    power: PowerState = PowerState.ON
    sensors: list[SimSensor] = field(default_factory=_healthy_sensors)
    entries: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    silent: bool = False
    refusing: bool = False

    @property
    def origin(self) -> str:
        return f"sim://bmc/{self.name}"

    def set_sensor(self, name: str, value: float | None, health: str = "OK") -> None:
        """Change what a sensor reads. Raises KeyError when there is no such sensor."""
        for sensor in self.sensors:
            if sensor.name == name:
                sensor.value, sensor.health = value, health
                return
        raise KeyError(name)

    def log_event(self, message: str, *, severity: str = "Critical", created: str) -> None:
        """Append to the event log. created: RFC 3339."""
        number = len(self.entries) + 1
        self.entries.append(
            {
                "@odata.id": f"{_LOG}/{number}",
                "Id": str(number),
                "EntryType": "SEL",
                "Created": created,
                "Severity": severity,
                "Message": message,
            }
        )

    async def readings(self) -> BmcDocument:
        """See `Bmc.readings`."""
        self._answer()
        return BmcDocument(
            resources={
                _SYSTEM: json.dumps(
                    {"Id": "1", "PowerState": self.power.value.capitalize(), "Status": {"Health": "OK"}}
                ),
                f"{_CHASSIS}/Thermal": json.dumps(
                    {
                        "Temperatures": self._members("temperature", "ReadingCelsius"),
                        "Fans": [{**fan, "ReadingUnits": "RPM"} for fan in self._members("fan", "Reading")],
                    }
                ),
                f"{_CHASSIS}/Power": json.dumps(
                    {
                        "Voltages": self._members("voltage", "ReadingVolts"),
                        "PowerSupplies": self._members("supply", "PowerInputWatts"),
                    }
                ),
            }
        )

    async def events(self) -> BmcDocument:
        """See `Bmc.events`."""
        self._answer()
        return BmcDocument(resources={_LOG: json.dumps({"Members": self.entries})})

    async def power_state(self) -> PowerState:
        """See `Bmc.power_state`."""
        self._answer()
        return self.power

    async def power_off(self, *, timeout_s: float) -> None:
        """See `Bmc.power_off`; takes no time."""
        del timeout_s
        self._answer()
        self.power = PowerState.OFF

    async def power_on(self, *, timeout_s: float) -> None:
        """See `Bmc.power_on`; takes no time."""
        del timeout_s
        self._answer()
        self.power = PowerState.ON

    async def close(self) -> None:
        """Nothing to close."""

    def _answer(self) -> None:
        if self.silent:
            raise Silent(f"{self.origin} gave no answer", subject=f"bmc/{self.name}")
        if self.refusing:
            raise EngineRefused(f"BMC {self.origin}: status 500", subject=f"bmc/{self.name}")

    def _members(self, kind: str, key: str) -> list[dict[str, Any]]:
        return [
            {
                "MemberId": str(number),
                "Name": sensor.name,
                key: sensor.value,
                "Status": {"State": "Enabled", "Health": sensor.health},
            }
            for number, sensor in enumerate(self.sensors)
            if sensor.kind == kind
        ]
