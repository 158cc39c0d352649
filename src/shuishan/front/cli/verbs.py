"""`shuishan <noun> <verb>`: how a function becomes a command, with the options that all of them share."""

import inspect
import os
import time
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Annotated, Any, get_args, get_origin

import typer
from typer.models import ParameterInfo

from shuishan.catalog.messages import messages, say
from shuishan.front.api.client import Client
from shuishan.front.cli.exits import Exit
from shuishan.front.cli.out import Out, Streams
from shuishan.front.cli.settings import ClientSettings, find_settings

Deed = Callable[..., Exit | None]


@dataclass(frozen=True, slots=True)
class Verb:
    """One command. help: id of its message. run: takes the API, the output, and its own parameters."""

    noun: str
    name: str
    help: str
    run: Deed


VERBS: list[Verb] = []


def verb(noun: str, name: str, *, help: str) -> Callable[[Deed], Deed]:
    """Make a function ``(api: Client, out: Out, …own parameters) -> Exit | None`` a command."""

    def register(run: Deed) -> Deed:
        VERBS.append(Verb(noun, name, help, run))
        return run

    return register


def connect(settings: ClientSettings) -> Client:
    return Client(settings.url, settings.token(), settings.ca_file)


@dataclass(frozen=True, slots=True)
class Around:
    """What a command stands in; tests put their own here."""

    streams: Streams
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    connect: Callable[[ClientSettings], Client] = connect
    sleep: Callable[[float], None] = time.sleep


_SHARED: dict[str, tuple[Any, Any]] = {
    "as_json": (Annotated[bool, typer.Option("--json", help="front.option.json")], False),
    "yes": (Annotated[bool, typer.Option("--yes", "-y", help="front.option.yes")], False),
    "lang": (Annotated[str | None, typer.Option("--lang", help="front.option.lang")], None),
    "url": (Annotated[str | None, typer.Option("--url", help="front.option.url")], None),
    "token_file": (Annotated[str | None, typer.Option("--token-file", help="front.option.token_file")], None),
    "ca_file": (Annotated[str | None, typer.Option("--ca-file", help="front.option.ca_file")], None),
}


def as_command(one: Verb, language: str, around: Around) -> Callable[..., None]:
    """The function Typer reads: own parameters first, then the shared ones."""
    own = [
        parameter.replace(annotation=_translated(parameter.annotation, language))
        for name, parameter in inspect.signature(one.run, eval_str=True).parameters.items()
        if name not in ("api", "out")
    ]
    shared = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=_translated(kind, language)
        )
        for name, (kind, default) in _SHARED.items()
    ]

    def command(**given: Any) -> None:
        common = {name: given.pop(name) for name in _SHARED}
        out = Out(around.streams, language=language, as_json=bool(common["as_json"]), yes=bool(common["yes"]))
        flags = {name: common[name] for name in ("url", "token_file", "ca_file")}
        with around.connect(find_settings(flags, around.environ)) as api:
            code = one.run(api=api, out=out, **given)
        if code:
            raise typer.Exit(int(code))

    ordered = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own] + shared
    command.__signature__ = inspect.Signature(ordered)  # pyright: ignore[reportFunctionMemberAccess] # read by inspect
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in ordered}
    command.__doc__ = say(one.help).in_language(language)
    return command


def _translated(annotation: Any, language: str) -> Any:
    """The annotation with its help, given as a message id, in `language`."""
    if get_origin(annotation) is not Annotated:
        return annotation
    kind, *notes = get_args(annotation)
    told: list[Any] = []
    for note in notes:
        if isinstance(note, ParameterInfo) and note.help in messages():
            note = copy(note)  # noqa: PLW2901  the shared one keeps its id
            note.help = say(str(note.help)).in_language(language)
        told.append(note)
    return Annotated[(kind, *told)]
