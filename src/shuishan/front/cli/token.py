"""shuishan token …"""

from enum import StrEnum
from typing import Annotated

from typer import Argument, Option

from shuishan.catalog.messages import say
from shuishan.front.api.client import Client
from shuishan.front.cli.exits import Exit
from shuishan.front.cli.out import Out, table
from shuishan.front.cli.told import local_time
from shuishan.front.cli.verbs import verb

DAY_S = 86_400.0


class ScopeName(StrEnum):
    READ = "read"
    OPERATE = "operate"
    ADMIN = "admin"


@verb("token", "create", help="front.help.token.create")
def create(
    api: Client,
    out: Out,
    name: Annotated[str, Argument(metavar="NAME", help="front.argument.token_name")],
    scope: Annotated[ScopeName, Option("--scope", help="front.option.scope")] = ScopeName.READ,
    days: Annotated[float, Option("--days", help="front.option.days")] = 90,
) -> None:
    made = api.create_token(name, scope.value, days * DAY_S)
    out.talk(say("front.token.made", id=made.token.id, expires=local_time(made.token.expires_at_s)))
    out.answer(made, [made.secret])


@verb("token", "list", help="front.help.token.list")
def list_tokens(api: Client, out: Out) -> None:
    tokens = api.tokens()
    head = [
        out.word("front.column.token"),
        out.word("front.column.name"),
        out.word("front.column.scope"),
        out.word("front.column.expires"),
        out.word("front.column.revoked"),
    ]
    rows = [
        (
            token.id,
            token.name,
            token.scope,
            local_time(token.expires_at_s),
            out.word("front.answer.true" if token.revoked else "front.answer.false"),
        )
        for token in tokens
    ]
    out.answer(tokens, table(head, rows))


@verb("token", "revoke", help="front.help.token.revoke")
def revoke(
    api: Client, out: Out, id: Annotated[str, Argument(metavar="TOKEN", help="front.argument.token")]
) -> Exit | None:
    if not out.agreed(say("front.ask.revoke", id=id)):
        out.talk(say("front.nothing_changed"))
        return Exit.NOTHING_CHANGED
    token = api.revoke_token(id)
    out.answer(token, [out.word("front.token.revoked", id=token.id, name=token.name)])
    return None
