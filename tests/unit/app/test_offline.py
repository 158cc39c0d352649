"""Files of any kind: what each says, and how bad ones are refused."""

import gzip
import json
from pathlib import Path

import pytest
import yaml

from shuishan.app.offline import BLOCK_BYTES, Incident, diagnose_files
from shuishan.app.smart_text import translate
from shuishan.catalog.loader import knowledge
from shuishan.diagnose.engine import Engine
from shuishan.model.errors import BadInput

PHRASINGS: list[dict[str, str | None]] = yaml.safe_load(
    Path(__file__).with_name("phrasing.yaml").read_text("utf-8")
)
MEDIUM = (
    "[  12.3] critical medium error, dev sda, sector 2048 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 0\n"
)
QUIET = "[   1.0] sd 0:0:0:0: [sda] Attached SCSI disk\n"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(knowledge())


def one(engine: Engine, *paths: Path) -> Incident:
    (incident,) = diagnose_files(paths, engine=engine, now_s=100.0)
    return incident


def issues(incident: Incident) -> list[str]:
    return [finding.issue for finding in incident.diagnosis.findings]


def test_a_file_that_does_not_exist_is_named(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"gone\.log: does not exist"):
        one(engine, tmp_path / "gone.log")


def test_no_file_is_bad_input(engine: Engine) -> None:
    with pytest.raises(BadInput, match="no file"):
        one(engine)


@pytest.mark.parametrize(
    "garbage",
    [
        bytes(range(256)) * 400,
        b"\x00" * 100_000,
        b"\x7fELF\x02\x01\x01" + b"\x00\x01\x02" * 9000,
        b"\xff" * 90_000,
    ],
    ids=["all bytes", "zeros", "program", "erased flash"],
)
def test_binary_garbage_is_one_clear_error(engine: Engine, tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "core"
    path.write_bytes(garbage)
    with pytest.raises(BadInput, match="core: is not text"):
        one(engine, path)


def test_a_huge_sparse_file_is_refused_by_its_beginning(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "dump"
    with path.open("wb") as file:
        file.truncate(2 * 1024**3)
    with pytest.raises(BadInput, match="is not text"):
        one(engine, path)


def test_a_broken_archive_is_bad_input(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "kern.log.gz"
    path.write_bytes(gzip.compress(MEDIUM.encode() * 1000)[:-20])
    with pytest.raises(BadInput, match="cannot be read"):
        one(engine, path)


def test_json_of_something_else_is_bad_input(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"smartctl": {"exit_status": 2, "messages": [{"string": "no such device"}]}}')
    with pytest.raises(BadInput, match="no such device"):
        one(engine, path)


def test_in_a_directory_a_bad_file_is_skipped_and_told(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\x00\x01\x02" * 10_000)
    (tmp_path / "b.log").write_text(MEDIUM)
    incident = one(engine, tmp_path)
    assert issues(incident) == ["disk.medium_error"]
    assert [Path(skipped.source).name for skipped in incident.skipped] == ["a.bin"]


@pytest.mark.parametrize("packed", [False, True])
def test_a_log_is_read_plain_or_packed(engine: Engine, tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "kern.log"
    data = (QUIET + MEDIUM).encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    (finding,) = one(engine, path).diagnosis.findings
    assert (finding.issue, finding.component) == ("disk.medium_error", "sda")
    assert finding.evidence[0].origin == str(path)


def test_a_line_across_two_blocks_is_read_whole(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    filler = QUIET * (BLOCK_BYTES // len(QUIET))
    path.write_text(filler[: BLOCK_BYTES - 30].rsplit("\n", 1)[0] + "\n" + MEDIUM + filler)
    assert issues(one(engine, path)) == ["disk.medium_error"]


def test_a_very_long_line_does_not_hide_the_next(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    path.write_text("x" * (2 * BLOCK_BYTES) + "\n" + MEDIUM)
    assert issues(one(engine, path)) == ["disk.medium_error"]


def test_each_file_is_an_incident_of_its_own(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(MEDIUM)
    (tmp_path / "b.log").write_text(QUIET)
    incidents = list(diagnose_files([tmp_path], engine=engine, now_s=1.0, each=True))
    assert [issues(incident) for incident in incidents] == [["disk.medium_error"], []]


def test_journal_json_is_read(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    entries = [
        {
            "MESSAGE": text.split("] ", 1)[1].strip(),
            "_TRANSPORT": "kernel",
            "__REALTIME_TIMESTAMP": "1772323200000000",
        }
        for text in (QUIET, MEDIUM)
    ]
    path.write_text("\n".join(json.dumps(entry) for entry in entries))
    assert issues(one(engine, path)) == ["disk.medium_error"]


def test_smartctl_json_is_read(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "nvme.json"
    document = {
        "smartctl": {"exit_status": 8},
        "device": {"name": "/dev/nvme0", "type": "nvme"},
        "smart_status": {"passed": False},
        "nvme_smart_health_information_log": {
            "critical_warning": 1,
            "available_spare": 6,
            "available_spare_threshold": 10,
        },
    }
    path.write_text(json.dumps(document, indent=2))
    incident = one(engine, path)
    assert "disk.nvme_spare_exhausted" in issues(incident)
    assert {finding.component for finding in incident.diagnosis.findings} == {"nvme0"}


def test_an_old_command_in_a_smart_report_is_no_event(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "smart.txt"
    path.write_text(
        "smartctl 7.3 2022-02-28 r5338\n=== START OF READ SMART DATA SECTION ===\n"
        "SMART overall-health self-assessment test result: PASSED\n"
        "  61 00 08 00 00 00 01 5d 46 79 98 41 00 33d+04:01:02.003  WRITE FPDMA QUEUED\n"
    )
    assert issues(one(engine, path)) == []


def test_a_text_without_smart_values_is_given_back_whole() -> None:
    assert translate("hello\nworld") == (None, "hello\nworld")


@pytest.mark.parametrize("case", PHRASINGS, ids=lambda case: str(case["text"])[:50])
def test_other_words_for_the_same_event(engine: Engine, tmp_path: Path, case: dict[str, str | None]) -> None:
    path = tmp_path / "case.log"
    path.write_text(str(case["text"]))
    named = issues(one(engine, path))
    assert (named[0] if named else None) == case["issue"]
