"""The report in the terminal: the same story, in the order a person at night asks for it."""

import io
import re
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text as Line

from shuishan.catalog.messages import say
from shuishan.front.report import story
from shuishan.front.report.html import (
    MOST_LEFT_ALONE,
    OUTCOMES,
    PLANS,
    ROOMS,
    SOURCES,
    STEPS,
    VERDICTS,
    local_time,
    receipt_of,
)
from shuishan.front.report.html import horizon as horizon_of
from shuishan.front.report.two import length, milliseconds, relative
from shuishan.model.finding import Evidence, Finding
from shuishan.model.plan import Receipt
from shuishan.model.status import PlanStatus, Report
from shuishan.model.word import Text

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TONES = {
    story.Outcome.HELD: "green",
    story.Outcome.LEFT_ALONE: "green",
    story.Outcome.BROKEN: "red",
    story.Outcome.UNKNOWN: "yellow",
    story.Outcome.NO_ROOM: "yellow",
}


def render_text(report: Report, language: str, width: int, *, colour: bool = False) -> str:
    """The whole report as lines of at most `width` cells (at least 40), in one language."""
    console = Console(
        file=io.StringIO(),
        width=max(40, width),
        force_terminal=colour,
        no_color=not colour,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
    )
    page = _Page(console, report, language)
    page.verdict()
    for finding in report.diagnosis.findings:
        page.finding(finding)
    for status in report.plans:
        page.plan(status)
    page.cost()
    page.timeline()
    page.aside()
    page.auditor()
    written = console.file
    assert isinstance(written, io.StringIO)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"


class _Page:
    def __init__(self, console: Console, report: Report, language: str) -> None:
        self._console = console
        self._report = report
        self._language = language
        self._zero_s = story.first_sign_s(report)

    def verdict(self) -> None:
        report, ended = self._report, story.outcome(self._report)
        self._line(self._word(OUTCOMES[ended]), f"bold {_TONES[ended]}")
        self._line(self._tell(report.verdict), "bold")
        self._line(self._word("page.when", site=report.site, at=local_time(self._zero_s)), "dim")
        told = story.numbers(report)
        facts: list[tuple[str, str]] = []
        if told.asked is not None:
            facts.append((str(told.lost), self._word("page.number.lost", asked=told.asked)))
        if told.longest_pause_ms is not None:
            facts.append((milliseconds(told.longest_pause_ms), self._word("page.number.pause")))
        if told.to_first_move_s is not None:
            facts.append((length(told.to_first_move_s), self._word("page.number.first_move")))
        if told.to_end_s is not None:
            facts.append((length(told.to_end_s), self._word("page.number.end")))
        self._rows(facts, right=(0,))

    def finding(self, finding: Finding) -> None:
        place = f"{finding.host}/{finding.component}" if finding.component else finding.host
        self._head("page.section.found")
        self._line(f"{self._tell(finding.title)}  {place}", "bold")
        sure = self._word("page.sure", sure=f"{finding.probability * 100:.0f}")
        self._line(f"{sure}   {self._word('page.matters')} {self._tell(horizon_of(finding))}")
        self._rows(self._evidence(finding.evidence), right=(0,))
        if finding.against:
            self._line(self._word("page.against"), "dim")
            self._rows(self._evidence(finding.against), right=(0,))
        self._line(f"{self._word('page.advice')} {self._tell(finding.advice)}")

    def plan(self, status: PlanStatus) -> None:
        self._head("page.section.plan")
        self._line(f"{self._tell(status.plan.title)}  ({self._word(PLANS[status.state])})", "bold")
        steps: list[tuple[str, ...]] = []
        for number, step in enumerate(status.plan.steps, start=1):
            receipt = receipt_of(status.receipts, step.id)
            undo = (
                self._word("page.no_undo")
                if step.undo_text is None
                else f"{self._word('page.undo')} {self._tell(step.undo_text)}"
            )
            steps.append((str(number), self._tell(step.text), self._result(receipt), undo))
        self._rows(steps, right=(0,))
        for misfit in status.plan.misfits:
            self._rows(
                [
                    (self._word("page.misfit", vm=misfit.vm), self._tell(misfit.needs)),
                    (self._word("page.nearest"), self._tell(misfit.nearest_miss)),
                    (self._word("page.would_help"), self._tell(misfit.would_help)),
                ]
            )
        self._rows((self._word("page.orders"), self._tell(order)) for order in status.plan.orders)
        if status.proof is not None:
            self._rows(
                (self._word(VERDICTS[one.verdict]), self._tell(one.text)) for one in status.proof.claims
            )

    def cost(self) -> None:
        report = self._report
        if not report.pauses and not report.probes:
            return
        self._head("page.section.cost")
        longest = max((pause.downtime_ms or 0 for pause in report.pauses), default=0) or 1
        self._rows(
            (
                (
                    pause.vm,
                    f"{pause.source} → {pause.target}",
                    milliseconds(pause.downtime_ms),
                    "█" * max(1, round(24 * pause.downtime_ms / longest)) if pause.downtime_ms else "",
                )
                for pause in report.pauses
            ),
            right=(2,),
        )
        self._rows(
            (
                probe.system,
                f"{self._word('page.column.asked')} {probe.asked}",
                f"{self._word('page.column.answered')} {probe.answered}",
                f"{self._word('page.column.lost')} {probe.lost}",
                f"{self._word('page.column.slowest')} {milliseconds(probe.latency_max_ms)}",
            )
            for probe in report.probes
        )

    def timeline(self) -> None:
        self._head("page.section.timeline")
        self._rows(
            (
                (relative(one.at_s - self._zero_s), self._word(ROOMS[one.room]), self._tell(one.text))
                for one in self._report.timeline
            ),
            right=(0,),
        )

    def aside(self) -> None:
        diagnosis = self._report.diagnosis
        if not diagnosis.dismissed and not diagnosis.blind:
            return
        self._head("page.section.aside")
        groups, more = story.left_alone(self._report, MOST_LEFT_ALONE)
        self._rows(
            (self._word("page.dismissed"), " ".join((one.host, *one.components)), self._tell(one.reason))
            for one in groups
        )
        if more:
            self._line(self._word("page.dismissed_more", count=more))
        self._rows(
            (self._word("page.blind"), one.host, f"{self._word(SOURCES[one.source])}: {one.reason}")
            for one in diagnosis.blind
        )

    def auditor(self) -> None:
        self._line("")
        self._line(f"SHA-256 {self._report.digest or '–'}", "dim")

    def _evidence(self, lines: tuple[Evidence, ...]) -> Iterable[tuple[str, ...]]:
        for one in lines:
            count = f"  ×{one.count}" if one.count > 1 else ""
            yield relative(one.at_s - self._zero_s), self._word(SOURCES[one.source]), f"{one.text}{count}"

    def _result(self, receipt: Receipt | None) -> str:
        if receipt is None:
            return self._word("page.step.pending")
        parts = [self._word(STEPS[receipt.state])]
        if receipt.started_at_s is not None and receipt.ended_at_s is not None:
            parts.append(length(receipt.ended_at_s - receipt.started_at_s))
        if "downtime_ms" in receipt.measured:
            pause = milliseconds(receipt.measured["downtime_ms"])
            parts.append(self._word("page.paused", pause=pause))
        return " · ".join(parts)

    def _rows(self, rows: Iterable[tuple[str, ...]], right: tuple[int, ...] = ()) -> None:
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        for place, row in enumerate(rows):
            if place == 0:
                for column in range(len(row)):
                    table.add_column(
                        justify="right" if column in right else "left",
                        no_wrap=column < len(row) - 1 and len(row) < 4,
                        overflow="fold",
                    )
            table.add_row(*(Line(_CONTROL.sub("·", cell)) for cell in row))
        if table.row_count:
            self._console.print(table)

    def _head(self, message_id: str) -> None:
        self._line("")
        self._line(self._word(message_id), "bold underline")

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(Line(_CONTROL.sub("·", text), style=style))

    def _word(self, message_id: str, **params: object) -> str:
        return self._tell(say(message_id, **params))

    def _tell(self, text: Text) -> str:
        return text.in_language(self._language)
