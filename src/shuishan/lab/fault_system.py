"""Faults of network cards, USB, and of the operating system of a host."""

import asyncio
import contextlib
import time

from shuishan.lab.chassis_devices import disk
from shuishan.lab.fault_kind import Evidence, FaultKind, Params, Source, Target, number, passes_by_itself
from shuishan.model.errors import Silent

FLAP_S = 2.5
DATA_CARD = "nic1"
# What real firmware says on healthy machines. Copied text: no driver of ours made it.
HARMLESS_LINES = (
    r"ACPI BIOS Error (bug): Could not resolve symbol [\_SB.PCI0.LPCB.HEC.ECAV], AE_NOT_FOUND",
    r"ACPI Error: Aborting method \_SB.PMI0._PMM due to previous error (AE_NOT_EXIST)",
    "[Firmware Bug]: the BIOS has corrupted hw-PMU resources (MSR 38d is 330)",
    "DMAR: [Firmware Bug]: No firmware reserved region can cover this RMRR "
    "[0x000000007b000000-0x000000007b7fffff], contact BIOS vendor for fixes",
    "ACPI: SPCR: Unexpected SPCR Access Width. Defaulting to byte size",
    "ACPI Warning: SystemIO range 0x0000000000000428-0x000000000000042F conflicts with OpRegion "
    r"0x0000000000000400-0x000000000000047F (\PMIO)",
)


async def _link(target: Target, *, up: bool) -> None:
    async with target.monitor() as qmp:
        await qmp.execute("set_link", {"name": DATA_CARD, "up": up})


async def _link_down(target: Target, _params: Params) -> None:
    await _link(target, up=False)


async def _link_up(target: Target, _params: Params) -> None:
    await _link(target, up=True)


async def _link_flap(target: Target, params: Params) -> None:
    for _ in range(number(params, "times")):
        await _link(target, up=False)
        await asyncio.sleep(FLAP_S)
        await _link(target, up=True)
        await asyncio.sleep(FLAP_S)


async def _usb_replug(target: Target, _params: Params) -> None:
    driver, *pairs = disk(target.host, "usb0").device.split(",")
    async with target.monitor() as qmp:
        await qmp.execute("device_del", {"id": "usb0"})
        await asyncio.sleep(2)
        properties = dict(pair.split("=", 1) for pair in pairs)
        await qmp.execute("device_add", {"driver": driver, "id": "usb0", "drive": "usb0", **properties})


async def _stop_sshd(target: Target, _params: Params) -> None:
    # Sessions outlive the daemon; with them the host would still be read as if nothing had happened.
    await target.guest("systemctl stop ssh.service; pkill -KILL sshd; true")


async def _start_sshd(target: Target, _params: Params) -> None:
    await target.guest("systemctl start ssh.service", timeout_s=60)


async def _noise(target: Target, _params: Params) -> None:
    lines = "\n".join(f"printf '<4>%s\\n' '{line}' > /dev/kmsg" for line in HARMLESS_LINES)
    await target.guest(lines)


async def _oom(target: Target, params: Params) -> None:
    limit = number(params, "limit_bytes")
    # `tail` must keep a line without an end, so it grows past any limit.
    await target.guest(
        f"systemd-run --scope --quiet -p MemoryMax={limit} "
        "sh -c 'head -c 200M /dev/zero | tail -n 1 > /dev/null'",
        timeout_s=60,
    )


async def _panic(target: Target, _params: Params) -> None:
    # The guest dies before its agent can answer.
    with contextlib.suppress(Silent):
        await target.guest("echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger", timeout_s=3)


async def _reset(target: Target, params: Params) -> None:
    await target.qmp("system_reset")
    await target.chassis.wait_ready(number(params, "boot_timeout_s"))


async def _jump(target: Target, params: Params) -> None:
    await target.guest(f"date -s @{int(time.time()) + number(params, 'seconds')}")


async def _set_clock(target: Target, _params: Params) -> None:
    await target.guest(f"date -s @{int(time.time())}")


SYSTEM_FAULTS = (
    FaultKind(
        "nic_link_down",
        _link_down,
        _link_up,
        (
            Evidence(Source.KERNEL, r"e1000: ens1f0 NIC Link is Down"),
            Evidence(Source.GUEST, "^0$", lasting=True, command="cat /sys/class/net/ens1f0/carrier"),
        ),
    ),
    FaultKind(
        "nic_link_flap",
        _link_flap,
        _link_up,
        (
            Evidence(Source.KERNEL, r"e1000: ens1f0 NIC Link is Down"),
            Evidence(Source.KERNEL, r"e1000: ens1f0 NIC Link is Up"),
        ),
        {"times": 2},
    ),
    FaultKind(
        "usb_reset",
        _usb_replug,
        passes_by_itself,
        (
            Evidence(Source.KERNEL, r"USB disconnect, device number"),
            Evidence(Source.KERNEL, r"new SuperSpeed USB device number"),
        ),
    ),
    FaultKind("ssh_refused", _stop_sshd, _start_sshd, (Evidence(Source.SSH, "^silent$", lasting=True),)),
    FaultKind(
        "harmless_firmware_noise",
        _noise,
        passes_by_itself,
        (Evidence(Source.KERNEL, r"\[Firmware Bug\]: the BIOS has corrupted hw-PMU resources"),),
        replay=True,
    ),
    FaultKind(
        "kernel_oom",
        _oom,
        passes_by_itself,
        (Evidence(Source.KERNEL, r"Memory cgroup out of memory: Killed process \d+ \(tail\)"),),
        {"limit_bytes": 40 * 1024 * 1024},
    ),
    FaultKind(
        "kernel_panic",
        _panic,
        _reset,
        (
            Evidence(Source.SEL, "Operating system: run-time critical stop"),
            Evidence(Source.CONSOLE, "Kernel panic - not syncing: sysrq triggered crash"),
            Evidence(Source.SSH, "^silent$", lasting=True),
        ),
        {"boot_timeout_s": 180},
        restarts=True,
    ),
    FaultKind(
        "clock_jump",
        _jump,
        _set_clock,
        (
            Evidence(
                Source.GUEST,
                "^jumped$",
                lasting=True,
                command="[ $(( $(date +%s) - {now_s} )) -lt 300 ] || echo jumped",
            ),
        ),
        {"seconds": 3600},
    ),
)
