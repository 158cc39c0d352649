"""smartctl's and nvme-cli's text for people, turned into the document smartctl prints with `-j`.

Only form is translated here; what the values mean is decided once, in `sense.smart`.
"""

import re
from collections.abc import Callable
from typing import Any

MARKERS = (
    b"=== START OF",
    b"smartctl ",
    b"SMART overall-health",
    b"SMART Health Status",
    b"ATTRIBUTE_NAME",
    b"SMART/Health Information",
    b"vailable Spare",
    b"available_spare",
)

_DEVICE = re.compile(
    r"\bsmartctl\b[^\n]* (/dev/\S+)|\bnvme smart-log (/dev/\S+)|^Smart Log for NVME device:(\S+?) ", re.M
)
_ROW = re.compile(
    r"^\s*(\d{1,3}) ([A-Za-z][\w/().-]*)\s+(?:0x[0-9a-fA-F]{4}|[-A-Z+]{6})\s+(\d{3})\s+(\d{3})\s+"
    r"(\d{3}|---)\s+(.*)$"
)
_TEST = re.compile(
    r"^#\s*(\d+)\s+(?:Short|Extended|Conveyance|Selective|Vendor|Background|Foreground|Offline)"
)
_NVME_KEYS = {
    "critical warning": "critical_warning",
    "temperature": "temperature",
    "available spare": "available_spare",
    "available spare threshold": "available_spare_threshold",
    "percentage used": "percentage_used",
    "media and data integrity errors": "media_errors",
    "media errors": "media_errors",
    "error information log entries": "num_err_log_entries",
    "num err log entries": "num_err_log_entries",
    "unsafe shutdowns": "unsafe_shutdowns",
    "warning comp. temperature time": "warning_temp_time",
    "warning temperature time": "warning_temp_time",
    "critical comp. temperature time": "critical_comp_time",
    "critical composite temperature time": "critical_comp_time",
    "power on hours": "power_on_hours",
}
_NVME_ONLY = {"critical_warning", "available_spare", "percentage_used", "media_errors"}
_PAIR = re.compile(
    r"^\s*([A-Za-z][\w .]{3,40}?)\s*:\s*(-?(?:0x[0-9a-fA-F]+|[\d,]+))\s*(%|°?C(?:elsius)?\b|C\b)?"
)
_HEALTH = re.compile(r"^\s*SMART overall-health self-assessment test result:\s*(\w+)")
_SCSI_HEALTH = re.compile(r"^\s*SMART Health Status:\s*(.+?)\s*$")
_DEFECTS = re.compile(r"^\s*Elements in grown defect list:\s*(\d+)")
_COUNTERS = re.compile(r"^(read|write):\s+(.*\S)\s*$")
_SCSI_TEMPERATURE = re.compile(r"^\s*Current Drive Temperature:\s*(\d+) C")
_ERROR_COUNT = re.compile(r"^\s*(?:ATA|Device) Error Count:\s*(\d+)")
_FAILURES = {
    "read failure": 7,
    "servo/seek failure": 6,
    "electrical failure": 5,
    "unknown failure": 4,
    "failed": 7,
    "handling damage": 8,
}

Document = dict[str, Any]


def translate(text: str) -> tuple[Document | None, str]:
    """A `smartctl -j` document made of `text`, and the lines of `text` that are not part of it.

    None when the text holds no SMART values.
    """
    document: Document = {}
    nvme: Document = {}
    rest = [line for line in text.splitlines() if not _take(line, document, nvme)]
    if _NVME_ONLY & nvme.keys():
        document["nvme_smart_health_information_log"] = nvme
    elif "temperature" in nvme:
        document.setdefault("temperature", {"current": nvme["temperature"]})
    if not document:
        return None, text
    device = _DEVICE.search(text)
    name = next((group for group in device.groups() if group), None) if device is not None else None
    kind = "nvme0" if "nvme_smart_health_information_log" in document else "disk"
    document["smartctl"] = {"exit_status": 0}
    document["device"] = {"name": name or f"/dev/{kind}"}
    return document, "\n".join(rest)


def _take(line: str, document: Document, nvme: Document) -> bool:
    """Whether some reader understood `line` and put it into the document."""
    readers: tuple[Callable[[str, Document], bool], ...] = (_attribute, _health, _scsi, _self_test)
    return any(reader(line, document) for reader in readers) or _nvme_value(line, nvme)


def _attribute(line: str, document: Document) -> bool:
    found = _ROW.match(line)
    if found is None:
        return False
    number, name, value, _, _, tail = found.groups()
    words = tail.split()
    failed = ""
    # `-a` prints TYPE UPDATED WHEN_FAILED RAW; the brief form prints FAIL RAW.
    if len(words) >= 4 and words[0] in {"Pre-fail", "Old_age"}:
        failed, words = words[2], words[3:]
    elif len(words) >= 2:
        failed, words = words[0], words[1:]
    if not words:
        return True
    when = {"FAILING_NOW": "now", "NOW": "now", "In_the_past": "past", "Past": "past"}.get(failed, "")
    row = {
        "id": int(number),
        "name": name,
        "value": int(value),
        "when_failed": when,
        "raw": {"string": " ".join(words)},
    }
    document.setdefault("ata_smart_attributes", {"table": []})["table"].append(row)
    if int(number) == 194 and words[0].isdigit():
        document.setdefault("temperature", {"current": int(words[0])})
    return True


def _health(line: str, document: Document) -> bool:
    found = _HEALTH.match(line)
    if found is not None:
        document.setdefault("smart_status", {})["passed"] = found.group(1).upper() == "PASSED"
        return True
    found = _SCSI_HEALTH.match(line)
    if found is None:
        return False
    passed = found.group(1).upper().startswith("OK")
    document["smart_status"] = {"passed": passed, "scsi": {"ie_string": found.group(1)}}
    return True


def _scsi(line: str, document: Document) -> bool:
    if (found := _DEFECTS.match(line)) is not None:
        document["scsi_grown_defect_list"] = int(found.group(1))
    elif (found := _SCSI_TEMPERATURE.match(line)) is not None:
        document["temperature"] = {"current": int(found.group(1))}
    elif (found := _COUNTERS.match(line)) is not None and found.group(2).split()[-1].isdigit():
        counters = document.setdefault("scsi_error_counter_log", {})
        counters[found.group(1)] = {"total_uncorrected_errors": int(found.group(2).split()[-1])}
    elif (found := _ERROR_COUNT.match(line)) is not None:
        document["ata_smart_error_log"] = {"summary": {"count": int(found.group(1))}}
    else:
        return False
    return True


def _self_test(line: str, document: Document) -> bool:
    """Only the newest test counts; older lines are taken and dropped."""
    if _TEST.match(line) is None:
        return False
    low = line.lower()
    status = next((code for words, code in _FAILURES.items() if words in low), 0)
    log = document.setdefault("ata_smart_self_test_log", {"standard": {"table": []}})
    if not log["standard"]["table"]:
        log["standard"]["table"].append({"status": {"value": status << 4}})
    return True


def _nvme_value(line: str, nvme: Document) -> bool:
    found = _PAIR.match(line)
    if found is None:
        return False
    key = _NVME_KEYS.get(" ".join(found.group(1).lower().replace("_", " ").split()))
    if key is None:
        return False
    nvme.setdefault(key, int(found.group(2).replace(",", ""), 0))
    return True
