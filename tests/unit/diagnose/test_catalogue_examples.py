"""Every entry of the catalogue is found by what it teaches, and leaves alone what it warns of."""

from collections import Counter

from shuishan.catalog.loader import Issue, Knowledge
from shuishan.diagnose.engine import Engine
from shuishan.diagnose.learn import Kind
from shuishan.diagnose.words import strip_prefix
from shuishan.model.finding import Diagnosis
from shuishan.model.signal import LogLine, Reading, Source


def said_by(engine: Engine, text: str, repeat: int = 1) -> Diagnosis:
    lines = [
        LogLine(host="h1", source=Source.KERNEL_LOG, at_s=float(round_), text=line, origin="test")
        for round_ in range(repeat)
        for line in text.strip().splitlines()
    ]
    return engine.diagnose(lines, now_s=100.0)


def test_every_example_names_its_issue_and_nothing_else(engine: Engine, taught: Knowledge) -> None:
    missed: list[str] = []
    for issue in taught.issues:
        meant = {issue.id} | (
            {issue.needs.otherwise} if issue.needs and issue.needs.otherwise else set[str]()
        )
        for example in issue.examples:
            named = {finding.issue for finding in said_by(engine, example, _often(issue)).findings}
            if not named or not named <= meant:
                missed.append(f"{issue.id}: {example[:80]!r} → {sorted(named)}")
    assert missed == []


def test_no_counter_example_and_no_harmless_line_is_called_a_fault(engine: Engine, taught: Knowledge) -> None:
    wrong = [
        f"{entry.id}: {text[:80]!r}"
        for entry, texts in [
            *((issue, issue.counter_examples) for issue in taught.issues),
            *((harmless, harmless.examples) for harmless in taught.harmless),
        ]
        for text in texts
        if said_by(engine, text).findings
    ]
    assert wrong == []


def test_a_healthy_machine_is_met_with_silence(engine: Engine, taught: Knowledge) -> None:
    assert said_by(engine, "\n".join(taught.ordinary)).findings == ()


def test_a_harmless_line_is_dismissed_with_its_reason(engine: Engine) -> None:
    (dismissed,) = said_by(engine, "usb 2-3: reset SuperSpeed USB device number 4 using xhci_hcd").dismissed
    assert dismissed.issue == "harmless.usb_reset"
    assert dismissed.reason.zh


def test_every_reading_example_breaks_a_limit_and_no_counter_reading_does(
    engine: Engine, taught: Knowledge
) -> None:
    wrong: list[str] = []
    for issue in taught.issues:
        for expected, examples in ((True, issue.readings), (False, issue.counter_readings)):
            for values in examples:
                named = {f.issue for f in said_by_readings(engine, values).findings}
                if (issue.id in named) != expected:
                    wrong.append(f"{issue.id}: {values} → {sorted(named)}")
    assert wrong == []


def said_by_readings(engine: Engine, values: dict[str, float | str]) -> Diagnosis:
    readings = [
        Reading(host="h1", source=Source.SMART, at_s=1.0, component="part0", fact=fact, value=value)
        for fact, value in values.items()
    ]
    return engine.diagnose(readings, now_s=2.0)


def test_examples_held_out_one_at_a_time_are_seldom_misnamed(engine: Engine, taught: Knowledge) -> None:
    """Where an issue has at least four examples, each is judged by the others alone.

    Half of them may be beyond what the others teach; what is named must be right.
    """
    verdicts: Counter[str] = Counter()
    for number, prototype in enumerate(engine.lessons.prototypes):
        if prototype.kind is not Kind.ISSUE or len(taught.issue(prototype.id).examples) < 4:
            continue
        match = engine.lessons.match(prototype.text, without=number, record="\n" in prototype.text)
        if match is None or match.kind is not Kind.ISSUE:
            verdicts["silent"] += 1
        else:
            verdicts["right" if match.id == prototype.id else "wrong"] += 1
    answered = verdicts["right"] + verdicts["wrong"]
    assert answered > 200
    assert verdicts["right"] / answered >= 0.9, verdicts


def test_there_are_issues_enough_in_categories_enough(taught: Knowledge) -> None:
    assert len(taught.issues) >= 45
    assert len({issue.category for issue in taught.issues}) >= 8


def test_every_taught_line_passes_the_fast_look(engine: Engine, taught: Knowledge) -> None:
    blind = [
        example
        for issue in taught.issues
        for example in issue.examples
        if not any(engine.interesting(strip_prefix(line)) for line in example.splitlines())
    ]
    assert blind == []


def _often(issue: Issue) -> int:
    return issue.needs.count if issue.needs is not None else 1
