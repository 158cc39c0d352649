"""Journal lines as journald really writes them, and as it should never write them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shuishan.model.signal import LogLine, Source
from shuishan.sense.kernel_log import (
    follow_command,
    parse_clock,
    parse_journal_entry,
    parse_journal_json_line,
)

RECORDED = Path(__file__).parents[2] / "recorded" / "kernel"


def parse(entry: object) -> LogLine | None:
    return parse_journal_json_line(json.dumps(entry), host="h1", origin="test")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-- Journal begins --",
        '{"MESSAGE": "cut in the mid',
        "[1, 2]",
        "null",
        "{}",
        '{"MESSAGE": null, "__CURSOR": "c"}',
        '{"MESSAGE": ""}',
        '{"MESSAGE": {"a": 1}}',
        "[" * 5000,
        '{"MESSAGE": ' + "9" * 5000 + "}",
    ],
)
def test_what_holds_no_line_is_none(text: str) -> None:
    assert parse_journal_json_line(text, host="h1", origin="test") is None


def test_message_as_bytes_is_decoded_and_bad_bytes_are_marked() -> None:
    line = parse({"MESSAGE": [110, 118, 109, 101, 255, 33], "_TRANSPORT": "kernel"})
    assert line is not None
    assert line.text == "nvme\ufffd!"


def test_last_of_several_messages_counts() -> None:
    line = parse({"MESSAGE": ["first", "second"]})
    assert line is not None
    assert line.text == "second"


def test_lone_surrogate_is_replaced() -> None:
    line = parse_journal_json_line('{"MESSAGE": "a\\ud800b"}', host="h1", origin="test")
    assert line is not None
    assert line.text == "a?b"


@pytest.mark.parametrize("stamp", [None, "soon", "-5", "²", "9" * 30, 17.5])
def test_unreadable_time_is_zero_and_the_line_is_kept(stamp: object) -> None:
    line = parse({"MESSAGE": "x", "__REALTIME_TIMESTAMP": stamp})
    assert line is not None
    assert line.at_s == 0.0


def test_other_programs_are_system_log_and_named() -> None:
    line = parse({"MESSAGE": "started", "SYSLOG_IDENTIFIER": "smartd", "_TRANSPORT": "syslog"})
    assert line is not None
    assert (line.source, line.text) == (Source.SYSTEM_LOG, "smartd: started")


def test_long_message_is_cut() -> None:
    line = parse({"MESSAGE": "x" * 100_000})
    assert line is not None
    assert len(line.text) == 4096


def test_entry_without_text_still_moves_the_cursor() -> None:
    entry = parse_journal_entry('{"MESSAGE": null, "__CURSOR": "s=1;i=2"}', host="h1", origin="test")
    assert entry is not None
    assert (entry.cursor, entry.line) == ("s=1;i=2", None)


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.jsonl")), ids=lambda path: path.stem)
def test_every_recorded_line_is_a_kernel_line_with_time_and_cursor(path: Path) -> None:
    for text in path.read_text("utf-8").splitlines():
        entry = parse_journal_entry(text, host="h1", origin=path.name)
        assert entry is not None
        assert entry.cursor
        if entry.line is not None:
            assert entry.line.source is Source.KERNEL_LOG
            assert entry.line.at_s > 1.7e9
            assert "\n" not in entry.line.text


def test_recorded_memory_error_names_its_dimm() -> None:
    texts = [
        line.text
        for raw in (RECORDED / "dimm_correctable.jsonl").read_text("utf-8").splitlines()
        if (line := parse_journal_json_line(raw, host="h1", origin="test"))
    ]
    assert any(text.endswith("fru_text: DIMM_A1") for text in texts)
    assert any("single-bit ECC" in text for text in texts)


def test_first_contact_goes_by_time_and_later_by_cursor() -> None:
    assert "--since=-600s" in follow_command(cursor=None, since_s=600)
    later = follow_command(cursor="s=1;i='$(reboot)'", since_s=600)
    assert "--since" not in later
    assert """--after-cursor='s=1;i='"'"'$(reboot)'"'"''""" in later


@pytest.mark.parametrize(
    ("text", "at_s"), [("17.5", 17.5), ("", None), ("-1", None), ("nan", None), ("x", None)]
)
def test_clock(text: str, at_s: float | None) -> None:
    assert parse_clock(text) == at_s


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.text())
def test_never_raises_on_text(text: str) -> None:
    parse_journal_json_line(text, host="h1", origin="test")
    parse_clock(text)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "MESSAGE": JSON,
            "__CURSOR": JSON,
            "__REALTIME_TIMESTAMP": JSON,
            "_TRANSPORT": JSON,
            "SYSLOG_IDENTIFIER": JSON,
        },
    )
)
def test_never_raises_on_strange_fields(entry: object) -> None:
    parse(entry)
