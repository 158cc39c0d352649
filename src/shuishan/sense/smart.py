"""What disks say about themselves: `smartctl -j` of smartmontools 7.3, for NVMe, ATA and SCSI.

smartctl's exit status is a set of bits, most of which describe the disk and not the command; only
"could not open" and "command line wrong" mean that nothing was learnt, and then the answer is Unknown.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from shuishan.model.signal import Reading, Signal, Source, Unknown
from shuishan.sense.jsontext import JsonObject, as_list, as_number, as_object, as_text, parse_objects

_PROLOGUE = """\
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
command -v smartctl >/dev/null || { echo 'smartctl is not installed' >&2; exit 127; }
"""

# Disks that the scan could not open are printed behind a "#"; they are asked all the same, so that
# the reason comes back as JSON.
SCAN_COMMAND: Final = f"""\
{_PROLOGUE}smartctl --scan-open | sed 's/^# *//' | while read -r device _ kind _; do
  case "$device" in /dev/*) smartctl -j -a -d "$kind" "$device" </dev/null; echo ;; esac
done
"""

Device = tuple[str, str]  # name and `-d` type, e.g. ("/dev/nvme0", "nvme")

_NOT_OPENED_BITS = 0b11

_NVME_FACTS: Final[Mapping[str, str]] = {
    "critical_warning": "nvme.critical_warning",
    "available_spare": "nvme.available_spare_percent",
    "available_spare_threshold": "nvme.available_spare_threshold_percent",
    "percentage_used": "nvme.percentage_used",
    "media_errors": "nvme.media_errors",
    "num_err_log_entries": "nvme.error_log_entries",
    "unsafe_shutdowns": "nvme.unsafe_shutdowns",
    "temperature": "nvme.temperature_celsius",
    "warning_temp_time": "nvme.warning_temp_minutes",
    "critical_comp_time": "nvme.critical_temp_minutes",
    "power_on_hours": "nvme.power_on_hours",
}

# Attributes whose raw value means the same with nearly every maker.
_ATA_RAW_FACTS: Final[Mapping[int, str]] = {
    5: "smart.reallocated_sectors",
    10: "smart.spin_retries",
    184: "smart.end_to_end_errors",
    187: "smart.reported_uncorrectable",
    188: "smart.command_timeouts",
    196: "smart.reallocation_events",
    197: "smart.pending_sectors",
    198: "smart.offline_uncorrectable",
    199: "smart.udma_crc_errors",
}

# Attributes of which only the normalised value (100 new, falling) is comparable between makers.
_ATA_LEFT_FACTS: Final[Mapping[int, str]] = {
    177: "smart.wear_percent_left",
    202: "smart.wear_percent_left",
    231: "smart.wear_percent_left",
    233: "smart.wear_percent_left",
    170: "smart.reserve_blocks_percent_left",
    180: "smart.reserve_blocks_percent_left",
    232: "smart.reserve_blocks_percent_left",
}

# Said elsewhere already (9, 12, 190, 194), or counters of use that rise on a healthy disk.
_ATA_RAW_OMITTED: Final = frozenset({1, 4, 7, 9, 12, 190, 193, 194, 195, 240, 241, 242})

# High half of the self-test status byte (ATA-8 ACS, table "self-test execution status"): it ended in
# an unknown, electrical, servo, read or handling failure.
_SELF_TEST_FAILURES: Final = frozenset({3, 4, 5, 6, 7, 8})


def read_command(devices: Sequence[Device]) -> str:
    """One SSH command for disks that are known: a scan opens each of them a second time."""
    reads = (
        f"smartctl -j -a -d {shlex.quote(kind)} {shlex.quote(name)} </dev/null; echo"
        for name, kind in devices
    )
    return _PROLOGUE + "\n".join(reads) + "\n"


def devices_in(text: str) -> tuple[Device, ...]:
    """The disks that answered in the output of SCAN_COMMAND."""
    found: list[Device] = []
    for document in parse_objects(text)[0]:
        device = as_object(document.get("device"))
        name, kind = as_text(device.get("name")), as_text(device.get("type"))
        if name is not None and kind is not None:
            found.append((name, kind))
    return tuple(found)


def parse_smartctl(text: str, *, host: str, at_s: float, origin: str) -> list[Signal]:
    """Readings of every disk in the output of one or many `smartctl -j -a`.

    A disk that could not be opened becomes Unknown with origin ``<origin>#<component>``; text in which
    no disk is found becomes Unknown for the whole source.
    """
    documents, rest = parse_objects(text)
    signals: list[Signal] = []
    for document in documents:
        signals.extend(_disk_signals(document, host, at_s, origin))
    if rest:
        signals.append(_unknown(host, at_s, origin, f"smartctl output ends in the middle: {rest[:60]!r}"))
    elif not signals:
        signals.append(_unknown(host, at_s, origin, "smartctl found no disk"))
    return signals


def component_of(name: str, kind: str = "") -> str:
    """A stable short name: ``nvme0`` for its namespaces too; a disk behind a RAID adapter by its number.

    name: smartctl's device name, e.g. ``/dev/nvme0n1``; kind: its ``-d`` type, e.g. ``megaraid,3``
    """
    base = name.removeprefix("/dev/").replace("/", "-")
    base = re.sub(r"^(nvme\d+)n\d+.*$", r"\1", base)
    return f"{base}-{kind.replace(',', '-')}" if "," in kind else base


def _disk_signals(document: JsonObject, host: str, at_s: float, origin: str) -> Iterator[Signal]:
    run = as_object(document.get("smartctl"))
    if not run:
        yield _unknown(host, at_s, origin, "JSON that is not smartctl's")
        return
    device = as_object(document.get("device"))
    name = as_text(device.get("name")) or _device_argument(run)
    if name is None:
        yield _unknown(host, at_s, origin, _complaint(run) or "smartctl names no device")
        return
    component = component_of(name, as_text(device.get("type")) or "")
    status = as_number(run.get("exit_status"))
    if status is None or int(status) & _NOT_OPENED_BITS:
        reason = _complaint(run) or f"smartctl ended with status {status}"
        yield _unknown(host, at_s, f"{origin}#{component}", f"{component}: {reason}")
        return
    facts = list(_facts(document))
    if all(value is None for _, value in facts):
        reason = _complaint(run) or "it answers, but tells nothing of its health"
        yield _unknown(host, at_s, f"{origin}#{component}", f"{component}: {reason}")
        return
    for fact, value in facts:
        yield Reading(
            host=host,
            source=Source.SMART,
            at_s=at_s,
            component=component,
            fact=fact,
            value=value,
            origin=origin,
        )


def _facts(document: JsonObject) -> Iterator[tuple[str, float | str | None]]:
    yield "smart.serial_number", as_text(document.get("serial_number"))
    yield "smart.model", as_text(document.get("model_name")) or as_text(document.get("scsi_model_name"))
    # None where the disk offers no self-assessment: asked, and did not say.
    passed: object = as_object(document.get("smart_status")).get("passed")
    yield "smart.health_passed", float(passed) if isinstance(passed, bool) else None
    log = as_object(document.get("nvme_smart_health_information_log"))
    if log:
        yield from _numbers(log, _NVME_FACTS)
        return
    yield from _numbers(as_object(document.get("temperature")), {"current": "smart.temperature_celsius"})
    yield from _numbers(as_object(document.get("power_on_time")), {"hours": "smart.power_on_hours"})
    yield from _ata_attribute_facts(document)
    yield from _ata_log_facts(document)
    yield from _scsi_facts(document)


def _numbers(found: JsonObject, names: Mapping[str, str]) -> Iterator[tuple[str, float]]:
    for key, fact in names.items():
        number = as_number(found.get(key))
        if number is not None:
            yield fact, number


def _ata_attribute_facts(document: JsonObject) -> Iterator[tuple[str, float | str | None]]:
    rows = [as_object(row) for row in as_list(as_object(document.get("ata_smart_attributes")).get("table"))]
    seen: set[str] = set()
    for row in rows:
        for fact, value in _ata_row_facts(row):
            # Two attributes may claim one fact (wear: 177 and 233); the first in the table wins.
            if fact not in seen:
                seen.add(fact)
                yield fact, value
    if rows:
        for when, fact in (("now", "smart.attribute_failing_now"), ("past", "smart.attribute_failed_past")):
            names = [as_text(row.get("name")) or "?" for row in rows if row.get("when_failed") == when]
            yield fact, ", ".join(names) or None


def _ata_row_facts(row: JsonObject) -> Iterator[tuple[str, float]]:
    number, raw, left = as_number(row.get("id")), _raw_value(row), as_number(row.get("value"))
    if number is None:
        return
    attribute = int(number)
    if raw is not None and attribute in _ATA_RAW_FACTS:
        yield _ATA_RAW_FACTS[attribute], raw
    elif left is not None and attribute in _ATA_LEFT_FACTS:
        yield _ATA_LEFT_FACTS[attribute], left
    elif raw is not None and attribute not in _ATA_RAW_OMITTED:
        yield f"smart.attribute_raw.{attribute}.{as_text(row.get('name')) or 'unknown'}", raw


def _ata_log_facts(document: JsonObject) -> Iterator[tuple[str, float]]:
    errors = as_object(as_object(document.get("ata_smart_error_log")).get("summary"))
    yield from _numbers(errors, {"count": "smart.error_log_count"})
    tests = as_list(
        as_object(as_object(document.get("ata_smart_self_test_log")).get("standard")).get("table")
    )
    newest = as_object(tests[0]) if tests else {}
    status = as_number(as_object(newest.get("status")).get("value"))
    if status is not None:
        yield "smart.self_test_failed", float(int(status) >> 4 in _SELF_TEST_FAILURES)
        yield from _numbers(newest, {"lba": "smart.self_test_failed_lba"})


def _scsi_facts(document: JsonObject) -> Iterator[tuple[str, float | str | None]]:
    status = as_object(document.get("smart_status"))
    exception = as_object(status.get("scsi"))
    if exception:
        predicted = status.get("passed") is False
        yield "smart.scsi_failure_predicted", as_text(exception.get("ie_string")) if predicted else None
    counters = as_object(document.get("scsi_error_counter_log"))
    for kind in ("read", "write"):
        yield from _numbers(
            as_object(counters.get(kind)),
            {"total_uncorrected_errors": f"smart.uncorrected_{kind}_errors"},
        )
    yield from _numbers(document, {"scsi_grown_defect_list": "smart.grown_defects"})


def _raw_value(row: JsonObject) -> float | None:
    """The raw value as the maker means it: smartctl's text begins with it, the number may be packed."""
    raw = as_object(row.get("raw"))
    leading = re.match(r"\d{1,18}", as_text(raw.get("string")) or "")
    return float(leading.group()) if leading else as_number(raw.get("value"))


def _device_argument(run: JsonObject) -> str | None:
    """The device smartctl was called with; error documents carry it nowhere else."""
    words = [word for word in as_list(run.get("argv")) if isinstance(word, str)]
    return next((word for word in reversed(words) if word.startswith("/dev/")), None)


def _complaint(run: JsonObject) -> str | None:
    texts = [as_text(as_object(message).get("string")) for message in as_list(run.get("messages"))]
    return "; ".join(text for text in texts if text)[:300] or None


def _unknown(host: str, at_s: float, origin: str, reason: str) -> Unknown:
    return Unknown(host=host, source=Source.SMART, at_s=at_s, reason=reason, origin=origin)
