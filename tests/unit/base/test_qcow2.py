"""Disks made by the real qemu-img."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from shuishan.base import shell
from shuishan.base.storage.qcow2 import GuestImage, Qcow2Pool
from shuishan.model.errors import EngineRefused, NotFound
from shuishan.model.site import DiskSpec

MIB = 1024**2
ROOT = DiskSpec(size_bytes=8 * MIB, image="tiny")

pytestmark = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")


@pytest.fixture
async def pool(tmp_path: Path) -> Qcow2Pool:
    base = tmp_path / "base.qcow2"
    await shell.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "1M"], timeout_s=30)
    image = GuestImage(disk=base, kernel=Path("k"), initrd=Path("i"), cmdline="")
    broken = image.model_copy(update={"disk": tmp_path / "gone.qcow2"})
    return Qcow2Pool(tmp_path / "pool", {"tiny": image, "broken": broken})


async def test_an_unknown_image_names_those_the_site_holds(pool: Qcow2Pool, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"image huge is not in this site \(it holds: broken, tiny\)"):
        await pool.make("db", DiskSpec(size_bytes=MIB, image="huge"))
    with pytest.raises(NotFound, match=r"it holds: none"):
        Qcow2Pool(tmp_path, {}).image("tiny")


async def test_a_base_that_is_gone_leaves_no_disk(pool: Qcow2Pool) -> None:
    disk = DiskSpec(size_bytes=MIB, image="broken")
    with pytest.raises(EngineRefused, match=r"gone\.qcow2"):
        await pool.make("db", disk)
    assert not pool.path("db", disk).exists()


async def test_a_disk_is_an_overlay_of_its_size(pool: Qcow2Pool, tmp_path: Path) -> None:
    path = await pool.make("db", ROOT)
    found = json.loads((await shell.run(["qemu-img", "info", "--output=json", path], timeout_s=30)).stdout)
    assert (found["format"], found["virtual-size"]) == ("qcow2", 8 * MIB)
    assert found["full-backing-filename"] == str(tmp_path / "base.qcow2")


async def test_making_it_again_keeps_what_was_written(pool: Qcow2Pool) -> None:
    path = await pool.make("db", ROOT)
    with path.open("ab") as disk:
        disk.write(b"a patient's record")
    assert await pool.make("db", ROOT) == path
    assert path.read_bytes().endswith(b"a patient's record")


async def test_what_a_killed_qemu_img_left_is_made_anew(pool: Qcow2Pool) -> None:
    path = pool.path("db", ROOT)
    path.parent.mkdir()
    path.with_suffix(".new").write_bytes(b"half")
    assert await pool.make("db", ROOT) == path
    assert path.read_bytes().startswith(b"QFI\xfb")
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_deleting_a_vm_leaves_the_disks_of_one_with_a_longer_name(pool: Qcow2Pool) -> None:
    kept = await pool.make("his-db", ROOT)
    pool.delete("his")
    assert kept.exists()
    pool.delete("his-db")
    pool.delete("his-db")
    assert not kept.exists()


async def test_no_two_vms_share_a_disk(pool: Qcow2Pool) -> None:
    data = ROOT.model_copy(update={"name": "db-root"})
    assert pool.path("his", data) != pool.path("his-db", ROOT)
    await asyncio.gather(pool.make("his", data), pool.make("his-db", ROOT))
