"""What a BMC says, from Redfish documents: Thermal, Power, Sensors, the system, the event log.

Health is the BMC's own verdict; where it gives none but tells its limits, the reading is held against
those limits, which are the maker's, not ours.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from shuishan.base.power.port import BmcDocument
from shuishan.model.signal import LogLine, Reading, Signal, Source, Unknown
from shuishan.sense.jsontext import JsonObject, as_list, as_number, as_object, as_text, parse_object

TEXT_LIMIT_CHARS = 2048

# Of Redfish's "ReadingUnits" (UCUM codes in Sensor, words in Thermal).
_FACT_OF_UNIT: Final[Mapping[str, str]] = {
    "Cel": "bmc.sensor.temperature_celsius",
    "RPM": "bmc.sensor.fan_rpm",
    "{rev}/min": "bmc.sensor.fan_rpm",
    "%": "bmc.sensor.fan_percent",
    "Percent": "bmc.sensor.fan_percent",
    "V": "bmc.sensor.voltage_volts",
    "W": "bmc.sensor.power_watts",
    "A": "bmc.sensor.current_amps",
}

# In the words of IPMI's event table (IPMI 2.0, table 42-3), which logs use too.
_LINE_INPUT: Final[Mapping[str, str]] = {
    "LossOfInput": "Power Supply AC lost",
    "OutOfRange": "Power Supply input out-of-range",
}

_Fact = tuple[str, str, float | str | None]  # component, fact, value


@dataclass(frozen=True, slots=True)
class BmcEvent:
    """One entry of the event log. key: tells it from every other entry, also after the log was cleared."""

    key: str
    line: LogLine


def parse_readings(document: BmcDocument, *, host: str, at_s: float, origin: str) -> list[Signal]:
    """Readings of every sensor; Unknown for a resource that is not JSON, or when nothing was found."""
    signals: list[Signal] = []
    for path, text in document.resources.items():
        resource = parse_object(text)
        if resource is None:
            signals.append(_unknown(host, at_s, f"{origin}#{path}", f"{path} is not a Redfish resource"))
            continue
        signals.extend(
            Reading(
                host=host,
                source=Source.BMC_SENSOR,
                at_s=at_s,
                component=component,
                fact=fact,
                value=value,
                origin=origin,
            )
            for component, fact, value in _facts(resource)
        )
    if not signals:
        signals.append(_unknown(host, at_s, origin, "the BMC shows no sensor"))
    return signals


def parse_events(document: BmcDocument, *, host: str, at_s: float, origin: str) -> list[BmcEvent]:
    """Entries of the event log, oldest first; entries without text are left out.

    at_s: the time given to an entry whose own time is missing or unreadable
    """
    events: list[BmcEvent] = []
    for path, text in document.resources.items():
        for member in as_list(as_object(parse_object(text)).get("Members")):
            entry = as_object(member)
            message = _event_text(entry)
            if message is None:
                continue
            created = as_text(entry.get("Created")) or as_text(entry.get("EventTimestamp")) or ""
            line = LogLine(
                host=host,
                source=Source.BMC_EVENT,
                at_s=_time(created) or at_s,
                text=message,
                origin=origin,
            )
            log = path.partition("?")[0]
            identity = "\0".join((log, as_text(entry.get("Id")) or "", created, message))
            events.append(BmcEvent(hashlib.sha256(identity.encode()).hexdigest()[:16], line))
    return sorted(events, key=lambda event: event.line.at_s)


def _facts(resource: JsonObject) -> Iterator[_Fact]:
    if "PowerState" in resource and ("Status" in resource or "Actions" in resource):
        yield "system", "bmc.system.power", as_text(resource.get("PowerState"))
        status = as_object(resource.get("Status"))
        health = as_text(status.get("HealthRollup")) or as_text(status.get("Health"))
        yield "system", "bmc.system.health", health
        for part in ("ProcessorSummary", "MemorySummary"):
            summary = as_object(resource.get(part))
            if summary:
                yield from _sensor({"Name": part.removesuffix("Summary"), **summary}, None, None)
    for list_name, value_key, fact in (
        ("Temperatures", "ReadingCelsius", "bmc.sensor.temperature_celsius"),
        ("Voltages", "ReadingVolts", "bmc.sensor.voltage_volts"),
        ("PowerControl", "PowerConsumedWatts", "bmc.sensor.power_watts"),
    ):
        for sensor in _objects(resource.get(list_name)):
            yield from _sensor(sensor, fact, sensor.get(value_key))
    for sensor in _objects(resource.get("Fans")):
        unit = as_text(sensor.get("ReadingUnits")) or "RPM"
        yield from _sensor(sensor, _FACT_OF_UNIT.get(unit, "bmc.sensor.fan_rpm"), sensor.get("Reading"))
    for supply in _objects(resource.get("PowerSupplies")):
        watts = supply.get("PowerInputWatts", supply.get("LastPowerOutputWatts"))
        yield from _sensor(supply, "bmc.sensor.power_watts", watts)
    for redundancy in _objects(resource.get("Redundancy")):
        yield from _sensor(redundancy, None, None)
    if "ReadingUnits" in resource or "ReadingType" in resource:
        unit = as_text(resource.get("ReadingUnits")) or ""
        yield from _sensor(resource, _FACT_OF_UNIT.get(unit), resource.get("Reading"))


def _sensor(sensor: JsonObject, fact: str | None, value: object) -> Iterator[_Fact]:
    name = as_text(sensor.get("Name")) or as_text(sensor.get("FanName")) or as_text(sensor.get("MemberId"))
    if name is None:
        return
    status = as_object(sensor.get("Status"))
    state = as_text(status.get("State"))
    number = as_number(value)
    # An empty slot has no reading; a sensor that is there and reads nothing says so with None.
    if fact is not None and not (state == "Absent" and number is None):
        yield name, fact, number
    health = as_text(status.get("HealthRollup")) or as_text(status.get("Health"))
    if health is None and number is not None:
        health = _against_limits(sensor, number)
    if health is not None:
        yield name, "bmc.sensor.health", health
    state = _LINE_INPUT.get(as_text(sensor.get("LineInputStatus")) or "") or state
    if state is not None:
        yield name, "bmc.sensor.state", state


def _against_limits(sensor: JsonObject, value: float) -> str | None:
    """OK, Warning or Critical by the limits the BMC states; None when it states none."""
    limits = as_object(sensor.get("Thresholds"))
    found = False
    for verdict, below, above in (
        ("Critical", ("LowerThresholdFatal", "LowerFatal"), ("UpperThresholdFatal", "UpperFatal")),
        (
            "Critical",
            ("LowerThresholdCritical", "LowerCritical"),
            ("UpperThresholdCritical", "UpperCritical"),
        ),
        (
            "Warning",
            ("LowerThresholdNonCritical", "LowerCaution"),
            ("UpperThresholdNonCritical", "UpperCaution"),
        ),
    ):
        low, high = (
            as_number(sensor.get(old, as_object(limits.get(new)).get("Reading")))
            for old, new in (below, above)
        )
        found = found or low is not None or high is not None
        if (low is not None and value <= low) or (high is not None and value >= high):
            return verdict
    return "OK" if found else None


def _event_text(entry: JsonObject) -> str | None:
    """The entry as one line: kind of sensor where the message names none, message, severity, its end."""
    message = as_text(entry.get("Message"))
    if message is None:
        return None
    parts = [message]
    name, kind = as_text(entry.get("Name")), as_text(entry.get("SensorType"))
    named = any(word is not None and word.lower() in message.lower() for word in (name, kind))
    if kind is not None and not named:
        parts.insert(0, kind)
    severity = as_text(entry.get("Severity"))
    if severity is not None:
        parts.append(severity)
    if (as_text(entry.get("EntryCode")) or "").startswith("Deassert"):
        parts.append("Deasserted")
    return " | ".join(parts)[:TEXT_LIMIT_CHARS]


def _time(text: str) -> float | None:
    """Seconds since the epoch of an RFC 3339 time; one without a zone is taken as UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _objects(value: object) -> list[JsonObject]:
    return [as_object(item) for item in as_list(value)]


def _unknown(host: str, at_s: float, origin: str, reason: str) -> Unknown:
    return Unknown(host=host, source=Source.BMC_SENSOR, at_s=at_s, reason=reason, origin=origin)
