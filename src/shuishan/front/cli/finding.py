"""shuishan finding …"""

from collections.abc import Iterator
from typing import Annotated

from typer import Argument

from shuishan.front.api.client import Client
from shuishan.front.cli.out import Out, table
from shuishan.front.cli.told import clock_time, span, state
from shuishan.front.cli.verbs import verb
from shuishan.model.finding import Evidence, Finding


@verb("finding", "list", help="front.help.finding.list")
def list_findings(api: Client, out: Out) -> None:
    findings = api.findings()
    head = [
        out.word("front.column.finding"),
        out.word("front.column.severity"),
        out.word("front.column.sure"),
        out.word("front.column.horizon"),
        out.word("front.column.title"),
    ]
    rows = [
        (
            one.id,
            state(out, one.severity),
            f"{one.probability:.0%}",
            span(out, one.horizon_s),
            out.tell(one.title),
        )
        for one in findings
    ]
    out.answer(findings, table(head, rows) if rows else [out.word("front.finding.none")])


@verb("finding", "show", help="front.help.finding.show")
def show(
    api: Client, out: Out, id: Annotated[str, Argument(metavar="FINDING", help="front.argument.finding")]
) -> None:
    finding = api.finding(id)
    out.answer(finding, _lines(out, finding))


def _lines(out: Out, finding: Finding) -> Iterator[str]:
    place = f"{finding.host}/{finding.component}" if finding.component else finding.host
    yield f"{out.tell(finding.title)}   {place}   {state(out, finding.severity)}"
    yield out.word(
        "front.finding.belief",
        sure=f"{finding.probability:.0%}",
        horizon=span(out, finding.horizon_s),
        issue=finding.issue,
    )
    yield from _evidence(out, "front.finding.evidence", finding.evidence)
    yield from _evidence(out, "front.finding.against", finding.against)
    yield out.word("front.finding.advice", advice=out.tell(finding.advice))


def _evidence(out: Out, head: str, lines: tuple[Evidence, ...]) -> Iterator[str]:
    if lines:
        yield out.word(head)
    for one in lines:
        count = f" ×{one.count}" if one.count > 1 else ""
        yield f"  {clock_time(one.at_s)}  {one.source}  {one.text}{count}"
