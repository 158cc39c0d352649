"""Faults of memory, processors and PCIe, as the firmware (APEI) or the processor (MCE) reports them."""

import asyncio
import mmap
import struct
import time

from shuishan.lab import cper
from shuishan.lab.chassis_devices import MEMORY_BYTES
from shuishan.lab.fault_kind import (
    Evidence,
    FaultKind,
    Params,
    Source,
    Target,
    number,
    passes_by_itself,
    text,
)
from shuishan.model.errors import EngineRefused, Silent

# The kernel prints at most two corrected records in 5 s, and drops an equal one for 10 s.
SPREAD_S = 2.6
# Bus, device, function and ids of the cards a PCIe record may name.
CARDS = {
    "nvme0": ((1, 0, 0), (0x1B36, 0x0010)),
    "nvme1": ((2, 0, 0), (0x1B36, 0x0010)),
    "nic1": ((5, 0, 0), (0x8086, 0x100E)),
}
# A process that owns a page, tells where it is, and reads it again for ever. Perl is in every Debian.
_VICTIM = r"""
cat > /run/victim.pl <<'END'
$block = "x" x 65536;
$at = (unpack("Q", pack("p", $block)) + 4095) & ~4095;
open($map, "<:raw", "/proc/self/pagemap"); sysseek($map, $at / 4096 * 8, 0); sysread($map, $word, 8);
open($out, ">", "/run/victim"); printf $out "%d\n", 4096 * (unpack("Q", $word) & ((1 << 55) - 1));
close($out);
$off = $at - unpack("Q", pack("p", $block));
for (1 .. 300) { $sum += ord(substr($block, $off, 1)); select(undef, undef, undef, 0.2); }
END
rm -f /run/victim
setsid perl /run/victim.pl > /dev/null 2>&1 < /dev/null &
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do [ -s /run/victim ] && break; sleep 0.3; done
cat /run/victim
"""


async def report(target: Target, block: bytes, *, deadline_s: float = 10) -> None:
    """Hand one error record to the guest's firmware-error driver and wait until it was taken.

    Raises Silent when the guest does not take it, EngineRefused when its memory is not there.
    """
    path = target.layout.chassis_dir(target.host) / "ram"
    try:
        with path.open("r+b") as file, mmap.mmap(file.fileno(), MEMORY_BYTES) as ram:
            await _until_taken(ram, deadline_s)
            at = cper.BLOCK_ADDRESS
            # The status word last: the guest polls it, and must never see half a record.
            ram[at + 4 : at + len(block)] = block[4:]
            ram[cper.POINTER_ADDRESS : cper.POINTER_ADDRESS + 8] = struct.pack("<Q", at)
            ram[at : at + 4] = block[:4]
            await _until_taken(ram, deadline_s)
    except OSError as cause:
        raise EngineRefused(
            f"memory of the chassis of {target.host} cannot be opened: {cause}", subject=f"host/{target.host}"
        ) from cause


async def _until_taken(ram: mmap.mmap, deadline_s: float) -> None:
    deadline = time.monotonic() + deadline_s
    while ram[cper.BLOCK_ADDRESS : cper.BLOCK_ADDRESS + 4] != bytes(4):
        if time.monotonic() > deadline:
            raise Silent(f"the guest took no error record within {deadline_s:g} s", subject="ghes")
        await asyncio.sleep(0.1)


async def _dimm_correctable(target: Target, params: Params) -> None:
    for index in range(number(params, "count")):
        if index:
            await asyncio.sleep(SPREAD_S)
        place = cper.DimmPlace(module=number(params, "module"), row=0x123 + index, column=0x45 + index)
        section = cper.memory_section(cper.MemoryFlaw.SINGLE_BIT_ECC, 0x0A34_5000 + index * 4096, place)
        await report(target, cper.status_block(cper.Severity.CORRECTED, section, text(params, "dimm")))


async def _dimm_uncorrectable(target: Target, params: Params) -> None:
    told = await target.guest(_VICTIM)
    try:
        address = int(told.strip())
    except ValueError as cause:
        raise EngineRefused(
            f"no page to hit in the guest: {told[-200:]}", subject=f"host/{target.host}"
        ) from cause
    section = cper.memory_section(
        cper.MemoryFlaw.MULTI_BIT_ECC, address, cper.DimmPlace(module=number(params, "module"))
    )
    await report(target, cper.status_block(cper.Severity.RECOVERABLE, section, text(params, "dimm")))


async def _cpu_correctable(target: Target, params: Params) -> None:
    section = cper.processor_section(cper.ProcessorError.TLB, number(params, "cpu"))
    await report(target, cper.status_block(cper.Severity.CORRECTED, section, f"CPU{number(params, 'cpu')}"))


async def _cpu_cache(target: Target, _params: Params) -> None:
    # Bank 1, corrected, level-1 data cache read error (Intel SDM 3B, 16.9.1: compound code 0x135).
    told = await target.hmp("mce 0 1 0x9400000000000135 0 0x1000 0")
    if told.strip():
        raise EngineRefused(f"QEMU refused the machine check: {told.strip()}", subject=f"host/{target.host}")


async def _pcie_correctable(target: Target, params: Params) -> None:
    bdf, ids = CARDS[text(params, "card")]
    section = cper.pcie_section(bdf, ids, correctable=0x40)  # bad TLP
    await report(target, cper.status_block(cper.Severity.CORRECTED, section, text(params, "slot")))


async def _pcie_uncorrectable(target: Target, params: Params) -> None:
    bdf, ids = CARDS[text(params, "card")]
    section = cper.pcie_section(bdf, ids, uncorrectable=0x4000)  # completion timeout
    await report(target, cper.status_block(cper.Severity.RECOVERABLE, section, text(params, "slot")))


async def _pcie_fatal(target: Target, _params: Params) -> None:
    told = await target.hmp("pcie_aer_inject_error swd0 DLP")
    if not told.startswith("OK"):
        raise EngineRefused(f"QEMU refused the PCIe error: {told.strip()}", subject=f"host/{target.host}")


async def _reseat_card(target: Target, _params: Params) -> None:
    """Clear the switch port's error status, which otherwise accumulates, and start the card anew.

    The link resets itself, but QEMU's e1000 stays without carrier after a bus reset.
    """
    await target.guest(
        "setpci -s 04:00.0 ECAP_AER+4.l=ffffffff; "
        '[ "$(cat /sys/class/net/ens1f0/carrier)" = 1 ] && exit; '
        "echo 1 > /sys/bus/pci/devices/0000:05:00.0/remove; sleep 0.5; echo 1 > /sys/bus/pci/rescan"
    )


MEMORY_FAULTS = (
    FaultKind(
        "dimm_correctable",
        _dimm_correctable,
        passes_by_itself,
        (
            Evidence(Source.KERNEL, r"event severity: corrected"),
            Evidence(Source.KERNEL, r"fru_text: DIMM_A1"),
            Evidence(Source.KERNEL, r"error_type: 2, single-bit ECC"),
        ),
        {"dimm": "DIMM_A1", "module": 0, "count": 2},
    ),
    FaultKind(
        "dimm_uncorrectable",
        _dimm_uncorrectable,
        passes_by_itself,
        (
            Evidence(Source.KERNEL, r"event severity: recoverable"),
            Evidence(Source.KERNEL, r"error_type: 3, multi-bit ECC"),
            Evidence(Source.KERNEL, r"Memory failure: 0x[0-9a-f]+: recovery action"),
        ),
        {"dimm": "DIMM_B1", "module": 2},
    ),
    FaultKind(
        "cpu_correctable",
        _cpu_correctable,
        passes_by_itself,
        (Evidence(Source.KERNEL, r"section_type: general processor error"),),
        {"cpu": 0},
    ),
    FaultKind(
        "cpu_cache_error",
        _cpu_cache,
        passes_by_itself,
        (Evidence(Source.KERNEL, r"CPU 0: Machine Check: 0 Bank 1: 9400000000000135"),),
    ),
    FaultKind(
        "pcie_correctable",
        _pcie_correctable,
        passes_by_itself,
        (Evidence(Source.KERNEL, r"aer_status: 0x00000040"),),
        {"card": "nvme0", "slot": "SLOT_1"},
    ),
    FaultKind(
        "pcie_uncorrectable_nonfatal",
        _pcie_uncorrectable,
        passes_by_itself,
        (Evidence(Source.KERNEL, r"aer_status: 0x00004000"),),
        {"card": "nvme0", "slot": "SLOT_1"},
    ),
    FaultKind(
        "pcie_fatal",
        _pcie_fatal,
        _reseat_card,
        (
            Evidence(Source.KERNEL, r"PCIe Bus Error: severity=Uncorrected \(Fatal\)"),
            Evidence(Source.GUEST, "^0$", lasting=True, command="cat /sys/class/net/ens1f0/carrier"),
        ),
    ),
)
