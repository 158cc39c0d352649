"""System files as people mistype them: one sentence with file, line and field, and nothing changed."""

from pathlib import Path

import pytest
import yaml
from tests.unit.front import factory
from tests.unit.front.terminal import Terminal

from shuishan.front.cli.system_file import SIZE_LIMIT_BYTES, read_system_file
from shuishan.model.errors import BadInput, NotFound

GOOD = """\
name: his
title:
  en: Hospital information system
  zh: 医院信息系统
care_tier: core
tolerance_s: 30
vms:
  - name: his-db
    cpu_count: 1
    memory_bytes: 402653184
    disks:
      - {size_bytes: 4294967296, image: debian-12}
    nics:
      - {address: 10.77.0.31/24}
probe:
  url: http://10.77.0.31:8080/visits
"""


def put(folder: Path, content: str | bytes) -> Path:
    file = folder / "his.yaml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def test_a_good_file_is_read(tmp_path: Path) -> None:
    assert read_system_file(put(tmp_path, GOOD)).vms[0].name == "his-db"
    whole = yaml.safe_dump(factory.system_spec().model_dump(mode="json"), allow_unicode=True)
    assert read_system_file(put(tmp_path, whole)) == factory.system_spec()


@pytest.mark.parametrize(
    ("before", "after", "place", "words"),
    [
        ("tolerance_s: 30", "tolerance_s: soon", ":6: tolerance_s:", "valid number"),
        ("tolerance_s: 30", "tolerance_s: -1", ":6: tolerance_s:", "greater than 0, not -1"),
        ("care_tier: core", "care_tier: gold", ":5: care_tier:", "'life_critical', 'core'"),
        ("memory_bytes: 402653184", "memory_bytes: 1", ":10: vms.0.memory_bytes:", "67108864, not 1"),
        ("    cpu_count: 1\n", "", ":8: vms.0.cpu_count:", "missing"),
        ("image: debian-12", "picture: debian-12", ":12: vms.0.disks.0.image:", "missing"),
        ("probe:", "colour: green\nprobe:", ":15: colour:", "no such field"),
        ("name: his\n", "name: HIS\n", ":1: name:", "pattern"),
        ("care_tier: core", "care_tier: [core", ":6: not YAML:", "expected"),
        ("care_tier: core", "\tcare_tier: core", ":5: not YAML:", "cannot start any token"),
    ],
)
def test_the_first_fault_is_named(tmp_path: Path, before: str, after: str, place: str, words: str) -> None:
    file = put(tmp_path, GOOD.replace(before, after, 1))
    with pytest.raises(BadInput) as caught:
        read_system_file(file)
    assert caught.value.message.startswith(f"{file}{place}")
    assert words in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "expected fields"),
        ("- a\n- b\n", "expected fields"),
        (b"\x00\xff\xfe\x01", "not UTF-8"),
        (b"x" * (SIZE_LIMIT_BYTES + 1), "larger than 1024 KiB"),
        ("a: &a [x]\nb: *a\n", "aliases"),
        ("[" * 5000, "not YAML|nested too deeply"),
        ("name: !!python/object:os.system {}\n", "not YAML"),
    ],
)
def test_what_is_no_system_file_at_all(tmp_path: Path, content: str | bytes, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read_system_file(put(tmp_path, content))


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        read_system_file(tmp_path / "none.yaml")
    with pytest.raises(BadInput, match="cannot be read"):
        read_system_file(tmp_path)


def test_apply_sends_nothing_when_the_file_is_bad(tmp_path: Path) -> None:
    terminal = Terminal()
    said = terminal.run("system apply FILE", file=put(tmp_path, GOOD.replace("core", "gold")))
    assert (said.code, said.stdout) == (2, "")
    assert "care_tier" in said.stderr
    assert terminal.house.calls == []


def test_apply_of_a_good_file_follows_the_plan(tmp_path: Path) -> None:
    terminal = Terminal()
    said = terminal.run("system apply FILE", file=put(tmp_path, GOOD))
    assert said.code == 0
    assert terminal.house.calls == [("apply_system", "his", "admin-token")]
