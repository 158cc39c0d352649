"""The window: silence first, then bounds, then what counts as a change."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shuishan.model.signal import LogLine, Reading, Signal, Source, Unknown
from shuishan.sense.window import POINTS_LIMIT, SignalWindow

SSH = "ssh://h1"


def window(**limits: float) -> SignalWindow:
    return SignalWindow(
        lambda text: "boring" not in text,
        window_s=limits.get("window_s", 1000.0),
        max_lines_per_host=int(limits.get("max_lines", 100)),
        stale_s=30.0,
    )


def line(at_s: float, text: str, host: str = "h1", source: Source = Source.KERNEL_LOG) -> LogLine:
    return LogLine(host=host, source=source, at_s=at_s, text=text, origin=SSH)


def reading(
    at_s: float,
    value: float | str | None,
    component: str = "nvme0",
    fact: str = "nvme.available_spare_percent",
) -> Reading:
    return Reading(
        host="h1", source=Source.SMART, at_s=at_s, component=component, fact=fact, value=value, origin=SSH
    )


def unknown(at_s: float, reason: str = "refused", part: str = "", source: Source = Source.SMART) -> Unknown:
    return Unknown(host="h1", source=source, at_s=at_s, reason=reason, origin=SSH + part)


def unknowns(signals: list[Signal]) -> list[tuple[Source, float]]:
    return [(s.source, s.at_s) for s in signals if isinstance(s, Unknown)]


def texts(signals: list[Signal]) -> list[str]:
    return [s.text for s in signals if isinstance(s, LogLine)]


def points(signals: list[Signal]) -> list[tuple[float, float | str | None]]:
    return [(s.at_s, s.value) for s in signals if isinstance(s, Reading)]


# --- silence


def test_source_that_never_answered_becomes_unknown() -> None:
    seen = window()
    seen.expect("h1", [Source.SMART, Source.KERNEL_LOG], now_s=100)
    assert unknowns(seen.signals(130)) == []
    assert unknowns(seen.signals(130.1)) == [(Source.SMART, 100.0), (Source.KERNEL_LOG, 100.0)]


def test_source_that_fell_silent_becomes_unknown_since_its_last_answer() -> None:
    seen = window()
    seen.expect("h1", [Source.SMART], now_s=100)
    seen.add([reading(110, 99.0)])
    assert unknowns(seen.signals(140)) == []
    assert unknowns(seen.signals(200)) == [(Source.SMART, 110.0)]
    # What was known stays known: silence is neither recovery nor death.
    assert points(seen.signals(200)) == [(110.0, 99.0)]


def test_answer_ends_silence() -> None:
    seen = window()
    seen.expect("h1", [Source.SMART], now_s=100)
    assert unknowns(seen.signals(200))
    seen.add([reading(201, 99.0)])
    assert unknowns(seen.signals(202)) == []


def test_log_with_nothing_new_is_heard() -> None:
    seen = window()
    seen.expect("h1", [Source.KERNEL_LOG], now_s=100)
    for at_s in range(100, 300, 10):
        seen.heard("h1", Source.KERNEL_LOG, at_s=at_s)
        assert unknowns(seen.signals(at_s + 5)) == []


def test_old_log_lines_do_not_prove_that_the_stream_lives() -> None:
    seen = window()
    seen.expect("h1", [Source.KERNEL_LOG], now_s=100)
    seen.add([line(199, "nvme0: timeout")])
    assert unknowns(seen.signals(200)) == [(Source.KERNEL_LOG, 100.0)]


def test_unknown_keeps_the_time_it_began() -> None:
    seen = window()
    seen.expect("h1", [Source.SMART], now_s=100)
    for at_s in (100, 110, 120, 500):
        seen.add([unknown(at_s)])
    assert unknowns(seen.signals(600)) == [(Source.SMART, 100.0)]


def test_collectors_own_reason_is_told_once_and_preferred() -> None:
    seen = window()
    seen.expect("h1", [Source.SMART], now_s=100)
    seen.signals(200)
    seen.add([unknown(201, "connection refused")])
    (told,) = [s for s in seen.signals(300) if isinstance(s, Unknown)]
    assert told.reason == "connection refused"


def test_one_disk_unknown_while_others_answer() -> None:
    seen = window()
    seen.expect("h1", [Source.SMART], now_s=100)
    seen.add([unknown(100, part="#sda"), reading(100, 99.0)])
    assert len(unknowns(seen.signals(101))) == 1
    seen.add([reading(110, 1.0, component="sda")])
    assert unknowns(seen.signals(111)) == []


def test_unknown_disk_that_is_no_more_listed_goes_when_its_source_answers_on() -> None:
    seen = window()
    seen.add([unknown(100, part="#sda")])
    seen.heard("h1", Source.SMART, at_s=120)
    assert len(unknowns(seen.signals(120))) == 1
    seen.heard("h1", Source.SMART, at_s=131)
    assert unknowns(seen.signals(131)) == []


# --- bounds


def test_uninteresting_lines_are_not_kept() -> None:
    seen = window()
    seen.add([line(1, "boring"), line(2, "mce: error")])
    assert texts(seen.signals(3)) == ["mce: error"]


def test_chatty_line_does_not_push_out_a_rare_one() -> None:
    seen = window(max_lines=100)
    seen.add([line(1, "nvme0: critical medium error")])
    seen.add([line(2 + n / 1000, f"usb 1-{n}: reset") for n in range(10_000)])
    found = texts(seen.signals(20))
    assert len(found) <= 100
    assert found[0] == "nvme0: critical medium error"
    assert found[-1] == "usb 1-9999: reset"


@given(st.lists(st.text("ghijk", min_size=1, max_size=6), max_size=300), st.integers(1, 20))
def test_never_more_lines_than_allowed_and_always_the_newest(words: list[str], limit: int) -> None:
    seen = window(max_lines=limit)
    for at_s, word in enumerate(words):
        seen.add([line(at_s, word)])
        found = texts(seen.signals(at_s))
        assert len(found) <= limit
        assert found[-1] == word


@given(st.lists(st.none() | st.floats(0, 100) | st.sampled_from(["OK", "Critical"]), max_size=200))
def test_series_is_bounded_ordered_and_ends_with_the_newest(values: list[float | str | None]) -> None:
    seen = window()
    for at_s, value in enumerate(values):
        seen.add([reading(at_s, value)])
    found = points(seen.signals(len(values)))
    assert len(found) <= POINTS_LIMIT
    assert found == sorted(found, key=lambda point: point[0])
    if values:
        assert found[-1] == (len(values) - 1, values[-1])


def test_flat_stretch_is_its_two_ends() -> None:
    seen = window()
    seen.add([reading(at_s, 99.0) for at_s in range(100)])
    seen.add([reading(at_s, 98.0) for at_s in range(100, 200)])
    assert points(seen.signals(200)) == [(0.0, 99.0), (99.0, 99.0), (100.0, 98.0), (199.0, 98.0)]


def test_reading_from_before_the_newest_is_ignored() -> None:
    seen = window()
    seen.add([reading(10, 5.0), reading(9, 7.0)])
    assert points(seen.signals(11)) == [(10.0, 5.0)]


def test_old_signals_leave() -> None:
    seen = window(window_s=1000)
    seen.add([line(0, "mce: error"), reading(0, 5.0), reading(500, 4.0)])
    assert len(seen.signals(900)) == 3
    assert points(seen.signals(1060)) == [(500.0, 4.0)]
    assert texts(seen.signals(1060)) == []
    assert seen.signals(1600) == []


def test_lines_come_by_time_and_equal_times_by_arrival() -> None:
    seen = window()
    seen.add([line(5, "b"), line(5, "a"), line(1, "first", source=Source.BMC_EVENT)])
    assert texts(seen.signals(6)) == ["first", "b", "a"]


# --- revision


@pytest.mark.parametrize(
    "same",
    [
        reading(50, 99.0),
        reading(50, "OK", fact="bmc.sensor.health"),
        unknown(50),
        line(50, "boring"),
    ],
    ids=["number", "text", "unknown", "uninteresting"],
)
def test_saying_the_same_again_changes_nothing(same: Signal) -> None:
    seen = window()
    seen.add([unknown(1), reading(10, 99.0), reading(10, "OK", fact="bmc.sensor.health"), unknown(11)])
    seen.add([reading(11, 99.0, component="sda", fact="smart.pending_sectors")])
    if isinstance(same, Unknown):
        seen.add([unknown(12)])
    before = seen.revision("h1", now_s=49)
    seen.add([same])
    assert seen.revision("h1", now_s=50) == before


@pytest.mark.parametrize(
    "news",
    [
        reading(50, 98.0),
        reading(50, None),
        reading(50, 1.0, component="sda"),
        unknown(50, source=Source.EDAC),
        line(50, "mce: error"),
    ],
    ids=["number", "no answer", "component", "unknown", "line"],
)
def test_news_changes_the_revision_of_its_host_only(news: Signal) -> None:
    seen = window()
    seen.add([reading(10, 99.0), line(10, "x", host="h2")])
    before, other = seen.revision("h1", now_s=40), seen.revision("h2", now_s=40)
    seen.add([news])
    assert seen.revision("h1", now_s=50) != before
    assert seen.revision("h2", now_s=50) == other


def test_falling_silent_and_answering_again_are_changes() -> None:
    seen = window()
    seen.expect("h1", [Source.SMART], now_s=0)
    seen.add([reading(0, 99.0)])
    start = seen.revision("h1", now_s=30)
    silent = seen.revision("h1", now_s=31)
    assert silent != start
    assert seen.revision("h1", now_s=500) == silent
    seen.add([reading(501, 99.0)])
    assert seen.revision("h1", now_s=501) != silent


# --- forgetting


def test_repaired_component_is_forgotten_and_others_are_not() -> None:
    seen = window()
    seen.add([line(1, "nvme nvme0: timeout"), line(2, "nvme0n1p2: I/O error"), line(3, "nvme nvme01: x")])
    seen.add([reading(4, 2.0), reading(4, 7.0, component="sda"), unknown(4, part="#nvme0")])
    seen.forget("h1", "nvme0", before_s=10)
    found = seen.signals(11)
    assert texts(found) == ["nvme nvme01: x"]
    assert points(found) == [(4.0, 7.0)]
    assert unknowns(found) == []


def test_forgotten_lines_do_not_come_back_but_new_ones_do() -> None:
    seen = window()
    seen.forget("h1", "nvme0", before_s=10)
    seen.add([line(9, "nvme nvme0: timeout"), reading(9, 2.0)])
    seen.add([line(11, "nvme nvme0: timeout again"), reading(11, 3.0)])
    found = seen.signals(12)
    assert texts(found) == ["nvme nvme0: timeout again"]
    assert points(found) == [(11.0, 3.0)]


def test_whole_record_goes_with_the_line_that_names_the_part() -> None:
    seen = window()
    seen.add(
        [
            line(1.0, "{7}[Hardware Error]: event severity: corrected"),
            line(1.1, "{7}[Hardware Error]:  fru_text: DIMM_A1"),
            line(1.2, "{7}[Hardware Error]:   error_type: 2, single-bit ECC"),
            line(1.3, "{8}[Hardware Error]:   fru_text: DIMM_B1"),
            line(500.0, "{7}[Hardware Error]: after a reboot numbers begin anew"),
        ]
    )
    seen.forget("h1", "DIMM_A1", before_s=501)
    assert texts(seen.signals(502)) == [
        "{8}[Hardware Error]:   fru_text: DIMM_B1",
        "{7}[Hardware Error]: after a reboot numbers begin anew",
    ]


def test_evidence_that_does_not_name_the_part_is_forgotten_too() -> None:
    seen = window()
    seen.add([line(1, "ata1.00: failed command: READ DMA"), line(2, "ata2.00: failed command: READ DMA")])
    seen.forget("h1", "sda", before_s=10, evidence=["ata1.00: failed command: READ DMA"])
    assert texts(seen.signals(11)) == ["ata2.00: failed command: READ DMA"]


def test_whole_host_is_forgotten_but_its_silence_is_not() -> None:
    seen = window()
    seen.expect("h1", [Source.SMART], now_s=0)
    seen.add([line(1, "mce: error"), reading(4, 2.0), unknown(5), line(1, "mce: error", host="h2")])
    seen.forget("h1", None, before_s=10)
    assert texts(seen.signals(11)) == ["mce: error"]
    assert points(seen.signals(11)) == []
    assert unknowns(seen.signals(11, "h1")) == [(Source.SMART, 5.0)]


def test_forgetting_changes_the_revision() -> None:
    seen = window()
    seen.add([line(1, "nvme0: timeout")])
    before = seen.revision("h1", now_s=2)
    seen.forget("h1", "nvme0", before_s=2)
    assert seen.revision("h1", now_s=3) != before


def test_dropped_host_is_gone() -> None:
    seen = window()
    seen.add([line(1, "mce: error"), line(1, "mce: error", host="h2")])
    seen.drop("h1")
    assert [signal.host for signal in seen.signals(2)] == ["h2"]


def test_vm_that_left_its_host_is_not_known_there_any_more() -> None:
    def said(at_s: float, component: str) -> Reading:
        return Reading(
            host="h1",
            source=Source.LIBVIRT,
            at_s=at_s,
            component=component,
            fact="libvirt.state",
            value="crashed",
        )

    seen = window()
    seen.add([said(100, "vm/his-db"), said(100, "vm/his-app"), reading(100, 99.0)])
    before = seen.revision("h1", now_s=100)
    seen.add([said(131, "vm/his-app")])
    found = {s.component for s in seen.signals(131) if isinstance(s, Reading)}
    # A disk that is no longer listed stays: not seen is not repaired.
    assert found == {"vm/his-app", "nvme0"}
    assert seen.revision("h1", now_s=131) != before


def test_collectors_and_diagnosis_may_be_different_threads() -> None:
    seen = window(max_lines=50)
    done = threading.Event()
    broken: list[Exception] = []

    def look() -> None:
        while not done.is_set():
            try:
                seen.signals(1000)
                seen.revision("h1", now_s=1000)
            except Exception as error:  # whatever it is, the test must tell
                broken.append(error)
                return

    looker = threading.Thread(target=look)
    looker.start()
    for number in range(3000):
        word = "ghijklmnop"[number % 10] * (number // 10 % 97 + 1)
        seen.add([line(900, word), reading(900 + number / 100, float(number), component=f"sd{word}")])
    done.set()
    looker.join(10)
    assert broken == []
