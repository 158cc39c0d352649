"""Error records: offsets that the kernel's own structures demand."""

import struct

import pytest

from shuishan.lab import cper


def test_the_polled_source_is_64_bytes_at_one_per_second() -> None:
    body = cper.hest_body()
    count, kind = struct.unpack_from("<IH", body, 0)
    assert (count, kind, len(body)) == (1, 9, 4 + 64)
    assert struct.unpack_from("<Q", body, 4 + 24)[0] == cper.POINTER_ADDRESS
    assert struct.unpack_from("<BBHI", body, 4 + 32) == (0, 28, 0, cper.POLL_MS)


def test_a_memory_record_names_the_module_where_the_kernel_looks_for_it() -> None:
    place = cper.DimmPlace(node=1, card=2, module=3, rank=1, row=0x123, column=0x45)
    section = cper.memory_section(cper.MemoryFlaw.SINGLE_BIT_ECC, 0xA345000, place)
    block = cper.status_block(cper.Severity.CORRECTED, section, "DIMM_A1")
    status, _raw_offset, _raw_length, length, severity = struct.unpack_from("<IIIII", block, 0)
    assert (status, length, severity) == (0x12, len(block) - 20, 2)
    entry = block[20:]
    assert entry[:16] == cper.MEMORY.bytes_le
    assert entry[44:64].rstrip(b"\0") == b"DIMM_A1"
    body = entry[72:]
    assert len(body) == 80
    assert struct.unpack_from("<Q", body, 16)[0] == 0xA345000
    assert struct.unpack_from("<HHHHHHH", body, 32) == (1, 2, 3, 3, 4, 0x123, 0x45)
    assert body[72] == 2


@pytest.mark.parametrize(
    ("severity", "status"),
    [
        (cper.Severity.CORRECTED, 0x12),
        (cper.Severity.RECOVERABLE, 0x11),
        (cper.Severity.FATAL, 0x11),
    ],
)
def test_the_block_says_whether_the_error_was_corrected(severity: cper.Severity, status: int) -> None:
    block = cper.status_block(severity, cper.processor_section(cper.ProcessorError.TLB, 0), "CPU0")
    assert struct.unpack_from("<I", block, 0)[0] == status


def test_a_pcie_record_carries_address_and_aer_registers() -> None:
    section = cper.pcie_section((5, 0, 1), (0x8086, 0x100E), correctable=0x40, uncorrectable=0x4000)
    assert len(section.body) == 208
    assert struct.unpack_from("<HH", section.body, 24) == (0x8086, 0x100E)
    function, device, segment, bus = struct.unpack_from("<BBHB", section.body, 31)
    assert (segment, bus, device, function) == (0, 5, 0, 1)
    assert struct.unpack_from("<I", section.body, 112 + 4)[0] == 0x4000
    assert struct.unpack_from("<I", section.body, 112 + 16)[0] == 0x40


def test_a_record_longer_than_the_source_is_refused() -> None:
    with pytest.raises(ValueError, match="the source holds 3840"):
        cper.status_block(cper.Severity.CORRECTED, cper.Section(cper.MEMORY, bytes(4000)), "DIMM_A1")
