"""What one BMC knows: readings, event log, and how it behaves. No protocol, no clock, no I/O."""

from dataclasses import dataclass, field

from shuishan.lab.bmc.sensors import (
    ANALOG,
    BY_NAME,
    BY_NUMBER,
    DISCRETE,
    HEALTH_OF,
    LOWER,
    Analog,
    Discrete,
    Health,
    Limit,
)
from shuishan.model.errors import NotFound

SEL_CAPACITY = 512
OS_STOP = 0x20  # IPMI sensor type "OS stop / shutdown"
_WORST: dict[Health, int] = {"OK": 0, "Warning": 1, "Critical": 2}
# Event offsets for "going low" and "going high" (IPMI 2.0 table 42-2).
EVENT_OFFSET = {
    Limit.LOWER_NONCRITICAL: 0,
    Limit.LOWER_CRITICAL: 2,
    Limit.LOWER_FATAL: 4,
    Limit.UPPER_NONCRITICAL: 7,
    Limit.UPPER_CRITICAL: 9,
    Limit.UPPER_FATAL: 11,
}
_LIMIT_WORDS = {
    Limit.LOWER_NONCRITICAL: "Lower Non-critical going low",
    Limit.LOWER_CRITICAL: "Lower Critical going low",
    Limit.LOWER_FATAL: "Lower Non-recoverable going low",
    Limit.UPPER_NONCRITICAL: "Upper Non-critical going high",
    Limit.UPPER_CRITICAL: "Upper Critical going high",
    Limit.UPPER_FATAL: "Upper Non-recoverable going high",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of the system event log.

    number:     record id, from 1
    at_s:       seconds since the epoch
    sensor:     name, or "" for a record that names none
    event_type: IPMI event type, bit 7 set when the event ended
    data:       the three IPMI event data bytes
    """

    number: int
    at_s: int
    sensor: str
    sensor_type: int
    sensor_number: int
    event_type: int
    data: bytes
    severity: Health
    message: str

    @property
    def asserted(self) -> bool:
        """True when the event began, False when it ended."""
        return not self.event_type & 0x80


def worst(healths: list[Health]) -> Health:
    """The worst of them; OK when there are none."""
    found: Health = "OK"
    for health in healths:
        found = health if _WORST[health] > _WORST[found] else found
    return found


@dataclass(slots=True)
class BmcState:
    """One BMC.

    mute:       it accepts connections and says nothing (its firmware hangs)
    error:      it answers every question with an error (its firmware is confused)
    power_on:   as far as the BMC knows
    """

    host: str
    values: dict[str, float] = field(default_factory=dict[str, float])
    states: dict[str, int] = field(default_factory=dict[str, int])
    unavailable: set[str] = field(default_factory=set[str])
    entries: list[Entry] = field(default_factory=list[Entry])
    mute: bool = False
    error: bool = False
    power_on: bool = True

    def __post_init__(self) -> None:
        self.values = {sensor.name: sensor.normal for sensor in ANALOG}
        self.states = {sensor.name: sensor.normal for sensor in DISCRETE}

    def set_value(self, name: str, value: float, now_s: int) -> None:
        """A new reading of an analog sensor; thresholds crossed either way enter the log."""
        sensor = BY_NAME.get(name)
        if not isinstance(sensor, Analog):
            raise NotFound(f"BMC of {self.host} has no analog sensor {name}", subject=f"sensor/{name}")
        before, after = sensor.crossed(self.values[name]), sensor.crossed(value)
        self.values[name] = value
        for limit in Limit:
            if (limit in before) != (limit in after):
                self._log_limit(sensor, limit, value, now_s, began=limit in after)

    def set_bits(self, name: str, bits: int, now_s: int) -> None:
        """New states of a discrete sensor; each that came or went enters the log."""
        sensor = BY_NAME.get(name)
        if not isinstance(sensor, Discrete):
            raise NotFound(f"BMC of {self.host} has no discrete sensor {name}", subject=f"sensor/{name}")
        before = self.states[name]
        self.states[name] = bits
        for bit, offset in sensor.bits.items():
            if (before ^ bits) >> bit & 1:
                began = bool(bits >> bit & 1)
                words = f"{name}: {offset.words}" + ("" if began else " (ended)")
                self._log(
                    sensor,
                    sensor.event_type,
                    bytes((bit, 0xFF, 0xFF)),
                    severity=offset.health if began else "OK",
                    message=words,
                    now_s=now_s,
                    began=began,
                )

    def set_available(self, name: str, *, available: bool) -> None:
        """Whether a sensor answers at all."""
        if name not in BY_NAME:
            raise NotFound(f"BMC of {self.host} has no sensor {name}", subject=f"sensor/{name}")
        if available:
            self.unavailable.discard(name)
        else:
            self.unavailable.add(name)

    def add_entry(self, message: str, severity: Health, now_s: int) -> Entry:
        """A log record that belongs to no sensor."""
        entry = Entry(self._next_number(), now_s, "", 0x12, 0, 0x6F, b"\xff\xff\xff", severity, message)
        self._append(entry)
        return entry

    def add_host_event(self, event: bytes, now_s: int) -> Entry:
        """An event that the host's kernel reports (its last words when it panics).

        event: sensor type, sensor number, event type, three data bytes
        """
        sensor_type, number, event_type = event[0], event[1], event[2]
        # A panicking kernel names the first letters of its message as sensor and data.
        panic = sensor_type == OS_STOP and event_type & 0x7F == 0x6F and event[3] & 0x0F == 1
        known = None if panic else BY_NUMBER.get(number)
        entry = Entry(
            self._next_number(),
            now_s,
            known.name if known else "",
            sensor_type,
            number,
            event_type,
            event[3:6],
            "Critical" if panic else "OK",
            "Operating system: run-time critical stop" if panic else f"Event from the host: {event.hex()}",
        )
        self._append(entry)
        return entry

    def clear_log(self) -> None:
        """Forget all records."""
        self.entries.clear()

    def crossed(self, sensor: Analog) -> frozenset[Limit]:
        """Thresholds the present reading has reached."""
        return sensor.crossed(self.values[sensor.name])

    def health(self, name: str) -> Health:
        """Present health of one sensor."""
        sensor = BY_NAME[name]
        if isinstance(sensor, Analog):
            return worst([HEALTH_OF[limit] for limit in self.crossed(sensor)])
        held = self.states[name]
        return worst([offset.health for bit, offset in sensor.bits.items() if held >> bit & 1])

    def overall(self) -> Health:
        """Present health of the whole server."""
        return worst([self.health(name) for name in BY_NAME])

    def _log_limit(self, sensor: Analog, limit: Limit, value: float, now_s: int, *, began: bool) -> None:
        threshold = sensor.limits[limit]
        sign = "<" if limit in LOWER else ">"
        words = f"{sensor.name}: {_LIMIT_WORDS[limit]}"
        words += (
            f", reading {value:g} {sign} threshold {threshold:g} {sensor.kind.unit}" if began else " (ended)"
        )
        data = bytes((0x50 | EVENT_OFFSET[limit], sensor.raw(value), sensor.raw(threshold)))
        severity = HEALTH_OF[limit] if began else "OK"
        self._log(sensor, 0x01, data, severity=severity, message=words, now_s=now_s, began=began)

    def _log(
        self,
        sensor: Analog | Discrete,
        event_type: int,
        data: bytes,
        *,
        severity: Health,
        message: str,
        now_s: int,
        began: bool,
    ) -> None:
        sensor_type = sensor.kind.sensor_type if isinstance(sensor, Analog) else sensor.sensor_type
        self._append(
            Entry(
                self._next_number(),
                now_s,
                sensor.name,
                sensor_type,
                sensor.number,
                event_type | (0 if began else 0x80),
                data,
                severity,
                message,
            )
        )

    def _next_number(self) -> int:
        return self.entries[-1].number + 1 if self.entries else 1

    def _append(self, entry: Entry) -> None:
        self.entries.append(entry)
        # Like a real log set to wrap: the oldest goes.
        del self.entries[:-SEL_CAPACITY]
