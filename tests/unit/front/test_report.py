"""The report: what it says, that it fetches nothing, and that nothing in it can do harm."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from rich.cells import cell_len
from tests.unit.front import factory

from shuishan.front.report import story
from shuishan.front.report.html import render_html, time_axis
from shuishan.front.report.text import render_text
from shuishan.front.report.topology import drawings
from shuishan.front.report.two import length, milliseconds, relative
from shuishan.model.finding import Diagnosis
from shuishan.model.proof import Verdict
from shuishan.model.status import PlanStatus, Report
from shuishan.model.timeline import Room

EVIL = "<script>alert(1)</script>\"'&<img src=x onerror=alert(1)>"
VOID = {"meta", "input", "br"}


class Reader(HTMLParser):
    """Collects tags, attributes and text by language; checks that every tag is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: dict[str, list[str]] = {"en": [], "zh": [], "": []}
        self._open: list[tuple[str, str]] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.extend(attrs)
        words = (dict(attrs).get("class") or "").split()
        language = next((word for word in words if word in ("en", "zh")), "")
        if tag not in VOID:
            self._open.append((tag, language or (self._open[-1][1] if self._open else "")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.extend(attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self._open and self._open[-1][0] != "style":
            self.texts[self._open[-1][1]].append(data.strip())


def evil_report() -> Report:
    """A report in which every free text is an attack."""
    told = factory.both(EVIL, f"中{EVIL}")
    finding = factory.finding().model_copy(
        update={
            "title": told,
            "advice": told,
            "component": EVIL,
            "evidence": (factory.evidence(factory.T0, EVIL),),
        }
    )
    entry = factory.timeline()[1].model_copy(update={"text": told})
    return factory.report(
        title=told,
        verdict=told,
        site=EVIL,
        version=EVIL,
        digest=EVIL,
        diagnosis=Diagnosis(at_s=factory.T0, findings=(finding,)),
        timeline=(entry,),
        placement_before={EVIL: "h1"},
        placement_after={EVIL: "h3"},
    )


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_is_whole_and_fetches_nothing(language: str) -> None:
    page = render_html(factory.report(), language)
    reader = Reader(page)
    assert not reader.tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    names = {name for name, _ in reader.attributes}
    assert not names & {"src", "href", "srcset", "action", "xlink:href", "background"}
    assert not any(name.startswith("on") for name in names)
    assert "http://" not in page
    assert "https://" not in page
    assert "@import" not in page
    assert set(re.findall(r"url\(([^)]*)\)", page)) <= {"#tip-wide", "#tip-narrow"}
    assert "default-src 'none'" in page


@pytest.mark.parametrize(("language", "checked"), [("en", "language-en"), ("zh-CN", "language-zh")])
def test_it_opens_in_the_language_asked_for(language: str, checked: str) -> None:
    page = render_html(factory.report(), language)
    assert re.findall(r'id="(language-\w\w)" checked', page) == [checked]


def test_both_languages_are_on_one_page() -> None:
    texts = Reader(render_html(factory.report(), "en")).texts
    chinese = re.compile(r"[\u4e00-\u9fff]")
    assert len(texts["en"]) == len(texts["zh"]) > 60
    assert not [text for text in texts["en"] if chinese.search(text)]
    assert [text for text in texts[""] if chinese.search(text)] == ["中文"]
    report = factory.report()
    assert report.verdict.en in texts["en"]
    assert report.verdict.zh in texts["zh"]


def test_everything_from_outside_is_escaped() -> None:
    page = render_html(evil_report(), "en")
    reader = Reader(page)
    assert not reader.tags & {"script", "img"}
    assert EVIL not in page
    assert any(EVIL in text for text in reader.texts["en"])


def test_a_log_line_cannot_command_the_terminal() -> None:
    finding = factory.finding().model_copy(
        update={"evidence": (factory.evidence(factory.T0, "a\x1b]0;x\x07b\x1b[2J"),)}
    )
    report = factory.report(diagnosis=Diagnosis(at_s=factory.T0, findings=(finding,)))
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", render_text(report, "en", 80))


def test_the_page_tells_the_story() -> None:
    texts = " ".join(Reader(render_html(factory.report(), "en")).texts["en"])
    for words in (
        "Everything that was promised held",
        "of 331 requests lost",
        "his-db moved from h1 to h3.",
        "98 % sure",
        "about 3 days",
        "his-db · paused 210 ms",
        "Order one NVMe drive",
        "HIS answered 331 of 331 requests",
        "A USB reset at boot is normal",
    ):
        assert words in texts
    assert factory.report().digest in render_html(factory.report(), "en")


def test_a_plan_that_does_not_fit_says_what_would_help() -> None:
    report = factory.report(plans=(factory.misfit_plan(),), pauses=(), placement_after={})
    page = " ".join(Reader(render_html(report, "en")).texts["en"])
    assert "Nothing was moved: it does not fit" in page
    assert "0.8 GiB too little" in page
    assert "Uncordon h2" in page


def test_a_report_of_nothing_is_a_page_too() -> None:
    empty = Report(
        site="lab",
        version="0.1.0",
        made_at_s=factory.T0,
        title=factory.both("Nothing", "无事"),
        verdict=factory.both("Nothing happened.", "一切正常。"),
        hosts=(),
        systems=(),
        diagnosis=Diagnosis(at_s=factory.T0, findings=()),
        plans=(),
        pauses=(),
        probes=(),
        timeline=(),
    )
    assert "No action was needed" in render_html(empty, "en")
    assert "无需处置" in render_text(empty, "zh", 80)


def broken(at_s: float) -> PlanStatus:
    """A plan whose proof broke."""
    status = factory.plan_status()
    return status.model_copy(
        update={
            "plan": status.plan.model_copy(update={"at_s": at_s}),
            "proof": factory.proof().model_copy(update={"verdict": Verdict.BROKEN}),
        }
    )


@pytest.mark.parametrize(
    ("changes", "ended"),
    [
        ({}, story.Outcome.HELD),
        ({"plans": ()}, story.Outcome.LEFT_ALONE),
        ({"plans": (factory.misfit_plan(),)}, story.Outcome.NO_ROOM),
        ({"plans": (factory.proposed(),)}, story.Outcome.UNKNOWN),
        ({"plans": (broken(factory.T0 + 200), factory.plan_status())}, story.Outcome.BROKEN),
        ({"plans": (broken(factory.T0), factory.plan_status())}, story.Outcome.HELD),
        ({"plans": (factory.misfit_plan(), factory.proposed())}, story.Outcome.UNKNOWN),
    ],
)
def test_outcome(changes: dict[str, object], ended: story.Outcome) -> None:
    assert story.outcome(factory.report(**changes)) is ended


def test_the_first_sign_is_the_evidence_of_what_was_answered() -> None:
    report = factory.report()
    assert story.first_sign_s(report) == factory.T0
    early = factory.timeline()[1].model_copy(update={"at_s": factory.T0 - 100})
    assert story.first_sign_s(factory.report(timeline=(early,))) == factory.T0
    assert story.first_sign_s(factory.report(timeline=(early,), plans=())) == factory.T0 - 100
    nothing = Diagnosis(at_s=factory.T0, findings=())
    assert story.first_sign_s(factory.report(timeline=(), diagnosis=nothing)) == report.made_at_s


def test_what_was_left_alone_is_folded_and_bounded() -> None:
    one = factory.dismissed()
    same = [one.model_copy(update={"component": f"usb{number}"}) for number in (3, 1, 2)]
    others = [one.model_copy(update={"host": f"n{number}"}) for number in range(20)]
    diagnosis = factory.diagnosis().model_copy(update={"dismissed": (*same, *others)})
    groups, more = story.left_alone(factory.report(diagnosis=diagnosis), 12)
    assert (groups[0].components, len(groups[0].lines)) == (("usb1", "usb2", "usb3"), 2)
    assert (len(groups), more) == (12, 9)
    page = render_html(factory.report(diagnosis=diagnosis), "en")
    assert "h2 / usb1, usb2, usb3" in page
    assert "9 more kinds of harmless signs" in page


def test_numbers_come_from_measurements_or_are_unknown() -> None:
    told = story.numbers(factory.report())
    assert (told.asked, told.lost, told.longest_pause_ms) == (331, 0, 210.4)
    assert told.to_first_move_s == pytest.approx(1.7)
    assert told.to_end_s == pytest.approx(22.8)
    nothing = story.numbers(factory.report(probes=(), pauses=(), plans=()))
    assert nothing == story.Numbers(None, None, None, None, None)


def test_the_drawing_shows_failing_part_moves_and_both_placements() -> None:
    wide, narrow, hidden = drawings(factory.report())
    assert hidden == 0
    for drawing in (wide, narrow):
        tree = ElementTree.fromstring(str(drawing))
        classes = [element.get("class") or "" for element in tree.iter()]
        assert classes.count("part") == 1
        assert classes.count("vm left") == 2
        assert classes.count("vm came") == 2
        assert classes.count("vm stays") == 1
        assert classes.count("move") == 2
        assert classes.count("rack") == 3


def test_a_large_site_draws_only_what_the_story_is_about() -> None:
    many = tuple(factory.host_status(f"h{number}", f"R{number:02d}", ()) for number in range(4, 40))
    report = factory.report(hosts=factory.hosts() + many)
    shown, hidden = story.shown_hosts(report, 4)
    assert {"h1", "h2", "h3"} < {host.spec.name for host in shown}
    assert hidden == 35
    assert "35 further hosts are not drawn." in render_html(report, "en")


def test_many_moves_stay_inside_the_drawing() -> None:
    vms = [f"vm-{number}" for number in range(12)]
    report = factory.report(
        placement_before=dict.fromkeys(vms, "h1"),
        placement_after={vm: "h3" if place % 2 else "h2" for place, vm in enumerate(vms)},
    )
    for drawing in drawings(report)[:2]:
        tree = ElementTree.fromstring(str(drawing))
        height = float((tree.get("viewBox") or "").split()[3])
        ys = [float(element.get("y") or 0) for element in tree.iter()]
        assert max(ys) < height


def test_the_axis_holds_every_room_and_every_mark() -> None:
    axis = time_axis(factory.report())
    assert [room for room, _ in axis.lanes] == list(Room)
    marks = [mark for _, lane in axis.lanes for mark in lane]
    assert all(0 <= mark.left <= 100 and mark.left + mark.width <= 100 for mark in marks)
    assert 2 <= len(axis.ticks) <= 7


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "+0.0 s"),
        (-0.04, "+0.0 s"),
        (-0.8, "−0.8 s"),
        (22.84, "+22.8 s"),
        (185, "+3 min 05 s"),
        (7380, "+2 h 03 min"),
    ],
)
def test_relative(seconds: float, told: str) -> None:
    assert relative(seconds) == told
    assert length(seconds) == told[1:]


@pytest.mark.parametrize(
    ("value", "told"), [(None, "–"), (0.4, "0 ms"), (210.4, "210 ms"), (12_180, "12.2 s")]
)
def test_milliseconds(value: float | None, told: str) -> None:
    assert milliseconds(value) == told


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [40, 80, 132])
def test_the_text_keeps_its_width_and_says_the_verdict(language: str, width: int) -> None:
    report = factory.report()
    lines = render_text(report, language, width).splitlines()
    assert max(cell_len(line) for line in lines) <= width
    words = report.verdict.in_language(language).replace(" ", "")
    assert words[:20] in "".join(lines).replace(" ", "")
    assert not any("\x1b" in line for line in lines)


def test_colour_only_where_it_is_asked_for() -> None:
    assert "\x1b[" in render_text(factory.report(), "en", 80, colour=True)
