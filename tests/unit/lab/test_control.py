"""The lab as a site: what is written for the server can be read by it."""

import os
from pathlib import Path

import pytest

from shuishan.app.settings import Listen, read_site_file, write_site_file
from shuishan.lab.control import server_pid, site_file, site_path
from shuishan.lab.images import Image
from shuishan.lab.layout import LabLayout

IMAGE = Image(Path("/i/disk.qcow2"), Path("/i/kernel"), Path("/i/initrd"))
LISTEN = Listen(cert_file=Path("c"), key_file=Path("k"), ca_file=Path("a"))


@pytest.mark.parametrize("accelerator", ["kvm", "tcg"])
def test_the_labs_site_file_is_read_as_it_was_written(tmp_path: Path, accelerator: str) -> None:
    site = site_file(LabLayout(root=tmp_path), IMAGE, accelerator, LISTEN)
    write_site_file(site, tmp_path / "site.yaml")
    assert read_site_file(tmp_path / "site.yaml") == site
    assert site.compute.accelerator == accelerator


def test_every_host_has_its_own_doors(tmp_path: Path) -> None:
    hosts = site_file(LabLayout(root=tmp_path), IMAGE, "tcg", LISTEN).hosts
    assert [host.name for host in hosts] == ["h1", "h2", "h3"]
    for doors in ("libvirt_uri", "migration_address", "chassis_address", "bmc_url"):
        assert len({getattr(host, doors) for host in hosts}) == 3
    assert len({host.rack for host in hosts}) > 1


@pytest.mark.parametrize("content", [None, "", "words", "999999999", str(os.getpid())])
def test_a_pid_file_is_believed_only_when_it_is_this_labs_server(tmp_path: Path, content: str | None) -> None:
    """After a crash the number may belong to anybody."""
    layout = LabLayout(root=tmp_path)
    state = layout.control_dir / "state"
    state.mkdir(parents=True)
    if content is not None:
        (state / "server.pid").write_text(content)
    assert server_pid(layout) is None
    assert site_path(layout).parent == layout.control_dir
