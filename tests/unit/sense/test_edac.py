"""Counters of the kernel. Where nothing counts, the answer is Unknown and never zero."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shuishan.catalog.facts import fact
from shuishan.model.signal import Reading, Signal, Unknown
from shuishan.sense.edac import COMMAND, parse_counters

RECORDED = Path(__file__).parents[2] / "recorded" / "edac"
HEAD, END = "== shuishan counters\n", "== end\n"
TWO_DIMMS = """\
mc0/mc_name:Skylake Socket#0 IMC#0
mc0/ce_count:7
mc0/ue_count:0
mc0/dimm0/dimm_label:DIMM_A1
mc0/dimm0/dimm_ce_count:7
mc0/dimm0/dimm_ue_count:0
mc0/dimm3/dimm_label:DIMM_B1
mc0/dimm3/dimm_ce_count:0
mc0/dimm3/dimm_ue_count:1
"""
OTHERS = """\
 MCE:          2          0   Machine check exceptions
HardwareCorrupted:     4 kB
0000:00:03.0/aer_dev_correctable:TOTAL_ERR_COR 12
0000:00:03.0/aer_dev_fatal:TOTAL_ERR_FATAL 1
"""


def parse(text: str) -> list[Signal]:
    return parse_counters(text, host="h1", at_s=5.0, origin="ssh://h1")


def values(text: str) -> dict[tuple[str, str], float | str | None]:
    return {(s.component, s.fact): s.value for s in parse(text) if isinstance(s, Reading)}


def reasons(text: str) -> list[tuple[str, str]]:
    return [(s.origin, s.reason) for s in parse(text) if isinstance(s, Unknown)]


@pytest.mark.parametrize("text", ["", "Permission denied", HEAD, HEAD + TWO_DIMMS])
def test_cut_output_is_unknown_and_nothing_else(text: str) -> None:
    signals = parse(text)
    assert [type(signal) for signal in signals] == [Unknown]


def test_no_driver_is_unknown_not_zero() -> None:
    assert reasons(HEAD + OTHERS + END) == [("ssh://h1#mc", "no EDAC driver bound")]
    assert not [key for key in values(HEAD + OTHERS + END) if key[1].startswith("edac.")]


def test_recorded_host_without_driver() -> None:
    text = (RECORDED / "no_driver.txt").read_text("utf-8")
    assert reasons(text) == [("ssh://h1#mc", "no EDAC driver bound")]
    found = values(text)
    assert found["cpu", "mce.count"] == 0.0
    assert found["memory", "memory.corrupted_bytes"] == 0.0
    assert found["0000:04:00.0", "pcie.aer_fatal"] == 0.0
    assert ("cpu0", "mce.count") not in found


def test_dimms_by_label() -> None:
    found = values(HEAD + TWO_DIMMS + END)
    assert found["DIMM_A1", "edac.ce_count"] == 7.0
    assert found["DIMM_B1", "edac.ue_count"] == 1.0
    assert found["mc0", "edac.ce_count"] == 7.0
    assert reasons(HEAD + TWO_DIMMS + END) == []


def test_dimms_with_one_label_for_all_are_named_by_place() -> None:
    found = values(HEAD + TWO_DIMMS.replace("DIMM_A1", "DIMM").replace("DIMM_B1", "DIMM") + END)
    assert found["mc0/dimm0", "edac.ce_count"] == 7.0
    assert found["mc0/dimm3", "edac.ue_count"] == 1.0


def test_other_counters() -> None:
    assert values(HEAD + OTHERS + END) == {
        ("cpu", "mce.count"): 2.0,
        ("cpu0", "mce.count"): 2.0,
        ("memory", "memory.corrupted_bytes"): 4096.0,
        ("0000:00:03.0", "pcie.aer_correctable"): 12.0,
        ("0000:00:03.0", "pcie.aer_fatal"): 1.0,
    }


def test_only_registered_facts() -> None:
    for _, name in values(HEAD + TWO_DIMMS + OTHERS + END):
        fact(name)


def test_the_command_is_understood_by_this_machines_shell() -> None:
    done = subprocess.run(["sh", "-c", COMMAND], capture_output=True, text=True, timeout=20, check=False)
    assert done.stdout.startswith(HEAD)
    assert done.stdout.endswith(END)
    assert "syntax" not in done.stderr.lower()


@given(st.text())
def test_never_raises(text: str) -> None:
    assert parse(text)
    parse(HEAD + text + "\n" + END)
