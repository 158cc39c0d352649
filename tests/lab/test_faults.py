"""Every hardware fault on a real chassis: put in → its evidence is seen → taken out → clean.

Evidence is read through the doors that the product uses, SSH and Redfish, in a small lab of its own.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from shuishan.base.power.redfish import RedfishBmc
from shuishan.base.ssh import SshHost
from shuishan.lab import fabric
from shuishan.lab.bmc.control import SetBits, order
from shuishan.lab.bmc.process import certificate_files, password_file, start_bmc, stop_bmc
from shuishan.lab.chassis import Chassis, known_hosts
from shuishan.lab.chassis_devices import disk
from shuishan.lab.chassis_image import CHASSIS_RECIPE
from shuishan.lab.fault_kind import Evidence, FaultKind, Params, Source
from shuishan.lab.faults import FAULTS, Injected, heal, inject
from shuishan.lab.images import ensure_image
from shuishan.lab.layout import LabLayout
from shuishan.model.errors import BadInput, EngineRefused, NotFound, Silent

pytestmark = [pytest.mark.lab, pytest.mark.asyncio(loop_scope="module")]

HOST = "h1"
SEEN_DEADLINE_S = 20
ALL = sorted(FAULTS.values(), key=lambda kind: (kind.restarts, kind.name))


@dataclass(frozen=True, slots=True)
class Bench:
    """One chassis with its BMC, and the product's own doors to both."""

    layout: LabLayout
    chassis: Chassis
    shell: SshHost
    bmc: RedfishBmc

    async def look(  # noqa: PLR0911 - one return per source
        self, evidence: Evidence, params: Params, cursor: str
    ) -> str:
        """What the source of this evidence says now."""
        match evidence.source:
            case Source.KERNEL:
                return await self._run(f"journalctl -k -o cat --no-pager --after-cursor='{cursor}'")
            case Source.SMART:
                path = disk(HOST, str(params["disk"])).guest_path
                return await self._run(f"smartctl -j -a {path}")
            case Source.GUEST:
                path = disk(HOST, str(params.get("disk", "sda"))).guest_path
                now = str(int(time.time()))
                return await self._run(evidence.command.replace("{path}", path).replace("{now_s}", now))
            case Source.SENSORS:
                return "\n".join((await self.bmc.readings()).resources.values())
            case Source.SEL:
                return "\n".join((await self.bmc.events()).resources.values())
            case Source.CONSOLE:
                return (self.chassis.folder / "console.log").read_text(errors="replace")
            case Source.BMC:
                return await self._bmc()
            case Source.SSH:
                return await self._ssh()

    async def cursor(self) -> str:
        """The present end of the kernel log."""
        return str(json.loads(await self._run("journalctl -k -n 1 -o json --no-pager"))["__CURSOR"])

    async def _run(self, command: str) -> str:
        return (await self.shell.run(command, timeout_s=30)).stdout

    async def _bmc(self) -> str:
        try:
            await self.bmc.power_state()
        except Silent:
            return "silent"
        except EngineRefused as refusal:
            return "".join(re.findall(r"status (\d+)", refusal.message))
        return "answers"

    async def _ssh(self) -> str:
        door = _shell(self.layout)
        try:
            await door.run("true", timeout_s=10)
        except Silent:
            return "silent"
        finally:
            await door.close()
        return "answers"


def _shell(layout: LabLayout) -> SshHost:
    return SshHost(
        layout.chassis_address(HOST),
        key_file=layout.ssh_key,
        known_hosts=known_hosts(layout),
        connect_timeout_s=5,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Bench, None]:
    # Unix socket paths end at 107 bytes, so not below pytest's long names.
    root = tmp_path_factory.mktemp("f")
    layout = LabLayout(root=root, prefix="sht", subnet="10.79.0", hosts=(HOST,))
    image = await ensure_image(CHASSIS_RECIPE, layout, print)
    await fabric.down(layout)
    await fabric.up(layout)
    chassis = Chassis(layout, HOST)
    try:
        await start_bmc(layout)
        await chassis.start(image)
        await chassis.wait_ready(180)
        bmc = RedfishBmc(
            f"https://{layout.bmc_address(HOST)}",
            user="admin",
            password=password_file(layout).read_text(),
            ca_file=certificate_files(layout)[0],
        )
        shell = _shell(layout)
        yield Bench(layout, chassis, shell, bmc)
        await shell.close()
        await bmc.close()
    finally:
        await chassis.stop()
        await stop_bmc(layout)
        await fabric.down(layout)


async def _until(bench: Bench, evidence: Evidence, params: Params, cursor: str, *, there: bool) -> str:
    """Look until the evidence is there (or gone); what was seen last, "" when it is as wanted."""
    deadline = time.monotonic() + SEEN_DEADLINE_S
    told = ""
    while time.monotonic() < deadline:
        told = await bench.look(evidence, params, cursor)
        if bool(re.search(evidence.pattern, told, re.MULTILINE)) is there:
            return ""
        await asyncio.sleep(0.5)
    return told[-1500:] or "nothing"


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
async def test_a_fault_leaves_its_evidence_and_heals(bench: Bench, kind: FaultKind) -> None:
    params = kind.filled({})
    cursor = await bench.cursor()
    try:
        injected = await inject(bench.layout, HOST, kind.name)
        for evidence in kind.evidence:
            missing = await _until(bench, evidence, params, cursor, there=True)
            assert not missing, f"{evidence.source} does not say {evidence.pattern!r} but: {missing}"
    finally:
        await heal(bench.layout, Injected(HOST, kind.name, params))
    await heal(bench.layout, injected)  # whoever heals after a crash does it twice
    for evidence in kind.evidence:
        if evidence.lasting:
            left = await _until(bench, evidence, params, cursor, there=False)
            assert not left, f"healed, but {evidence.source} still says: {left}"


async def test_one_sensor_state_feeds_ipmi_and_redfish(bench: Bench) -> None:
    await order(bench.layout, SetBits(host=HOST, sensor="MEM Status", bits=0b1000010))
    try:
        told = (await bench.shell.run("ipmitool sdr; ipmitool sel list", timeout_s=30)).stdout
        assert re.search(r"MEM Status .*\n", told)
        assert "Uncorrectable ECC | Asserted" in told
        assert "MEM Status: Uncorrectable ECC" in "".join((await bench.bmc.events()).resources.values())
    finally:
        await order(bench.layout, SetBits(host=HOST, sensor="MEM Status", bits=0b1000000))


async def test_the_bmc_switches_the_machine(bench: Bench) -> None:
    await bench.bmc.power_off(timeout_s=20)
    assert not bench.chassis.running()
    await bench.bmc.power_on(timeout_s=20)
    assert bench.chassis.running()
    await bench.chassis.wait_ready(180)


async def test_unknown_names_are_refused() -> None:
    layout = LabLayout(root=Path("/nonexistent"))
    with pytest.raises(NotFound, match="knows no fault flood"):
        await inject(layout, HOST, "flood")
    with pytest.raises(NotFound, match="no host h9"):
        await inject(layout, "h9", "fan_slow")
    with pytest.raises(BadInput, match="no parameter colour"):
        await inject(layout, HOST, "fan_slow", colour="red")
