"""Error counters the kernel keeps: memory (EDAC), machine checks, PCIe (AER).

A host on which no EDAC driver has bound counts nothing, which is not the same as zero errors: its
memory counters are Unknown.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from shuishan.model.signal import Reading, Signal, Source, Unknown

# Every file as "path<TAB>first line"; grep -H is the one command that prints both without a loop.
COMMAND: Final = """\
export LC_ALL=C
echo '== shuishan counters'
cd /sys/devices/system/edac/mc 2>/dev/null && grep -s -H -m1 . \
 mc*/mc_name mc*/ce_count mc*/ue_count \
 mc*/dimm*/dimm_label mc*/dimm*/dimm_ce_count mc*/dimm*/dimm_ue_count \
 mc*/rank*/dimm_label mc*/rank*/dimm_ce_count mc*/rank*/dimm_ue_count
grep -s -h -E '^ *MCE:|^HardwareCorrupted:' /proc/interrupts /proc/meminfo
cd /sys/bus/pci/devices 2>/dev/null && grep -s -H TOTAL_ERR \
 */aer_dev_correctable */aer_dev_nonfatal */aer_dev_fatal
echo '== end'
"""

_EDAC_FILE = re.compile(r"(mc\d+(?:/(?:dimm|rank)\d+)?)/(\w+):(.*)")
_AER_FILE = re.compile(r"([0-9a-f:.]+)/aer_dev_(correctable|nonfatal|fatal):TOTAL_ERR_\w+ (\d{1,18})")
_INTERRUPT = re.compile(r" *MCE:((?: +\d{1,18})+)")
_CORRUPTED = re.compile(r"HardwareCorrupted: +(\d{1,15}) kB")
_COUNTS: Final[Mapping[str, str]] = {
    "ce_count": "edac.ce_count",
    "ue_count": "edac.ue_count",
    "dimm_ce_count": "edac.ce_count",
    "dimm_ue_count": "edac.ue_count",
}


def parse_counters(text: str, *, host: str, at_s: float, origin: str) -> list[Signal]:
    """Readings from the output of COMMAND. Unknown when the output is cut, or where EDAC is absent.

    DIMMs are named by their label (``DIMM_A1``) where the driver knows it, else ``mc0/dimm3``.
    """
    lines = text.splitlines()
    if "== end" not in lines:
        return [_unknown(host, at_s, origin, f"the counters came cut short after {len(lines)} lines")]
    found = [*_edac(lines), *_others(lines)]
    signals: list[Signal] = [
        Reading(
            host=host, source=Source.EDAC, at_s=at_s, component=part, fact=fact, value=value, origin=origin
        )
        for part, fact, value in found
    ]
    if not any(fact == "edac.ce_count" for _, fact, _ in found):
        signals.append(_unknown(host, at_s, f"{origin}#mc", "no EDAC driver bound"))
    return signals


def _edac(lines: list[str]) -> Iterator[tuple[str, str, float]]:
    files: dict[str, dict[str, str]] = defaultdict(dict)
    for line in lines:
        if match := _EDAC_FILE.fullmatch(line):
            files[match[1]][match[2]] = match[3].strip()
    labels = [content.get("dimm_label", "") for content in files.values()]
    for path, content in files.items():
        label = content.get("dimm_label", "")
        # A driver that does not know the board gives every DIMM the same label, or none.
        component = label if label and labels.count(label) == 1 else path
        for name, fact in _COUNTS.items():
            value = content.get(name, "")
            if value.isascii() and value.isdigit() and len(value) <= 18:
                yield component, fact, float(value)


def _others(lines: list[str]) -> Iterator[tuple[str, str, float]]:
    for line in lines:
        if match := _INTERRUPT.match(line):
            counts = [int(word) for word in match[1].split()]
            yield "cpu", "mce.count", float(sum(counts))
            for number, count in enumerate(counts):
                if count:
                    yield f"cpu{number}", "mce.count", float(count)
        elif match := _CORRUPTED.match(line):
            yield "memory", "memory.corrupted_bytes", float(int(match[1]) * 1024)
        elif match := _AER_FILE.fullmatch(line):
            yield match[1], f"pcie.aer_{match[2]}", float(match[3])


def _unknown(host: str, at_s: float, origin: str, reason: str) -> Unknown:
    return Unknown(host=host, source=Source.EDAC, at_s=at_s, reason=reason, origin=origin)
