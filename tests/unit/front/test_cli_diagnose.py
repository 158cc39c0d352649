"""`shuishan diagnose`: the document it prints, the words it prints, and its exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from shuishan.front.cli.diagnose import diagnose, span
from shuishan.model.errors import BadInput

APP = typer.Typer()
APP.command()(diagnose)

MEDIUM = "critical medium error, dev sda, sector 2048 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 0\n"


def told(*arguments: str) -> str:
    result = CliRunner().invoke(APP, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bad.log").write_text(MEDIUM)
    (tmp_path / "calm.log").write_text("usb 1-1: USB disconnect, device number 5\n")
    (tmp_path / "noise.bin").write_bytes(b"\x00\x01" * 9000)
    return tmp_path


def test_a_file_that_is_not_there_ends_in_bad_input(tmp_path: Path) -> None:
    result = CliRunner().invoke(APP, [str(tmp_path / "gone")])
    assert isinstance(result.exception, BadInput)
    assert result.exception.exit_code == 2


def test_the_document_holds_what_a_program_needs(folder: Path) -> None:
    document: dict[str, Any] = json.loads(told("--json", "--each", str(folder)))
    (finding,) = document["findings"]
    assert finding["source"] == str(folder / "bad.log")
    assert (finding["issue"], finding["category"], finding["component"]) == (
        "disk.medium_error",
        "disk",
        "sda",
    )
    assert finding["horizon_s"] is None and 0 < finding["probability"] <= 1
    assert finding["evidence"] == [MEDIUM.strip()]
    assert set(finding["advice"]) == {"en", "zh"}
    assert document["silent"] == [str(folder / "calm.log")]
    assert document["dismissed"][0]["issue"] == "harmless.usb_reset"
    assert document["skipped"][0]["source"] == str(folder / "noise.bin")


@pytest.mark.parametrize(("language", "word"), [("en", "Advice"), ("zh", "建议")])
def test_people_read_it_in_their_language(folder: Path, language: str, word: str) -> None:
    assert word in told("--lang", language, str(folder / "bad.log"))


def test_silence_is_said(folder: Path) -> None:
    text = told("--lang", "en", str(folder / "calm.log"))
    assert "Nothing is wrong" in text and "reset and re-enumerated" in text


@pytest.mark.parametrize(("duration_s", "text"), [(30.0, "30 s"), (7200.0, "2 hours"), (259200.0, "3 days")])
def test_a_span_is_told_in_its_largest_unit(duration_s: float, text: str) -> None:
    assert span(duration_s, "en") == text
