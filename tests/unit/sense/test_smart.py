"""smartctl's JSON: what the lab's disks really said, what other makers say, and what broke on the way."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shuishan.catalog.facts import fact
from shuishan.model.signal import Reading, Signal, Unknown
from shuishan.sense.smart import component_of, devices_in, parse_smartctl, read_command

RECORDED = Path(__file__).parents[2] / "recorded" / "smartctl"


def parse(text: str) -> list[Signal]:
    return parse_smartctl(text, host="h1", at_s=100.0, origin="ssh://h1")


def values(signals: list[Signal]) -> dict[str, float | str | None]:
    return {f"{s.component}.{s.fact}": s.value for s in signals if isinstance(s, Reading)}


def unknowns(signals: list[Signal]) -> list[Unknown]:
    return [signal for signal in signals if isinstance(signal, Unknown)]


def recorded(name: str) -> str:
    return (RECORDED / f"{name}.json").read_text("utf-8")


NOT_OPENED = {
    "smartctl": {
        "argv": ["smartctl", "-j", "-a", "-d", "nvme", "/dev/nvme9"],
        "messages": [
            {"string": "Smartctl open device: /dev/nvme9 failed: No such device", "severity": "error"}
        ],
        "exit_status": 2,
    }
}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "smartctl found no disk"),
        ("sh: smartctl: not found", "ends in the middle"),
        ('{"smartctl": {"exit_status": 0', "ends in the middle"),
        ('{"hello": 1}', "not smartctl's"),
        ('{"smartctl": {"exit_status": 0}}', "names no device"),
        ("[1]", "found no disk"),
    ],
)
def test_no_disk_found_is_unknown_for_the_whole_source(text: str, reason: str) -> None:
    signals = parse(text)
    assert [type(signal) for signal in signals] == [Unknown]
    assert reason in unknowns(signals)[0].reason
    assert unknowns(signals)[0].origin == "ssh://h1"


def test_disk_that_cannot_be_opened_is_unknown_by_name_and_reason() -> None:
    (unknown,) = unknowns(parse(json.dumps(NOT_OPENED)))
    assert unknown.origin == "ssh://h1#nvme9"
    assert "No such device" in unknown.reason


def test_disk_that_tells_nothing_is_unknown_not_healthy() -> None:
    document = {"smartctl": {"exit_status": 4}, "device": {"name": "/dev/sdc", "type": "scsi"}}
    signals = parse(json.dumps(document))
    assert [type(signal) for signal in signals] == [Unknown]
    assert unknowns(signals)[0].origin == "ssh://h1#sdc"


def test_one_bad_disk_does_not_hide_the_others() -> None:
    signals = parse(recorded("nvme0_healthy") + json.dumps(NOT_OPENED) + recorded("sda_healthy"))
    assert {s.component for s in signals if isinstance(s, Reading)} == {"nvme0", "sda"}
    assert [unknown.origin for unknown in unknowns(signals)] == ["ssh://h1#nvme9"]


def test_cut_output_keeps_what_came_before_the_cut() -> None:
    whole = recorded("nvme0_healthy")
    signals = parse(whole + recorded("sda_healthy")[:500])
    assert {s.component for s in signals if isinstance(s, Reading)} == {"nvme0"}
    assert len(unknowns(signals)) == 1


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.json")), ids=lambda path: path.stem)
def test_recorded_disks_give_only_registered_facts(path: Path) -> None:
    signals = parse(path.read_text("utf-8"))
    assert not unknowns(signals)
    for signal in signals:
        assert isinstance(signal, Reading)
        fact(signal.fact)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nvme0_healthy", {"nvme0.smart.health_passed": 1.0, "nvme0.nvme.critical_warning": 0.0}),
        ("nvme_spare_low", {"nvme1.smart.health_passed": 0.0, "nvme1.nvme.critical_warning": 1.0}),
        ("nvme_temperature", {"nvme1.nvme.critical_warning": 2.0}),
        ("nvme_reliability", {"nvme1.nvme.critical_warning": 4.0}),
        ("nvme_readonly", {"nvme1.nvme.critical_warning": 8.0}),
        (
            "sata_smart_reallocated",
            {
                "sda.smart.reallocated_sectors": 1880.0,
                "sda.smart.attribute_failing_now": "Reallocated_Sector_Ct",
                # The drive's own verdict is still "passed": why attributes are read at all.
                "sda.smart.health_passed": 1.0,
            },
        ),
        (
            "sda_healthy",
            {
                "sda.smart.reallocated_sectors": 0.0,
                "sda.smart.attribute_failing_now": None,
                "sda.smart.temperature_celsius": 31.0,
            },
        ),
    ],
)
def test_recorded_disks(name: str, expected: Mapping[str, float | str | None]) -> None:
    found = values(parse(recorded(name)))
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.json")), ids=lambda path: path.stem)
def test_serial_number_is_the_disks_own(path: Path) -> None:
    document = json.loads(path.read_text("utf-8"))
    name = component_of(document["device"]["name"])
    assert values(parse(json.dumps(document)))[f"{name}.smart.serial_number"] == document["serial_number"]


def ata(rows: list[dict[str, Any]], **more: object) -> str:
    return json.dumps(
        {
            "smartctl": {"exit_status": 0},
            "device": {"name": "/dev/sdb", "type": "sat", "protocol": "ATA"},
            "ata_smart_attributes": {"table": rows},
            **more,
        }
    )


def test_packed_raw_value_is_read_as_smartctl_prints_it() -> None:
    row = {"id": 188, "name": "Command_Timeout", "raw": {"value": 4295032833, "string": "1 1 1"}}
    assert values(parse(ata([row])))["sdb.smart.command_timeouts"] == 1.0


def test_ssd_wear_is_the_normalised_value() -> None:
    row = {"id": 177, "name": "Wear_Leveling_Count", "value": 12, "raw": {"value": 900, "string": "900"}}
    assert values(parse(ata([row])))["sdb.smart.wear_percent_left"] == 12.0


@pytest.mark.parametrize(("status", "failed"), [(0x00, 0.0), (0x10, 0.0), (0x79, 1.0), (0xF9, 0.0)])
def test_self_test_status_nibble(status: int, failed: float) -> None:
    log = {"standard": {"table": [{"status": {"value": status}, "lba": 4660}]}}
    found = values(parse(ata([], ata_smart_self_test_log=log)))
    assert found["sdb.smart.self_test_failed"] == failed


def test_scsi_disk() -> None:
    document = {
        "smartctl": {"exit_status": 8},
        "device": {"name": "/dev/sdd", "type": "scsi", "protocol": "SCSI"},
        "serial_number": "Z1",
        "smart_status": {
            "passed": False,
            "scsi": {
                "asc": 93,
                "ascq": 16,
                "ie_string": "HARDWARE IMPENDING FAILURE GENERAL HARD DRIVE FAILURE",
            },
        },
        "scsi_grown_defect_list": 17,
        "scsi_error_counter_log": {"read": {"total_uncorrected_errors": 3}},
    }
    found = values(parse(json.dumps(document)))
    assert found["sdd.smart.grown_defects"] == 17.0
    assert found["sdd.smart.uncorrected_read_errors"] == 3.0
    assert str(found["sdd.smart.scsi_failure_predicted"]).startswith("HARDWARE IMPENDING")


@pytest.mark.parametrize(
    ("name", "kind", "component"),
    [
        ("/dev/nvme0", "nvme", "nvme0"),
        ("/dev/nvme0n1", "nvme", "nvme0"),
        ("/dev/sda", "sat", "sda"),
        ("/dev/bus/0", "megaraid,3", "bus-0-megaraid-3"),
        ("/dev/bus/0", "sat+megaraid,3", "bus-0-sat+megaraid-3"),
    ],
)
def test_component_names(name: str, kind: str, component: str) -> None:
    assert component_of(name, kind) == component


def test_disks_for_the_next_read_are_those_that_answered() -> None:
    text = recorded("nvme0_healthy") + json.dumps(NOT_OPENED) + recorded("sda_healthy")
    assert devices_in(text) == (("/dev/nvme0", "nvme"), ("/dev/sda", "sat"))


def test_read_command_quotes_what_a_host_said() -> None:
    assert "-d 'x;reboot' '/dev/$(reboot)' " in read_command([("/dev/$(reboot)", "x;reboot")])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
KEYS = [
    "smartctl",
    "device",
    "smart_status",
    "temperature",
    "nvme_smart_health_information_log",
    "ata_smart_attributes",
    "ata_smart_error_log",
    "ata_smart_self_test_log",
    "scsi_error_counter_log",
    "scsi_grown_defect_list",
    "serial_number",
]


@given(st.text())
def test_text_always_gives_a_signal(text: str) -> None:
    assert parse(text)


@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_strange_fields_never_raise(document: dict[str, object]) -> None:
    frame = {"smartctl": {"exit_status": 0}, "device": {"name": "/dev/sda"}}
    assert parse(json.dumps({**frame, **document}))
    assert parse(json.dumps(document))
