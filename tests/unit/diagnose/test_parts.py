"""The small parts: words, stamps, slopes, component names."""

import pytest

from shuishan.catalog.loader import Knowledge
from shuishan.diagnose.case import quantity
from shuishan.diagnose.components import namer
from shuishan.diagnose.judge import calibrated
from shuishan.diagnose.stamps import moment_s
from shuishan.diagnose.trend import slope, time_to_s
from shuishan.diagnose.words import mca_words, said, strip_prefix


@pytest.mark.parametrize(
    "raw",
    [
        "md: kicking non-fresh sdb1 from array!",
        "[   12.345678] md: kicking non-fresh sdb1 from array!",
        "<3>[   12.345678] md: kicking non-fresh sdb1 from array!",
        "[12.345678][  T123] md: kicking non-fresh sdb1 from array!",
        "Mar  1 08:00:00 h1 kernel: md: kicking non-fresh sdb1 from array!",
        "Mar  1 08:00:00 h1 kernel: [   12.345678] md: kicking non-fresh sdb1 from array!",
        "2026-03-01T08:00:00.123456+08:00 h1 kernel: md: kicking non-fresh sdb1 from array!",
        "[Sun Mar  1 08:00:00 2026] md: kicking non-fresh sdb1 from array!",
        "kern  :err   : [   12.345678] md: kicking non-fresh sdb1 from array!",
    ],
)
def test_a_line_is_the_same_whoever_printed_it(raw: str) -> None:
    assert strip_prefix(raw) == "md: kicking non-fresh sdb1 from array!"


def test_what_differs_between_machines_is_no_word() -> None:
    one = said("nvme nvme0: I/O 384 QID 1 timeout, aborting")
    other = said("nvme nvme7: I/O 12 QID 31 timeout, aborting")
    assert one == other == ("@nvme", "io", "qid", "timeout", "aborting")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0x8C00004000010090, ["mca:memory:corrected"]),
        (0xBD000000000000C0, ["mca:memory:uncorrected"]),
        (0x9000004000010005, ["mca:internal:corrected"]),
        (0x8800004000000135, ["mca:cache:corrected"]),
        (0x9000004000000014, ["mca:tlb:corrected"]),
        (0x8800004000000E0F, ["mca:bus:corrected"]),
        (0x0000000000000090, []),  # not valid
    ],
)
def test_a_machine_check_status_says_which_unit(status: int, words: list[str]) -> None:
    assert mca_words(status) == words


@pytest.mark.parametrize(
    ("line", "at_s"),
    [
        ("no stamp at all", None),
        ("[   12.500000] x", 12.5),
        ("2026-03-01T00:00:10Z x", 1772323210.0),
        ("2026-13-41T00:00:10Z x", None),
    ],
)
def test_a_stamp_is_read_or_not(line: str, at_s: float | None) -> None:
    assert moment_s(line) == at_s


def test_syslog_stamps_keep_their_distance() -> None:
    before, after = moment_s("Mar  1 08:00:00 h x"), moment_s("Mar  2 08:00:05 h x")
    assert before is not None and after is not None and after - before == 86405.0


def test_too_few_moments_have_no_slope() -> None:
    assert slope([0.0, 1.0], [5.0, 4.0]) is None
    assert time_to_s([0.0, 0.0, 0.0], [5.0, 4.0, 3.0], 0.0) is None


def test_one_wild_reading_does_not_move_the_forecast() -> None:
    at_s = [float(n) for n in range(9)]
    values = [100.0 - 5 * n for n in range(9)]
    values[4] = 3.0
    assert time_to_s(at_s, values, 0.0) == pytest.approx(13.0, abs=1.5)


def test_a_series_that_goes_the_other_way_never_arrives() -> None:
    assert time_to_s([0.0, 1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0], 0.0) is None


@pytest.mark.parametrize(
    ("kind", "text", "names"),
    [
        ("disk", "nvme0n1: I/O error", ("nvme0",)),
        ("disk", "sd 0:0:1:0: [sdb] Add. Sense: x", ("sdb", "0:0:1:0")),
        ("disk", "ata3.00: error: { UNC }", ("ata3",)),
        ("disk", "blk_update_request: I/O error, dev sda1, sector 0", ("sda",)),
        ("pcie", "nvme 01:00.0: AER", ("0000:01:00.0",)),
        ("cpu", "CPU#3 stuck for 23s", ("cpu3",)),
        ("array", "md/raid1:md9: Disk failure on sdb1", ("md9",)),
        ("gpu", "NVRM: Xid (PCI:0000:3b:00): 79", ("0000:3b:00",)),
        ("disk", "nothing is named here", ()),
    ],
)
def test_component_names(taught: Knowledge, kind: str, text: str, names: tuple[str, ...]) -> None:
    assert namer(taught.components).names(kind, text) == names


@pytest.mark.parametrize(
    ("text", "count"),
    [("EDAC MC0: 32 CE memory", 32), ("x", 1), ("last message repeated 7 times", 7), ("n_errors=0", 1)],
)
def test_a_line_may_stand_for_many(text: str, count: int) -> None:
    assert quantity(text) == count


def test_calibration_goes_between_its_points() -> None:
    points = ((0.7, 0.8), (0.9, 1.0))
    assert calibrated(points, 0.5) == 0.8
    assert calibrated(points, 0.8) == pytest.approx(0.9)
    assert calibrated(points, 1.0) == 1.0
