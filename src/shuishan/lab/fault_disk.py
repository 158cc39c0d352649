"""Faults of disks: what they say about themselves (SMART), what they do to reads and writes, their going."""

import asyncio
from typing import cast

from shuishan.lab import smart_table
from shuishan.lab.chassis_devices import disk
from shuishan.lab.fault_kind import Evidence, FaultKind, Params, Source, Target, Value, number, text
from shuishan.model.errors import BadInput, EngineRefused, Silent

EIO = 5
SECTOR_BYTES = 512
# QEMU 7.2 cancels a request synchronously when the guest resets a disk: a request that waits longer
# than the guest's 30 s stops QEMU's main loop. Two requests a second stay far below.
SLOWEST_IOPS = 1


def _nvme_smart(name: str, bit: int) -> FaultKind:
    """NVMe critical warning bits (NVM Express 1.4, figure 196)."""

    async def inject(target: Target, params: Params) -> None:
        await _critical_warning(target, text(params, "disk"), 1 << bit)

    async def heal(target: Target, params: Params) -> None:
        await _critical_warning(target, text(params, "disk"), 0)

    return FaultKind(
        name,
        inject,
        heal,
        (
            Evidence(Source.SMART, rf'"critical_warning": {1 << bit}\b', lasting=True),
            Evidence(Source.SMART, r'"passed": false', lasting=True),
        ),
        {"disk": "nvme1"},
    )


async def _critical_warning(target: Target, node: str, bits: int) -> None:
    await target.qmp(
        "qom-set",
        path=f"/machine/peripheral/{_node(target, node)}",
        property="smart_critical_warning",
        value=bits,
    )


def _node(target: Target, node: str) -> str:
    try:
        return disk(target.host, node).node
    except KeyError as cause:
        raise BadInput(f"a chassis has no disk {node}", subject=f"disk/{node}") from cause


async def _nvme_hot(target: Target, params: Params) -> None:
    # The emulated drive always measures 323 K; a threshold below that is the same comparison.
    await target.guest(f"nvme set-feature /dev/{text(params, 'disk')} -f 4 -v 300")


async def _nvme_cool(target: Target, params: Params) -> None:
    await target.guest(f"nvme set-feature /dev/{text(params, 'disk')} -f 4 -v 343")


async def _unplug(target: Target, params: Params) -> None:
    node = _node(target, text(params, "disk"))
    await target.qmp("device_del", id=node)
    await _until_plugged(target, node, wanted=False)


async def _plug(target: Target, params: Params) -> None:
    node = _node(target, text(params, "disk"))
    if await _plugged(target, node):
        return
    driver, *pairs = disk(target.host, node).device.split(",")
    properties = dict(pair.split("=", 1) for pair in pairs)
    await target.qmp("device_add", driver=driver, id=node, drive=node, **properties)
    await _until_plugged(target, node, wanted=True)


async def _plugged(target: Target, node: str) -> bool:
    found = cast(list[dict[str, str]], await target.qmp("qom-list", path="/machine/peripheral"))
    return any(entry["name"] == node for entry in found)


async def _until_plugged(target: Target, node: str, *, wanted: bool, deadline_s: float = 30) -> None:
    """Hot unplug asks the guest, which blinks for 5 s before it lets go."""
    for _ in range(int(deadline_s / 0.5)):
        if await _plugged(target, node) is wanted:
            return
        await asyncio.sleep(0.5)
    raise Silent(
        f"the guest did not {'take' if wanted else 'release'} {node} within {deadline_s:g} s",
        subject=f"host/{target.host}",
    )


def _io_errors(name: str, direction: str, evidence: tuple[Evidence, ...]) -> FaultKind:
    async def inject(target: Target, params: Params) -> None:
        node = _node(target, text(params, "disk"))
        await _clean(target, node)
        rule: dict[str, Value] = {"event": "none", "errno": EIO, "iotype": direction}
        if number(params, "sector") >= 0:
            rule["sector"] = number(params, "sector")
        async with target.monitor() as qmp:
            await qmp.execute(
                "blockdev-add",
                {
                    "driver": "blkdebug",
                    "node-name": f"{node}-faulty",
                    "image": f"{node}-file",
                    "inject-error": [rule],
                },
            )
            await qmp.execute(
                "blockdev-reopen",
                {"options": [{"driver": "raw", "node-name": node, "file": f"{node}-faulty"}]},
            )
        await _touch(target, node, direction, max(0, number(params, "sector")))

    async def heal(target: Target, params: Params) -> None:
        await _clean(target, _node(target, text(params, "disk")))

    return FaultKind(name, inject, heal, evidence, {"disk": "sda", "sector": 2048})


async def _touch(target: Target, node: str, direction: str, sector: int) -> None:
    """Make the guest really use the bad place; a fault nobody reads leaves no trace."""
    path = disk(target.host, node).guest_path
    block = sector * SECTOR_BYTES // 4096
    if direction == "read":
        script = f"dd if={path} of=/dev/null bs=4k count=1 skip={block} iflag=direct"
    else:
        script = f"dd if=/dev/zero of={path} bs=4k count=1 seek={block} oflag=direct"
    await target.guest(f"timeout 60 {script}", timeout_s=70)


async def _clean(target: Target, node: str) -> None:
    """Put the clean layer back under the disk and remove the faulty one, if there is one."""
    async with target.monitor() as qmp:
        await qmp.execute(
            "blockdev-reopen", {"options": [{"driver": "raw", "node-name": node, "file": f"{node}-clean"}]}
        )
        try:
            await qmp.execute("blockdev-del", {"node-name": f"{node}-faulty"})
        except EngineRefused as refusal:
            if "find" not in refusal.message:  # "Failed to find node": healed already
                raise


async def _slow(target: Target, params: Params) -> None:
    iops = max(SLOWEST_IOPS, number(params, "iops"))
    node = _node(target, text(params, "disk"))
    await _throttle(target, node, iops)
    path = disk(target.host, node).guest_path
    reads = number(params, "reads")
    # In the background: whoever looks at the disk's counters meanwhile must see slow requests.
    await target.guest(
        f"(timeout 60 dd if={path} of=/dev/null bs=4k count={reads} iflag=direct >/dev/null 2>&1 &)"
    )


async def _fast(target: Target, params: Params) -> None:
    await _throttle(target, _node(target, text(params, "disk")), 0)


async def _throttle(target: Target, node: str, iops: int) -> None:
    limits = dict.fromkeys(("bps", "bps_rd", "bps_wr", "iops_rd", "iops_wr"), 0)
    async with target.monitor() as qmp:
        await qmp.execute("block_set_io_throttle", {"id": node, **limits, "iops": iops})


def _sata_smart(name: str, index: int, row: smart_table.SmartRow, evidence: str) -> FaultKind:
    async def inject(target: Target, params: Params) -> None:
        bad = smart_table.SmartRow(
            row.number, row.flags, number(params, "value"), number(params, "raw"), row.threshold
        )
        smart_table.write_row(_pid(target), index, bad)

    async def heal(target: Target, _params: Params) -> None:
        smart_table.write_row(_pid(target), index, smart_table.HEALTHY[index])

    return FaultKind(
        name,
        inject,
        heal,
        (Evidence(Source.SMART, evidence, lasting=True),),
        {"disk": "sda", "value": row.value, "raw": row.raw},
    )


def _pid(target: Target) -> int:
    pid = target.chassis.pid()
    if pid is None:
        raise Silent(f"the chassis of {target.host} is off", subject=f"host/{target.host}")
    return pid


_READ_FAILED = (Evidence(Source.KERNEL, r"I/O error, dev sd\w, sector 2048 op 0x0:\(READ\)"),)
_WRITE_FAILED = (Evidence(Source.KERNEL, r"I/O error, dev sd\w, sector 2048 op 0x1:\(WRITE\)"),)

DISK_FAULTS = (
    _nvme_smart("nvme_spare_low", 0),
    _nvme_smart("nvme_reliability", 2),
    _nvme_smart("nvme_readonly", 3),
    FaultKind(
        "nvme_temperature",
        _nvme_hot,
        _nvme_cool,
        (Evidence(Source.SMART, r'"critical_warning": 2\b', lasting=True),),
        {"disk": "nvme1"},
    ),
    FaultKind(
        "nvme_gone",
        _unplug,
        _plug,
        (
            Evidence(Source.KERNEL, r"pciehp: Slot\(2\): .*"),
            Evidence(Source.GUEST, "^gone$", lasting=True, command="test -e /dev/nvme1 || echo gone"),
        ),
        {"disk": "nvme1"},
    ),
    _io_errors("disk_read_errors", "read", _READ_FAILED),
    _io_errors("disk_write_errors", "write", _WRITE_FAILED),
    FaultKind(
        "disk_slow",
        _slow,
        _fast,
        (
            Evidence(
                Source.GUEST,
                r"^slow$",
                lasting=True,
                command="s=$(date +%s%N); dd if={path} of=/dev/null bs=4k count=3 skip=64 "
                "iflag=direct 2>/dev/null; e=$(date +%s%N); [ $((e - s)) -lt 800000000 ] || echo slow",
            ),
        ),
        {"disk": "sda", "iops": 2, "reads": 10},
    ),
    _sata_smart(
        "sata_smart_reallocated",
        3,
        smart_table.SmartRow(5, 0x03, 30, 1880, 36),
        r'"when_failed": "now"',
    ),
    _sata_smart(
        "sata_smart_pending",
        2,
        smart_table.SmartRow(197, 0x12, 90, 264, 0),
        r'"name": "Current_Pending_Sector"',
    ),
    _sata_smart(
        "sata_smart_crc",
        2,
        smart_table.SmartRow(199, 0x3E, 200, 412, 0),
        r'"name": "UDMA_CRC_Error_Count"',
    ),
)
