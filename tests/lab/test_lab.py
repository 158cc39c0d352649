"""The lab itself: complete, repeatable, gone without a trace, and able to carry the hospital."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import httpx
import libvirt
import pytest
import pytest_asyncio

from shuishan.base.compute.libvirt_xml import domain_xml
from shuishan.base.storage.qcow2 import GuestImage
from shuishan.lab import hosts, leftovers, netns
from shuishan.lab.chassis import Chassis
from shuishan.lab.his_client import HisClient
from shuishan.lab.hospital import HOSPITAL_CMDLINE
from shuishan.lab.images import make_overlay
from shuishan.lab.layout import LabLayout
from shuishan.lab.site import Lab
from shuishan.model.errors import Conflict, NotFound
from shuishan.model.site import DiskSpec, NicSpec, VmSpec

pytestmark = [pytest.mark.lab, pytest.mark.asyncio(loop_scope="session")]

SEED = random.randrange(2**32)
MIGRATION = (
    libvirt.VIR_MIGRATE_LIVE
    | libvirt.VIR_MIGRATE_PEER2PEER
    | libvirt.VIR_MIGRATE_TLS
    | libvirt.VIR_MIGRATE_UNSAFE  # the hosts share one folder, which libvirt cannot know
    | libvirt.VIR_MIGRATE_PERSIST_DEST
    | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
)


def silently(_: object) -> None:
    """No progress is shown."""


@pytest_asyncio.fixture(loop_scope="session")
async def small() -> AsyncGenerator[Lab, None]:
    """A lab of one host, for tests that break it; down at first and at last."""
    layout = LabLayout(
        root=Path("/srv/shuishan/lab-tests/small"), prefix="shy", subnet="10.78.2", hosts=("h1",)
    )
    lab = Lab(layout)
    await lab.down()
    yield lab
    await lab.down()


async def test_up_is_complete_and_repeating_it_changes_nothing(lab: Lab) -> None:
    status = await lab.status()
    assert status.complete
    assert [host.name for host in status.hosts] == ["h1", "h2", "h3"]
    for host in status.hosts:
        assert host.powered_on and host.libvirt_answers and host.chassis_running and host.bmc_answers, host
    before = leftovers.processes(lab.layout)
    await lab.up(silently)
    assert leftovers.processes(lab.layout) == before


async def test_a_second_lab_command_is_refused_meanwhile(lab: Lab) -> None:
    same = Lab(lab.layout)
    with lab._only_one(), pytest.raises(Conflict, match="another lab command"):  # pyright: ignore[reportPrivateUsage]
        await same.down()


async def test_subnet_of_this_machine_is_refused(lab: Lab) -> None:
    other = replace(lab.layout, root=Path("/srv/shuishan/lab-tests/other"), prefix="shv")
    with pytest.raises(Conflict, match=lab.layout.uplink):
        await Lab(other).up(silently)
    assert not leftovers.anything(other)


async def test_power(lab: Lab) -> None:
    with pytest.raises(NotFound, match="it has h1, h2, h3"):
        await lab.power_off("h9")
    await lab.power_off("h3")
    await lab.power_off("h3")
    status = {host.name: host for host in (await lab.status()).hosts}
    assert not (status["h3"].powered_on or status["h3"].libvirt_answers or status["h3"].chassis_running)
    assert status["h3"].bmc_answers, "a BMC has power of its own"
    assert status["h1"].libvirt_answers and status["h2"].libvirt_answers
    await lab.up(silently)  # a host switched off on purpose is no reason to build anew
    assert not hosts.running(lab.layout, "h3")
    await lab.power_on("h3")
    await lab.power_on("h3")
    assert await hosts.answering(lab.layout, "h3")
    await Chassis(lab.layout, "h3").wait_ready(180)


async def test_hospital_moves_without_a_lost_registration(lab: Lab) -> None:
    layout, image = lab.layout, lab.hospital_image()
    guest = GuestImage(disk=image.disk, kernel=image.kernel, initrd=image.initrd, cmdline=HOSPITAL_CMDLINE)
    db, app = f"{layout.subnet}.31", f"{layout.subnet}.32"
    url = f"http://{app}:8080"
    for vm in (_vm("his-db", "db", db, {}), _vm("his-app", "app", app, {"db": db})):
        disk = layout.pool_dir / f"{vm.name}-root.qcow2"
        await make_overlay(image, disk)
        _define(layout, "h1", domain_xml(vm, "his", guest, [disk], accelerator="tcg", bridge="br0"))
    await _serving(url)
    async with HisClient(url, timeout_s=10) as clerk:
        for vm, target in (("his-db", "h2"), ("his-app", "h3"), ("his-db", "h1")):
            source = "h2" if (vm, target) == ("his-db", "h1") else "h1"
            await asyncio.to_thread(_migrate, layout, vm, source, target)
            await asyncio.sleep(1)
    assert len(clerk.acknowledged) > 30
    assert all(answer.ok for answer in clerk.answers)


async def test_down_leaves_only_the_cache(small: Lab) -> None:
    layout = small.layout
    await small.up(silently)
    assert leftovers.processes(layout)
    await small.down()
    assert leftovers.processes(layout) == []
    assert leftovers.namespaces(layout) == []
    assert not Path(f"/sys/class/net/{layout.uplink}").exists()
    assert not layout.root.exists()
    assert small.hospital_image().disk.exists()
    await small.down()


async def test_up_after_accidents(small: Lab) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    await small.up(silently)
    victims = leftovers.processes(small.layout)
    for pid in chance.sample(victims, k=len(victims) // 2):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for host in small.layout.hosts:  # whatever died before, this part is gone now
        await netns.kill_all(small.layout.host_netns(host))
    await small.up(silently)
    (host,) = (await small.status()).hosts
    assert host.libvirt_answers and host.chassis_running and host.bmc_answers


async def test_interrupted_up_leaves_nothing(small: Lab) -> None:
    starting = asyncio.create_task(small.up(silently))
    async with asyncio.timeout(60):
        while not hosts.running(small.layout, "h1"):  # noqa: ASYNC110 - the machine sends no event
            await asyncio.sleep(0.05)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not leftovers.anything(small.layout)


def _vm(name: str, role: str, address: str, peers: dict[str, str]) -> VmSpec:
    return VmSpec(
        name=name,
        cpu_count=1,
        memory_bytes=256 * 1024**2,
        disks=(DiskSpec(size_bytes=2 * 1024**3, image="hospital"),),
        nics=(NicSpec(address=f"{address}/24"),),
        role=role,
        peers=peers,
    )


def _define(layout: LabLayout, host: str, xml: str) -> None:
    link = libvirt.open(layout.libvirt_uri(host))
    link.defineXML(xml).create()
    link.close()


def _migrate(layout: LabLayout, vm: str, source: str, target: str) -> None:
    link = libvirt.open(layout.libvirt_uri(source))
    uri = f"qemu+tls://{layout.host_address(target)}/system"
    link.lookupByName(vm).migrateToURI3(uri, {}, MIGRATION)
    link.close()


async def _serving(url: str) -> None:

    async with asyncio.timeout(120), httpx.AsyncClient(trust_env=False) as client:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(f"{url}/health", timeout=3)).status_code == 200:
                    return
            await asyncio.sleep(0.3)
