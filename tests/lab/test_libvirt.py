"""The libvirt driver keeps the same contract as its simulator, on real daemons with real guests."""

import itertools
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.contract.test_compute import Bench, ComputeContract

from shuishan.base.compute.libvirt import LibvirtCompute
from shuishan.base.storage.qcow2 import GuestImage, Qcow2Pool
from shuishan.lab.hospital import HOSPITAL_CMDLINE
from shuishan.lab.layout import LabLayout
from shuishan.lab.site import Lab
from shuishan.model.clock import SystemClock
from shuishan.model.errors import NotFound
from shuishan.model.site import DiskSpec, HostSpec, NicSpec, VmSpec

pytestmark = [pytest.mark.lab, pytest.mark.asyncio(loop_scope="session")]
_numbers = itertools.count(101)


def host(layout: LabLayout, name: str, address: str) -> HostSpec:
    return HostSpec(
        name=name,
        rack="r",
        cpu_count=4,
        memory_bytes=2 * 1024**3,
        libvirt_uri=f"qemu+tls://{address}/system?pkipath={layout.pki_dir / 'client'}",
        migration_address=address,
    )


class TestLibvirtReal(ComputeContract):
    @pytest_asyncio.fixture(loop_scope="session")
    async def bench(  # pyright: ignore[reportIncompatibleVariableOverride]  another decorator, same fixture
        self, lab: Lab
    ) -> AsyncIterator[Bench]:
        layout = lab.layout
        built = lab.hospital_image()
        image = GuestImage(
            disk=built.disk, kernel=built.kernel, initrd=built.initrd, cmdline=HOSPITAL_CMDLINE
        )
        # Slow enough that a move can be cancelled while it is under way.
        compute = LibvirtCompute(
            Qcow2Pool(layout.pool_dir, {"hospital": image}),
            SystemClock(),
            accelerator="tcg",
            migration_mib_per_s=16,
        )
        number = next(_numbers)
        vm = VmSpec(
            name=f"contract-{number}",
            cpu_count=1,
            memory_bytes=128 * 1024**2,
            role="idle",
            disks=(DiskSpec(size_bytes=2 * 1024**3, image="hospital"),),
            nics=(NicSpec(address=f"{layout.subnet}.{number}/24"),),
        )
        source, target = (host(layout, name, layout.host_address(name)) for name in ("h1", "h2"))
        yield Bench(compute, source, target, host(layout, "h9", f"{layout.subnet}.99"), vm)
        for place in (source, target):
            for name in {seen.name for seen in (await compute.look(place, timeout_s=10)).vms}:
                await compute.stop(place, name, timeout_s=0)
                await compute.remove(place, name)
        compute.close()

    async def test_an_image_the_site_does_not_hold_is_named(self, bench: Bench) -> None:
        odd = bench.vm.model_copy(update={"disks": (DiskSpec(size_bytes=2**30, image="windows"),)})
        with pytest.raises(NotFound, match="windows"):
            await bench.compute.create(bench.source, odd, "contract")
