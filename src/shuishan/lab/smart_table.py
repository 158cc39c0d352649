"""Change what the SATA disks of a running chassis report as SMART attributes.

QEMU keeps one constant attribute table for all its ide disks, with no knob. We find the table by its
first row in the process's memory and rewrite other rows. A QEMU built with another table is refused.
Source: QEMU 7.2 hw/ide/core.c, `smart_attributes`.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

from shuishan.model.errors import EngineRefused, Silent

_ROW = struct.Struct("<12i")  # id, flags low, flags high, value, worst, raw (6 bytes), threshold


@dataclass(frozen=True, slots=True)
class SmartRow:
    """One SMART attribute as the disk reports it.

    flags: bit 0 pre-failure, bit 1 updated online (ATA8-ACS)
    value: normalised, 1 (worst) to 253; at or below `threshold` a pre-failure attribute has failed
    raw:   the counter itself, at most 48 bits
    """

    number: int
    flags: int
    value: int
    raw: int
    threshold: int

    def encode(self) -> bytes:
        """48 bytes, as QEMU's C compiler lays out `int[12]`."""
        raw = self.raw.to_bytes(6, "little")
        return _ROW.pack(
            self.number, self.flags & 0xFF, self.flags >> 8, self.value, self.value, *raw, self.threshold
        )


def decode(row: bytes) -> SmartRow:
    """The attribute in 48 bytes of QEMU's table."""
    number, low, high, value, _worst, *raw, threshold = _ROW.unpack(row)
    return SmartRow(number, low | high << 8, value, int.from_bytes(bytes(raw), "little"), threshold)


# The whole table of QEMU 7.2: what healing writes back. Row 0 is the mark and is never changed;
# row 6 is computed by QEMU from its own value, so it stays too.
HEALTHY = (
    SmartRow(1, 0x03, 100, 0, 6),  # Raw_Read_Error_Rate
    SmartRow(3, 0x03, 100, 16, 0),  # Spin_Up_Time
    SmartRow(4, 0x02, 100, 100, 20),  # Start_Stop_Count
    SmartRow(5, 0x03, 100, 0, 36),  # Reallocated_Sector_Ct
    SmartRow(9, 0x03, 100, 1, 0),  # Power_On_Hours
    SmartRow(12, 0x03, 100, 0, 0),  # Power_Cycle_Count
)
_MARK = HEALTHY[0].encode()


def write_row(pid: int, index: int, row: SmartRow) -> None:
    """Make row `index` (1–5) of the table in process `pid` say `row`.

    Raises EngineRefused when this QEMU has no such table, Silent when the process is gone.
    """
    if not 1 <= index < len(HEALTHY):
        raise ValueError(f"row {index} is not one that may change")
    try:
        address = _find(pid)
        with Path(f"/proc/{pid}/mem").open("r+b", buffering=0) as memory:
            memory.seek(address + index * _ROW.size)
            memory.write(row.encode())
    except OSError as cause:
        raise Silent(f"QEMU process {pid} is gone: {cause}", subject=f"process/{pid}") from cause


def read_rows(pid: int) -> tuple[SmartRow, ...]:
    """The changeable part of the table as it is now. Raises like write_row."""
    try:
        address = _find(pid)
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            memory.seek(address)
            table = memory.read(_ROW.size * len(HEALTHY))
    except OSError as cause:
        raise Silent(f"QEMU process {pid} is gone: {cause}", subject=f"process/{pid}") from cause
    return tuple(decode(table[at : at + _ROW.size]) for at in range(0, len(table), _ROW.size))


def _find(pid: int) -> int:
    """Address of the table: the only place in QEMU's own data with the bytes of row 0."""
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            fields = line.split()
            if len(fields) < 6 or "qemu-system" not in fields[5] or "r" not in fields[1]:
                continue
            start, end = (int(word, 16) for word in fields[0].split("-"))
            memory.seek(start)
            at = memory.read(end - start).find(_MARK)
            if at >= 0:
                return start + at
    raise EngineRefused(
        "this QEMU keeps its SMART table in another form; SATA SMART faults need QEMU 7.2",
        subject=f"process/{pid}",
    )
