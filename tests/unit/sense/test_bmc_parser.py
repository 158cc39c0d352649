"""Redfish documents: the lab's BMC, the simulator, and what other firmwares do."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shuishan.base.power.port import BmcDocument
from shuishan.base.power.sim import SimBmc
from shuishan.catalog.facts import fact
from shuishan.model.signal import Reading, Signal, Source, Unknown
from shuishan.sense.bmc import parse_events, parse_readings

RECORDED = Path(__file__).parents[2] / "recorded" / "redfish"
LOG = "/redfish/v1/Managers/1/LogServices/SEL/Entries"


def parse(*resources: object) -> list[Signal]:
    document = BmcDocument(
        resources={f"/r/{number}": json.dumps(resource) for number, resource in enumerate(resources)}
    )
    return parse_readings(document, host="h1", at_s=5.0, origin="https://bmc")


def values(*resources: object) -> dict[tuple[str, str], float | str | None]:
    return {
        (s.component, s.fact.removeprefix("bmc.sensor.")): s.value
        for s in parse(*resources)
        if isinstance(s, Reading)
    }


@pytest.mark.parametrize("text", ["", "<html>login</html>", "[]", "null", '{"Temperatures": [{"Na'])
def test_what_is_not_redfish_is_unknown(text: str) -> None:
    document = BmcDocument(resources={"/redfish/v1/Chassis/1/Thermal": text})
    (signal,) = parse_readings(document, host="h1", at_s=5.0, origin="https://bmc")
    assert isinstance(signal, Unknown)
    assert signal.origin == "https://bmc#/redfish/v1/Chassis/1/Thermal"


def test_no_sensor_at_all_is_unknown() -> None:
    (signal,) = parse({"Temperatures": [], "Fans": "none"})
    assert isinstance(signal, Unknown)
    assert signal.origin == "https://bmc"


def test_one_bad_document_does_not_hide_the_other() -> None:
    document = BmcDocument(
        resources={"/a": "garbage", "/b": json.dumps({"Fans": [{"Name": "FAN1", "Reading": 7500}]})}
    )
    signals = parse_readings(document, host="h1", at_s=5.0, origin="https://bmc")
    assert [type(signal) for signal in signals] == [Unknown, Reading]


def test_sensor_that_gives_no_reading_says_so_with_none() -> None:
    fan = {"Name": "FAN3", "Reading": None, "Status": {"State": "UnavailableOffline", "Health": "OK"}}
    found = values({"Fans": [fan]})
    assert found["FAN3", "fan_rpm"] is None
    assert found["FAN3", "state"] == "UnavailableOffline"


def test_empty_slot_has_no_reading() -> None:
    assert values({"Fans": [{"Name": "FAN9", "Reading": None, "Status": {"State": "Absent"}}]}) == {
        ("FAN9", "state"): "Absent"
    }


@pytest.mark.parametrize(
    ("rpm", "health"), [(7500, "OK"), (1050, "Warning"), (600, "Critical"), (0, "Critical")]
)
def test_health_from_the_bmcs_own_limits_where_it_gives_no_verdict(rpm: int, health: str) -> None:
    fan = {"Name": "F", "Reading": rpm, "LowerThresholdNonCritical": 1050, "LowerThresholdCritical": 600}
    assert values({"Fans": [fan]})["F", "health"] == health


def test_no_limits_and_no_verdict_is_no_health() -> None:
    assert ("F", "health") not in values({"Fans": [{"Name": "F", "Reading": 0}]})


def test_supply_without_mains() -> None:
    supply = {
        "Name": "PSU1",
        "PowerInputWatts": 0,
        "LineInputStatus": "LossOfInput",
        "Status": {"State": "Enabled", "Health": "Critical"},
    }
    assert values({"PowerSupplies": [supply]}) == {
        ("PSU1", "power_watts"): 0.0,
        ("PSU1", "health"): "Critical",
        ("PSU1", "state"): "Power Supply AC lost",
    }


def test_newer_sensor_resource() -> None:
    sensor = {
        "Name": "Inlet",
        "ReadingType": "Temperature",
        "ReadingUnits": "Cel",
        "Reading": 44,
        "Thresholds": {"UpperCaution": {"Reading": 40}, "UpperCritical": {"Reading": 43}},
    }
    assert values(sensor) == {("Inlet", "temperature_celsius"): 44.0, ("Inlet", "health"): "Critical"}


def test_system_and_its_parts() -> None:
    system = {
        "PowerState": "On",
        "Status": {"Health": "OK", "HealthRollup": "Warning"},
        "MemorySummary": {"Status": {"State": "Enabled", "Health": "Warning"}},
    }
    assert values(system) == {
        ("system", "bmc.system.power"): "On",
        ("system", "bmc.system.health"): "Warning",
        ("Memory", "health"): "Warning",
        ("Memory", "state"): "Enabled",
    }


async def test_simulator_speaks_registered_facts() -> None:
    bmc = SimBmc("h1")
    bmc.set_sensor("FAN1", 450.0, "Critical")
    signals = parse_readings(await bmc.readings(), host="h1", at_s=5.0, origin=bmc.origin)
    for signal in signals:
        assert isinstance(signal, Reading)
        fact(signal.fact)
    found = {(s.component, s.fact): s.value for s in signals if isinstance(s, Reading)}
    assert found["FAN1", "bmc.sensor.fan_rpm"] == 450.0
    assert found["FAN1", "bmc.sensor.health"] == "Critical"


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.json")), ids=lambda path: path.stem)
def test_recorded_documents_give_only_registered_facts(path: Path) -> None:
    document = BmcDocument(resources={"/r": path.read_text("utf-8")})
    if path.stem.endswith("_sel"):
        found = parse_events(document, host="h1", at_s=1.0, origin="o")
        assert all(event.line.at_s > 1.7e9 for event in found)
        assert len({event.key for event in found}) == len(found)
        return
    for signal in parse_readings(document, host="h1", at_s=1.0, origin="o"):
        assert isinstance(signal, Reading)
        fact(signal.fact)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("healthy_system", {("system", "bmc.system.health"): "OK", ("system", "bmc.system.power"): "On"}),
        ("fan_stopped_thermal", {("FAN1", "fan_rpm"): 0.0, ("FAN1", "health"): "Critical"}),
        ("fan_slow_thermal", {("FAN2", "fan_rpm"): 975.0, ("FAN2", "health"): "Warning"}),
        ("inlet_hot_thermal", {("Inlet Temp", "temperature_celsius"): 44.0}),
        ("voltage_low_power", {("P12V", "voltage_volts"): 10.5, ("P12V", "health"): "Critical"}),
        (
            "psu_ac_lost_power",
            {
                ("PSU1", "state"): "Power Supply AC lost",
                ("PSU0", "state"): "Enabled",
                ("PSU Redundancy", "health"): "Warning",
            },
        ),
    ],
)
def test_recorded_faults(name: str, expected: dict[tuple[str, str], float | str | None]) -> None:
    found = values(json.loads((RECORDED / f"{name}.json").read_text("utf-8")))
    assert {key: found[key] for key in expected} == expected


def events(*entries: dict[str, Any]) -> list[tuple[float, str]]:
    document = BmcDocument(resources={LOG: json.dumps({"Members": list(entries)})})
    found = parse_events(document, host="h1", at_s=99.0, origin="https://bmc")
    assert all(event.line.source is Source.BMC_EVENT for event in found)
    return [(event.line.at_s, event.line.text) for event in found]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            {"Name": "FAN1", "SensorType": "Fan", "Message": "FAN1: Lower Critical", "Severity": "Critical"},
            "FAN1: Lower Critical | Critical",
        ),
        ({"Name": "Log Entry 7", "SensorType": "Fan", "Message": "Going low"}, "Fan | Going low"),
        (
            {"Name": "PSU1", "Message": "PSU1: AC lost", "Severity": "OK", "EntryCode": "Deassert"},
            "PSU1: AC lost | OK | Deasserted",
        ),
    ],
)
def test_event_text(entry: dict[str, Any], expected: str) -> None:
    assert events({**entry, "Created": "1970-01-01T00:01:00Z"}) == [(60.0, expected)]


@pytest.mark.parametrize("created", [None, "", "yesterday", 5, "9999-99-99T00:00:00Z"])
def test_event_with_unreadable_time_is_dated_now(created: object) -> None:
    assert events({"Message": "x", "Created": created}) == [(99.0, "x")]


def test_events_come_oldest_first_and_without_text_not_at_all() -> None:
    later = {"Message": "b", "Created": "1970-01-01T00:02:00+00:00"}
    sooner = {"Message": "a", "Created": "1970-01-01T00:01:00"}
    assert events(later, {"Id": "3"}, sooner) == [(60.0, "a"), (120.0, "b")]


def test_same_id_after_the_log_was_cleared_is_another_event() -> None:
    def key(created: str) -> str:
        entry = {"Id": "1", "Message": "x", "Created": created}
        document = BmcDocument(resources={LOG: json.dumps({"Members": [entry]})})
        return parse_events(document, host="h1", at_s=1.0, origin="o")[0].key

    assert key("2026-01-01T00:00:00Z") == key("2026-01-01T00:00:00Z")
    assert key("2026-01-01T00:00:00Z") != key("2026-01-02T00:00:00Z")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
KEYS = [
    "Members",
    "Temperatures",
    "Fans",
    "Voltages",
    "PowerSupplies",
    "PowerState",
    "Status",
    "Redundancy",
    "Reading",
    "ReadingUnits",
    "Thresholds",
    "Name",
    "Message",
    "Created",
]
RESOURCE = st.dictionaries(
    st.sampled_from(KEYS), JSON | st.lists(st.dictionaries(st.sampled_from(KEYS), JSON))
)


@settings(max_examples=40)
@given(RESOURCE)
def test_strange_documents_never_raise(resource: dict[str, object]) -> None:
    document = BmcDocument(resources={"/a": json.dumps(resource)})
    assert parse_readings(document, host="h1", at_s=1.0, origin="o")
    parse_events(document, host="h1", at_s=1.0, origin="o")


@given(st.text())
def test_text_never_raises(text: str) -> None:
    document = BmcDocument(resources={"/a": text})
    assert parse_readings(document, host="h1", at_s=1.0, origin="o")
    parse_events(document, host="h1", at_s=1.0, origin="o")
