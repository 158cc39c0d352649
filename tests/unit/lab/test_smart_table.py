"""Rows of QEMU's SMART table."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shuishan.lab.smart_table import HEALTHY, SmartRow, decode, write_row
from shuishan.model.errors import EngineRefused, Silent

BYTE = st.integers(0, 255)


@given(st.builds(SmartRow, BYTE, st.integers(0, 0xFFFF), BYTE, st.integers(0, 2**48 - 1), BYTE))
def test_a_row_survives_the_way_there_and_back(row: SmartRow) -> None:
    raw = row.encode()
    assert len(raw) == 48
    assert decode(raw) == row


def test_a_process_without_the_table_is_refused() -> None:
    with pytest.raises(EngineRefused, match=r"QEMU 7\.2"):
        write_row(os.getpid(), 3, HEALTHY[3])


def test_a_process_that_is_gone_is_silent() -> None:
    with pytest.raises(Silent):
        write_row(2**22 + 1, 3, HEALTHY[3])


@pytest.mark.parametrize("index", [-1, 0, 6])
def test_the_mark_and_computed_rows_are_never_changed(index: int) -> None:
    with pytest.raises(ValueError, match="may change"):
        write_row(os.getpid(), index, HEALTHY[1])
