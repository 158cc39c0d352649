"""The door: signals in, findings out; bounded, deterministic, indifferent to the order of arrival."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shuishan.diagnose.case import EVIDENCE_MOST, TIMES_MOST
from shuishan.diagnose.engine import Engine
from shuishan.model.finding import Diagnosis, Finding
from shuishan.model.signal import LogLine, Reading, Signal, Source, Unknown

CE = "EDAC MC0: 1 CE memory read error on CPU_SrcID#0_Ha#0_Chan#1_DIMM#0 (channel:1 slot:0 page:0x1)"
GHES = """\
{N}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 0
{N}[Hardware Error]: It has been corrected by h/w and requires no further action
{N}[Hardware Error]: event severity: corrected
{N}[Hardware Error]:  Error 0, type: corrected
{N}[Hardware Error]:  fru_text: DIMM_A1
{N}[Hardware Error]:   section_type: memory error
{N}[Hardware Error]:   node:0 card:1 module:2 rank:1 bank:3 device:4 row:291 column:77
{N}[Hardware Error]:   error_type: 2, single-bit ECC"""


def line(text: str, at_s: float = 0.0, host: str = "h1") -> LogLine:
    return LogLine(host=host, source=Source.KERNEL_LOG, at_s=at_s, text=text, origin="kmsg")


def reading(fact: str, value: float | str | None, at_s: float = 0.0, component: str = "nvme0") -> Reading:
    return Reading(
        host="h1", source=Source.SMART, at_s=at_s, component=component, fact=fact, value=value, origin="smart"
    )


def only(diagnosis: Diagnosis) -> Finding:
    (finding,) = diagnosis.findings
    return finding


def test_nothing_is_said_about_nothing(engine: Engine) -> None:
    assert engine.diagnose([], now_s=7.0) == Diagnosis(at_s=7.0, findings=())


def test_one_corrected_error_evacuates_nobody(engine: Engine) -> None:
    finding = only(engine.diagnose([line(CE)], now_s=1.0))
    assert (finding.issue, finding.evacuate) == ("memory.correctable_errors", False)


def test_a_pile_up_on_one_dimm_is_a_storm(engine: Engine) -> None:
    finding = only(engine.diagnose([line(CE, at_s) for at_s in range(5)], now_s=9.0))
    assert finding.issue == "memory.correctable_storm"
    assert finding.component == "CPU_SrcID#0_Ha#0_Chan#1_DIMM#0"
    assert finding.evacuate and finding.predicted and finding.horizon_s is not None
    assert sum(evidence.count for evidence in finding.evidence) == 5


def test_the_same_number_over_a_month_is_no_storm(engine: Engine) -> None:
    lines = [line(CE, at_s=day * 7 * 86400.0) for day in range(5)]
    assert only(engine.diagnose(lines, now_s=3e6)).issue == "memory.correctable_errors"


def test_errors_on_different_dimms_do_not_add_up(engine: Engine) -> None:
    lines = [line(CE.replace("DIMM#0", f"DIMM#{n}"), at_s=n) for n in range(5)]
    assert {f.issue for f in engine.diagnose(lines, now_s=9.0).findings} == {"memory.correctable_errors"}


def test_a_firmware_record_is_one_event_and_names_its_dimm(engine: Engine) -> None:
    lines = [
        line(text.replace("{N}", f"{{{number}}}"), at_s=number * 10.0)
        for number in range(5)
        for text in GHES.splitlines()
    ]
    finding = only(engine.diagnose(lines, now_s=60.0))
    assert (finding.issue, finding.component) == ("memory.correctable_storm", "DIMM_A1")
    assert sum(evidence.count for evidence in finding.evidence) == 5


def test_aer_names_the_device_and_not_the_port_above_it(engine: Engine) -> None:
    lines = [
        line("pcieport 0000:00:1c.0: AER: Uncorrected (Fatal) error received: 0000:01:00.0"),
        line("nvme 0000:01:00.0: AER: PCIe Bus Error: severity=Uncorrected (Fatal), type=Transaction Layer"),
        line("nvme 0000:01:00.0:   device [8086:5845] error status/mask=00040000/00000000"),
        line("nvme 0000:01:00.0:    [18] MalfTLP                (First)"),
    ]
    finding = only(engine.diagnose(lines, now_s=1.0))
    assert (finding.issue, finding.component) == ("pcie.uncorrectable_error", "0000:01:00.0")


def test_spare_below_the_drives_own_threshold_is_predicted(engine: Engine) -> None:
    readings = [
        reading("nvme.critical_warning", 1),
        reading("nvme.available_spare_percent", 8),
        reading("nvme.available_spare_threshold_percent", 10),
    ]
    finding = only(engine.diagnose(readings, now_s=1.0))
    assert (finding.issue, finding.component) == ("disk.nvme_spare_exhausted", "nvme0")
    assert finding.probability > 0.95 and finding.evacuate and finding.horizon_s == 259200


def test_a_drive_that_reports_no_spare_at_all_is_not_exhausted(engine: Engine) -> None:
    readings = [
        reading("nvme.critical_warning", 0),
        reading("nvme.available_spare_percent", 0),
        reading("nvme.available_spare_threshold_percent", 0),
    ]
    assert engine.diagnose(readings, now_s=1.0).findings == ()


def test_a_value_not_told_breaks_no_limit(engine: Engine) -> None:
    assert engine.diagnose([reading("nvme.critical_warning", None)], now_s=1.0).findings == ()


def test_checksum_errors_without_bad_sectors_are_the_cable(engine: Engine) -> None:
    crc = reading("smart.udma_crc_errors", 500, component="sda")
    assert only(engine.diagnose([crc], now_s=1.0)).issue == "disk.link_errors"
    pending = reading("smart.pending_sectors", 40, component="sda")
    findings = engine.diagnose([crc, pending], now_s=1.0).findings
    assert findings[0].issue == "disk.medium_error"


def test_falling_spare_is_forecast_from_its_slope(engine: Engine) -> None:
    day_s = 86400.0
    series = [reading("nvme.available_spare_percent", 60 - 5 * day, day * day_s) for day in range(5)]
    threshold = reading("nvme.available_spare_threshold_percent", 10, 4 * day_s)
    finding = only(engine.diagnose([*series, threshold], now_s=4 * day_s))
    assert finding.issue == "disk.nvme_spare_exhausted"
    assert finding.horizon_s == pytest.approx(7 * day_s, rel=0.05)


def test_a_consequence_is_folded_into_its_cause(engine: Engine) -> None:
    lines = [
        line("critical medium error, dev sda, sector 2048 op 0x0:(READ)"),
        line("I/O error, dev sda, sector 2048 op 0x0:(READ) flags 0x0"),
        line("EXT4-fs (sda1): Remounting filesystem read-only"),
    ]
    diagnosis = engine.diagnose(lines, now_s=1.0)
    assert only(diagnosis).issue == "disk.medium_error"
    assert {d.issue for d in diagnosis.dismissed} == {"disk.io_error", "filesystem.read_only"}


def test_a_second_disk_is_not_hidden_behind_the_first(engine: Engine) -> None:
    lines = [
        line("critical medium error, dev sda, sector 2048 op 0x0:(READ)"),
        line("I/O error, dev sdb, sector 4096 op 0x0:(READ) flags 0x0"),
    ]
    found = {(f.issue, f.component) for f in engine.diagnose(lines, now_s=1.0).findings}
    assert found == {("disk.medium_error", "sda"), ("disk.io_error", "sdb")}


def test_what_has_ended_is_left_alone_until_it_begins_again(engine: Engine) -> None:
    began = "FAN1: Lower Critical going low, reading 0 < threshold 600 RPM"
    ended = "FAN1: Lower Critical going low (ended)"
    assert only(engine.diagnose([line(began, 1.0)], now_s=9.0)).component == "FAN1"
    over = engine.diagnose([line(began, 1.0), line(ended, 2.0)], now_s=9.0)
    assert over.findings == () and over.dismissed[0].issue == "cooling.fan_failed"
    other = engine.diagnose([line(began, 1.0), line(ended.replace("FAN1", "FAN2"), 2.0)], now_s=9.0)
    assert only(other).component == "FAN1"
    assert only(engine.diagnose([line(ended, 1.0), line(began, 2.0)], now_s=9.0)).component == "FAN1"


def test_a_sense_that_does_not_answer_is_blind_until_it_does(engine: Engine) -> None:
    silent = Unknown(host="h2", source=Source.SMART, at_s=5.0, reason="ssh refused")
    (blind,) = engine.diagnose([silent], now_s=9.0).blind
    assert (blind.host, blind.source, blind.since_s) == ("h2", Source.SMART, 5.0)
    answered = Reading(
        host="h2", source=Source.SMART, at_s=6.0, component="sda", fact="smart.health_passed", value=1.0
    )
    assert engine.diagnose([silent, answered], now_s=9.0).blind == ()


def test_hosts_are_told_apart(engine: Engine) -> None:
    signals = [
        line("Out of memory: Killed process 1234 (java) total-vm:1kB, anon-rss:1kB", host=h) for h in "ab"
    ]
    assert {f.host for f in engine.diagnose(signals, now_s=1.0).findings} == {"a", "b"}


MIXED: Sequence[Signal] = (
    line(CE, 1.0),
    line(CE, 2.0),
    line("watchdog: BUG: soft lockup - CPU#3 stuck for 23s! [kworker/3:1:1234]", 3.0),
    line("usb 1-1: USB disconnect, device number 5", 4.0),
    line("I/O error, dev sda, sector 2048 op 0x0:(READ) flags 0x0", 5.0),
    line("critical medium error, dev sda, sector 2048 op 0x0:(READ)", 6.0),
    reading("smart.pending_sectors", 8, 7.0, "sda"),
    reading("smart.pending_sectors", 9, 8.0, "sda"),
    Unknown(host="h1", source=Source.BMC_SENSOR, at_s=9.0, reason="timeout"),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(list(MIXED)))
def test_the_order_of_arrival_does_not_matter(engine: Engine, order: list[Signal]) -> None:
    assert engine.diagnose(order, now_s=10.0) == engine.diagnose(MIXED, now_s=10.0)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(block=st.binary(max_size=3000))
def test_any_bytes_are_taken(engine: Engine, block: bytes) -> None:
    case = engine.open()
    case.feed_block("h1", Source.KERNEL_LOG, "f", 0.0, block)
    case.close(1.0)


def test_a_block_says_what_its_lines_say(engine: Engine) -> None:
    texts = [str(s.text) for s in MIXED if isinstance(s, LogLine)]
    case = engine.open()
    case.feed_block("h1", Source.KERNEL_LOG, "kmsg", 0.0, "\n".join(texts).encode())
    by_block = {f.id for f in case.close(9.0).findings}
    assert by_block == {f.id for f in engine.diagnose([line(t) for t in texts], now_s=9.0).findings}


def test_evidence_and_moments_kept_are_bounded(engine: Engine) -> None:
    case = engine.open()
    for round_ in range(3):
        block = "\n".join(
            f"[{round_ * 10_000 + i}.0] INFO: task w{'x' * (i % 40)}:{i} blocked for more than 120 seconds."
            for i in range(2 * TIMES_MOST)
        )
        case.feed_block("h1", Source.KERNEL_LOG, "f", 0.0, block.encode())
    findings = case.close(1.0).findings
    assert all(len(f.evidence) <= 2 * EVIDENCE_MOST for f in findings)
    assert len(findings) <= 64


def test_a_megabyte_line_is_cut(engine: Engine) -> None:
    case = engine.open()
    text = b"Out of memory: Killed process 1 (java) total-vm:1kB, anon-rss:1kB" + b" x" * 500_000
    case.feed_block("h1", Source.KERNEL_LOG, "f", 0.0, text)
    (evidence, *_) = only(case.close(1.0)).evidence
    assert len(evidence.text) <= 1500


def test_cases_do_not_know_of_each_other(engine: Engine) -> None:
    first, second = engine.open(), engine.open()
    for n in range(5):
        first.feed(line(CE, float(n)))
    assert second.close(9.0).findings == ()
    assert only(first.close(9.0)).issue == "memory.correctable_storm"
