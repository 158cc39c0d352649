"""Which sensors a lab server has. Data only.

Source of numbers: IPMI 2.0 tables 42-1 to 42-3 (event and sensor types) and 43-13 (entity ids).
"""

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Literal


class Kind(Enum):
    """What an analog sensor measures: IPMI sensor type, IPMI unit code, Redfish unit."""

    TEMPERATURE = (0x01, 1, "Cel")
    VOLTAGE = (0x02, 4, "V")
    FAN = (0x04, 18, "RPM")
    POWER = (0x0B, 6, "W")

    @property
    def sensor_type(self) -> int:
        return self.value[0]

    @property
    def unit_code(self) -> int:
        return self.value[1]

    @property
    def unit(self) -> str:
        return self.value[2]


class Limit(StrEnum):
    """Names of the six thresholds, in the order of their bits in IPMI's threshold masks."""

    LOWER_NONCRITICAL = "LowerNonCritical"
    LOWER_CRITICAL = "LowerCritical"
    LOWER_FATAL = "LowerFatal"
    UPPER_NONCRITICAL = "UpperNonCritical"
    UPPER_CRITICAL = "UpperCritical"
    UPPER_FATAL = "UpperFatal"


LOWER = (Limit.LOWER_NONCRITICAL, Limit.LOWER_CRITICAL, Limit.LOWER_FATAL)
UPPER = (Limit.UPPER_NONCRITICAL, Limit.UPPER_CRITICAL, Limit.UPPER_FATAL)
Health = Literal["OK", "Warning", "Critical"]
HEALTH_OF: dict[Limit, Health] = {
    Limit.LOWER_NONCRITICAL: "Warning",
    Limit.UPPER_NONCRITICAL: "Warning",
    Limit.LOWER_CRITICAL: "Critical",
    Limit.UPPER_CRITICAL: "Critical",
    Limit.LOWER_FATAL: "Critical",
    Limit.UPPER_FATAL: "Critical",
}


@dataclass(frozen=True, slots=True)
class Analog:
    """A sensor with a number. One raw count (0–255) is `factor * 10**exponent` units."""

    number: int
    name: str
    kind: Kind
    normal: float
    entity: int
    instance: int
    limits: dict[Limit, float]
    factor: int = 1
    exponent: int = 0

    def raw(self, value: float) -> int:
        """The nearest count, 0 to 255, as IPMI carries it."""
        return max(0, min(255, round(value / (self.factor * 10.0**self.exponent))))

    def crossed(self, value: float) -> frozenset[Limit]:
        """Thresholds this value has reached, compared in counts as the BMC's chip does."""
        count = self.raw(value)
        low = {k for k in LOWER if k in self.limits and count <= self.raw(self.limits[k])}
        high = {k for k in UPPER if k in self.limits and count >= self.raw(self.limits[k])}
        return frozenset(low | high)


@dataclass(frozen=True, slots=True)
class Offset:
    """One state of a discrete sensor and what it means."""

    bit: int
    words: str
    health: Health = "OK"


@dataclass(frozen=True, slots=True)
class Discrete:
    """A sensor with states. `normal` has one bit per state that holds on a healthy server."""

    number: int
    name: str
    sensor_type: int
    entity: int
    instance: int
    normal: int
    offsets: tuple[Offset, ...]
    event_type: int = 0x6F
    bits: dict[int, Offset] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bits", {offset.bit: offset for offset in self.offsets})


def _upper(noncritical: float, critical: float, fatal: float) -> dict[Limit, float]:
    return dict(zip(UPPER, (noncritical, critical, fatal), strict=True))


def _lower(noncritical: float, critical: float, fatal: float) -> dict[Limit, float]:
    return dict(zip(LOWER, (noncritical, critical, fatal), strict=True))


_FAN_LIMITS = _lower(1050, 600, 300)
_POWER_LIMITS = _upper(800, 880, 960)
_POWER_SUPPLY = (
    Offset(0, "Presence detected"),
    Offset(1, "Failure detected", "Critical"),
    Offset(2, "Predictive failure", "Warning"),
    Offset(3, "AC lost", "Critical"),
)

ANALOG: tuple[Analog, ...] = (
    Analog(1, "Inlet Temp", Kind.TEMPERATURE, 23, 0x37, 1, _upper(40, 43, 47)),
    Analog(2, "CPU0 Temp", Kind.TEMPERATURE, 52, 3, 1, _upper(85, 95, 100)),
    Analog(3, "CPU1 Temp", Kind.TEMPERATURE, 51, 3, 2, _upper(85, 95, 100)),
    Analog(4, "DIMM Temp", Kind.TEMPERATURE, 41, 32, 1, _upper(80, 85, 90)),
    Analog(5, "Outlet Temp", Kind.TEMPERATURE, 36, 0x37, 2, _upper(70, 75, 80)),
    *(Analog(16 + n, f"FAN{n}", Kind.FAN, 7500, 0x1D, n + 1, _FAN_LIMITS, 75) for n in range(4)),
    Analog(32, "P12V", Kind.VOLTAGE, 12.06, 7, 1, _lower(11.4, 10.8, 10.2) | _upper(12.6, 13.2, 13.8), 6, -2),
    Analog(33, "P5V", Kind.VOLTAGE, 5.0, 7, 2, _lower(4.75, 4.5, 4.25) | _upper(5.25, 5.5, 5.75), 25, -3),
    Analog(34, "P3V3", Kind.VOLTAGE, 3.298, 7, 3, _lower(3.13, 2.97, 2.8) | _upper(3.47, 3.63, 3.8), 17, -3),
    Analog(48, "PSU0 Pin", Kind.POWER, 240, 10, 1, _POWER_LIMITS, 4),
    Analog(49, "PSU1 Pin", Kind.POWER, 236, 10, 2, _POWER_LIMITS, 4),
)

DISCRETE: tuple[Discrete, ...] = (
    Discrete(64, "PSU0 Status", 0x08, 10, 1, 0b1, _POWER_SUPPLY),
    Discrete(65, "PSU1 Status", 0x08, 10, 2, 0b1, _POWER_SUPPLY),
    Discrete(
        66,
        "CPU0 Status",
        0x07,
        3,
        1,
        1 << 7,
        (
            Offset(0, "IERR", "Critical"),
            Offset(1, "Thermal trip", "Critical"),
            Offset(7, "Presence detected"),
        ),
    ),
    Discrete(
        67,
        "MEM Status",
        0x0C,
        32,
        1,
        1 << 6,
        (
            Offset(0, "Correctable ECC", "Warning"),
            Offset(1, "Uncorrectable ECC", "Critical"),
            Offset(6, "Presence detected"),
        ),
    ),
    Discrete(
        75,
        "PSU Redundancy",
        0x08,
        10,
        0,
        0b1,
        (Offset(0, "Fully redundant"), Offset(1, "Redundancy lost", "Warning")),
        event_type=0x0B,
    ),
)

BY_NAME: dict[str, Analog | Discrete] = {sensor.name: sensor for sensor in (*ANALOG, *DISCRETE)}
BY_NUMBER: dict[int, Analog | Discrete] = {sensor.number: sensor for sensor in (*ANALOG, *DISCRETE)}
