"""shuishan plan …"""

from collections.abc import Iterator
from typing import Annotated

from typer import Argument, Option

from shuishan.catalog.messages import say
from shuishan.front.api.client import Client
from shuishan.front.cli.exits import Exit
from shuishan.front.cli.out import Out, table
from shuishan.front.cli.planned import carry, plan_lines
from shuishan.front.cli.told import ANSWERS, clock_time, state
from shuishan.front.cli.verbs import verb
from shuishan.model.proof import Verdict
from shuishan.model.status import PlanStatus

PlanId = Annotated[str, Argument(metavar="PLAN", help="front.argument.plan")]
_VERDICTS = {
    Verdict.HELD: ("front.verdict.held", ANSWERS["true"][1]),
    Verdict.BROKEN: ("front.verdict.broken", ANSWERS["false"][1]),
    Verdict.UNKNOWN: ("front.verdict.unknown", ANSWERS["unknown"][1]),
}


@verb("plan", "list", help="front.help.plan.list")
def list_plans(
    api: Client,
    out: Out,
    limit: Annotated[int, Option("--limit", min=1, max=200, help="front.option.limit")] = 50,
) -> None:
    plans = api.plans(limit)
    head = [
        out.word("front.column.plan"),
        out.word("front.column.time"),
        out.word("front.column.subject"),
        out.word("front.column.state"),
        out.word("front.column.steps"),
        out.word("front.column.title"),
    ]
    rows = [
        (
            one.plan.id,
            clock_time(one.plan.at_s),
            one.plan.subject,
            state(out, one.state),
            str(len(one.plan.steps)),
            out.tell(one.plan.title),
        )
        for one in plans
    ]
    out.answer(plans, table(head, rows) if rows else [out.word("front.plan.none")])


@verb("plan", "show", help="front.help.plan.show")
def show(api: Client, out: Out, id: PlanId) -> None:
    status = api.plan(id)
    out.answer(status, [*plan_lines(out, status), *_proof_lines(out, status)])


@verb("plan", "apply", help="front.help.plan.apply")
def apply(api: Client, out: Out, id: PlanId) -> Exit:
    return carry(api, out, api.plan(id))


@verb("plan", "refuse", help="front.help.plan.refuse")
def refuse(api: Client, out: Out, id: PlanId) -> Exit | None:
    if not out.agreed(say("front.ask.refuse", id=id)):
        out.talk(say("front.nothing_changed"))
        return Exit.NOTHING_CHANGED
    status = api.refuse(id)
    out.answer(status, [out.word("front.plan.was_refused", id=id)])
    return None


def _proof_lines(out: Out, status: PlanStatus) -> Iterator[str]:
    if status.agreed_by:
        yield "  " + out.word("front.plan.agreed_by", actor=status.agreed_by)
    if status.proof is None:
        return
    for claim in status.proof.claims:
        message_id, colour = _VERDICTS[claim.verdict]
        yield f"  {out.paint(out.word(message_id), colour)}  {out.tell(claim.text)}"
