"""The site file: one clear error for each way of getting it wrong."""

from pathlib import Path

import pytest
import yaml
from tests.story.house import host

from shuishan.app.settings import Compute, Listen, SiteFile, read_site_file, write_site_file
from shuishan.base.storage.qcow2 import GuestImage
from shuishan.model.errors import BadInput, NotFound

SITE = SiteFile(
    name="示例",
    state_dir=Path("/srv/x"),
    listen=Listen(cert_file=Path("c"), key_file=Path("k"), ca_file=Path("a")),
    hosts=(host("h1"),),
    compute=Compute(
        pool_dir=Path("/srv/pool"),
        images={"tiny": GuestImage(disk=Path("d"), kernel=Path("k"), initrd=Path("i"), cmdline="quiet")},
    ),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "site.yaml"


def test_what_is_written_is_read(file: Path) -> None:
    write_site_file(SITE, file)
    assert read_site_file(file) == SITE


def test_a_file_that_is_not_there(file: Path) -> None:
    with pytest.raises(NotFound, match=r"site\.yaml is not there; `shuishan lab up` writes one"):
        read_site_file(file)


def test_a_folder_is_no_site_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_site_file(tmp_path)


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe\x00", b"a: b: c", b"\x00"])
def test_what_is_no_yaml(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(BadInput, match=r"site file .*site\.yaml cannot be read: ."):
        read_site_file(file)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("hosts", None, "hosts: Field required"),
        ("hosts", [], "hosts: Tuple should have at least 1 item"),
        ("colour", "blue", "colour: Extra inputs are not permitted"),
        ("listen.port", 0, "listen.port: Input should be greater than or equal to 1"),
        ("periods.turn_s", "soon", "periods.turn_s: Input should be a valid number"),
        ("compute.accelerator", "magic", "compute.accelerator: Input should be 'kvm' or 'tcg'"),
        ("compute.pool_dir", None, "compute.pool_dir: Field required"),
    ],
)
def test_a_wrong_field_is_named_with_its_file(file: Path, field: str, value: object, says: str) -> None:
    content = SITE.model_dump(mode="json")
    *path, last = field.split(".")
    inner = content
    for part in path:
        inner = inner[part]
    inner[last] = value
    if value is None:
        del inner[last]
    file.write_text(yaml.safe_dump(content), "utf-8")
    with pytest.raises(BadInput) as caught:
        read_site_file(file)
    assert caught.value.message.startswith(f"site file {file}: {says}")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("content", ["", "[]", "words"])
def test_what_is_no_site_at_all(file: Path, content: str) -> None:
    file.write_text(content)
    with pytest.raises(BadInput, match="the file: "):
        read_site_file(file)
