"""shuishan audit …"""

from collections.abc import Iterator
from typing import Annotated

from typer import Option

from shuishan.front.api.client import Client
from shuishan.front.cli.exits import Exit
from shuishan.front.cli.out import Out, table
from shuishan.front.cli.told import local_time
from shuishan.front.cli.verbs import verb
from shuishan.model.status import AuditRecord

PAGE = 1000


@verb("audit", "list", help="front.help.audit.list")
def list_records(
    api: Client,
    out: Out,
    after: Annotated[int, Option("--after", min=0, help="front.option.after")] = 0,
    limit: Annotated[int, Option("--limit", min=1, max=1000, help="front.option.limit")] = 200,
) -> None:
    records = api.audit(after, limit)
    head = [
        out.word("front.column.seq"),
        out.word("front.column.time"),
        out.word("front.column.actor"),
        out.word("front.column.action"),
        out.word("front.column.subject"),
        out.word("front.column.outcome"),
    ]
    rows = [
        (str(one.seq), local_time(one.at_s), one.actor, one.action, one.subject, one.outcome)
        for one in records
    ]
    out.answer(records, table(head, rows) if rows else [out.word("front.audit.none")])


@verb("audit", "verify", help="front.help.audit.verify")
def verify(api: Client, out: Out) -> Exit | None:
    """Read every record again; the chain is computed here, not believed. JSON: the broken records."""
    from shuishan.app.access import first_break  # noqa: PLC0415  brings the database library along

    before, count = "", 0
    for page in _pages(api):
        broken = first_break(page, before)
        if broken is not None:
            out.answer(
                [one for one in page if one.seq == broken], [out.word("front.audit.broken", seq=broken)]
            )
            return Exit.CHAIN_BROKEN
        before = page[-1].digest
        count += len(page)
    out.answer([], [out.word("front.audit.holds", count=count, digest=before or "–")])
    return None


def _pages(api: Client) -> Iterator[list[AuditRecord]]:
    after = 0
    while page := api.audit(after, PAGE):
        yield page
        after = page[-1].seq
