"""Hardware error records as firmware writes them (UEFI CPER inside ACPI APEI GHES). Pure bytes.

The chassis kernel is told by a HEST table to poll one error source in reserved memory. A record
written there makes the stock `ghes` driver log, kill or panic as on real hardware.
Source: UEFI 2.10 appendix N (CPER); ACPI 6.5 section 18.3 (HEST, generic hardware error source).
"""

import struct
import uuid
from dataclasses import dataclass
from enum import IntEnum

# Guest-physical addresses inside the range that the kernel line reserves (`memmap=64K$0x10000000`).
RESERVED_BASE = 0x1000_0000
RESERVED_BYTES = 64 * 1024
POINTER_ADDRESS = RESERVED_BASE  # holds the address of the status block
BLOCK_ADDRESS = RESERVED_BASE + 0x1000
BLOCK_LENGTH = 0xF00
POLL_MS = 1000

MEMORY = uuid.UUID("a5bc1114-6f64-4ede-b863-3e83ed7c83b1")
PCIE = uuid.UUID("d995e954-bbc1-430f-ad91-b44dcb3c6f35")
PROCESSOR = uuid.UUID("9876ccad-47b4-4bdb-b65e-16f193c4f3db")


class Severity(IntEnum):
    """CPER error severity (UEFI 2.10 table N.5)."""

    RECOVERABLE = 0
    FATAL = 1
    CORRECTED = 2
    INFORMATIONAL = 3


class MemoryFlaw(IntEnum):
    """Kind of memory error (UEFI 2.10 table N.31, "Memory Error Type")."""

    SINGLE_BIT_ECC = 2
    MULTI_BIT_ECC = 3
    SCRUB_CORRECTED = 13


@dataclass(frozen=True, slots=True)
class Section:
    """One error section: its type and its body."""

    kind: uuid.UUID
    body: bytes


@dataclass(frozen=True, slots=True)
class DimmPlace:
    """Where in the machine a memory error sits, in the firmware's own numbering."""

    node: int = 0
    card: int = 0
    module: int = 0
    rank: int = 0
    bank: int = 3
    device: int = 4
    row: int = 0x123
    column: int = 0x45


def memory_section(kind: MemoryFlaw, physical_address: int, place: DimmPlace) -> Section:
    """A memory error (UEFI 2.10 N.2.5), 80 bytes, with address and place marked valid."""
    valid = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x100 | 0x4000 | 0x8000
    body = struct.pack(
        "<QQQQHHHHHHHHQQQBBHHH",
        valid,
        0,
        physical_address,
        0xFFFF_FFFF_FFFF_F000,
        place.node,
        place.card,
        place.module,
        place.bank,
        place.device,
        place.row,
        place.column,
        0,  # bit position: not given
        0,  # requestor
        0,  # responder
        0,  # target
        kind,
        0,  # extended row bits
        place.rank,
        0,  # card handle
        0,  # module handle
    )
    return Section(MEMORY, body[:80])


def pcie_section(
    bdf: tuple[int, int, int],
    device_id: tuple[int, int],
    *,
    correctable: int = 0,
    uncorrectable: int = 0,
    severity_bits: int = 0,
) -> Section:
    """A PCIe error (UEFI 2.10 N.2.7), 208 bytes, with the AER registers of the device.

    bdf:           bus, device, function on segment 0
    device_id:     vendor and device id
    correctable:   AER correctable status bits (PCIe 6.0 7.8.4.5), e.g. 0x40 bad TLP
    uncorrectable: AER uncorrectable status bits (PCIe 6.0 7.8.4.2), e.g. 0x4000 completion timeout
    severity_bits: AER uncorrectable severity; a set bit says that error is fatal
    """
    bus, device, function = bdf
    vendor, product = device_id
    valid = 0x1 | 0x2 | 0x4 | 0x8 | 0x80  # port type, version, command/status, device id, AER
    endpoint = 0
    head = struct.pack("<QIIHHI", valid, endpoint, 0x101, 0x6, 0x10, 0)
    ident = struct.pack("<HHBBBBBHHHB", vendor, product, 0, 8, 1, function, device, 0, bus, 0, 0)
    aer = bytearray(96)
    struct.pack_into("<IIIIIII", aer, 0, 0x14820001, uncorrectable, 0, severity_bits, correctable, 0, 0)
    return Section(PCIE, (head + ident).ljust(112, b"\0") + bytes(aer))


class ProcessorError(IntEnum):
    """Kind of processor error (UEFI 2.10 table N.16)."""

    CACHE = 1
    TLB = 2
    BUS = 4
    MICRO_ARCHITECTURE = 8


def processor_section(kind: ProcessorError, cpu: int, *, level: int = 1) -> Section:
    """A generic processor error (UEFI 2.10 N.2.4.1), 192 bytes, on one logical CPU."""
    x64, read = 2, 1
    body = struct.pack("<QBBBBBBHQ", 0xFF, 0, x64, kind, read, 0, level, 0, 0x50654)
    brand = b"Intel(R) Xeon(R) Gold".ljust(128, b"\0")
    return Section(PROCESSOR, body + brand + struct.pack("<QQQQQ", cpu, 0, 0, 0, 0))


def status_block(severity: Severity, section: Section, fru_text: str) -> bytes:
    """A generic error status block (ACPI 6.5 18.3.2.7.1) with one entry.

    fru_text: the part to replace, at most 20 ASCII characters, e.g. `DIMM_A1`
    """
    entry = (
        section.kind.bytes_le
        + struct.pack("<IHBBI", severity, 0x0300, 0x2, 0, len(section.body))
        + bytes(16)  # FRU id: not given; only the text is valid
        + fru_text.encode("ascii")[:20].ljust(20, b"\0")
        + bytes(8)  # time stamp: not given
        + section.body
    )
    uncorrectable = severity in (Severity.RECOVERABLE, Severity.FATAL)
    block_status = (0x1 if uncorrectable else 0x2) | 1 << 4  # one entry follows
    block = struct.pack("<IIIII", block_status, 0, 0, len(entry), severity) + entry
    if len(block) > BLOCK_LENGTH:
        raise ValueError(f"error record has {len(block)} bytes, the source holds {BLOCK_LENGTH}")
    return block


def hest_body() -> bytes:
    """Body of a HEST table with one polled error source; the ACPI header comes from QEMU.

    Source: ACPI 6.5 tables 18.2 and 18.10 (generic hardware error source, type 9, 64 bytes).
    """
    address = struct.pack("<BBBBQ", 0, 64, 0, 4, POINTER_ADDRESS)  # system memory, 64 bits wide
    polled = struct.pack("<BBHIIIIII", 0, 28, 0, POLL_MS, 0, 0, 0, 0, 0)
    source = struct.pack("<HHHBBIII", 9, 0, 0xFFFF, 0, 1, 1, 1, BLOCK_LENGTH)
    return struct.pack("<I", 1) + source + address + polled + struct.pack("<I", BLOCK_LENGTH)
