"""shuishan lab …: a data centre on this machine to rehearse in.

The lab is imported only inside the commands that need it: `shuishan --help` must not wait for engines.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from shuishan.catalog.messages import say
from shuishan.lab.layout import LabLayout
from shuishan.model.errors import BadInput
from shuishan.model.word import Text

T = TypeVar("T")
app = typer.Typer(no_args_is_help=True)

# Read by `language()` from the command line itself; declared so that it may stand here too.
Lang = Annotated[str | None, typer.Option("--lang", metavar="en|zh", help="Language / 语言")]


def language() -> str:
    # Found once for the whole command line; a plain Typer group has no other way to it.
    from shuishan.front.cli.main import language_of  # noqa: PLC0415  main imports this module

    return language_of(sys.argv[1:], os.environ)


def talker() -> Callable[[Text], None]:
    """Says sentences on stderr with the time since now, so that long steps show progress."""
    began = time.monotonic()
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    spoken = language()

    def talk(text: Text) -> None:
        console.print(f"[dim]{time.monotonic() - began:6.1f} s[/dim]  ", end="")
        console.print(text.in_language(spoken), markup=False)

    return talk


def run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except asyncio.CancelledError:  # our own handler of Ctrl-C and SIGTERM; everything is cleaned up by now
        raise KeyboardInterrupt from None


@app.command("up")
def up(lang: Lang = None) -> None:
    """Bring the lab and its control plane up; what is up already is left alone."""
    from shuishan.lab.play import bring_up  # noqa: PLC0415

    del lang
    talk = talker()
    run(bring_up(LabLayout(), talk))
    talk(say("lab.ready", url="https://127.0.0.1:8443"))


@app.command("down")
def down(lang: Lang = None) -> None:
    """Remove the lab with everything in it; only the image cache stays."""
    from shuishan.lab.play import take_down  # noqa: PLC0415

    del lang
    run(take_down(LabLayout(), talker()))


@app.command("status")
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Exactly the object, as JSON.")] = False,
    lang: Lang = None,
) -> None:
    """What of the lab is up: per host its libvirt, its chassis, its BMC."""
    from shuishan.lab.site import Lab  # noqa: PLC0415

    del lang
    seen = run(Lab(LabLayout()).status())
    if as_json:
        typer.echo(seen.model_dump_json())
        return
    spoken = language()
    for host in seen.hosts:
        words = {True: say("lab.word.up"), False: say("lab.word.down")}
        line = say(
            "lab.status.host",
            host=host.name,
            address=host.address,
            libvirt=words[host.libvirt_answers],
            chassis=words[host.chassis_running],
            bmc=words[host.bmc_answers],
        )
        typer.echo(line.in_language(spoken))


@app.command("faults")
def faults(lang: Lang = None) -> None:
    """What can be broken on a lab host, with the parameters it takes."""
    from shuishan.lab.faults import FAULTS  # noqa: PLC0415

    del lang
    spoken = language()
    for name, kind in sorted(FAULTS.items()):
        params = " ".join(f"{key}={value}" for key, value in kind.params.items())
        typer.echo(f"{name:<28}{kind.title.in_language(spoken)}{f'  [{params}]' if params else ''}")


@app.command("break")
def break_host(host: str, fault: str, params: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Break the hardware of HOST with FAULT, e.g. `lab break h1 dimm_correctable count=5`."""
    from shuishan.lab.faults import FAULTS, inject  # noqa: PLC0415

    known: Mapping[str, str | int | float] = FAULTS[fault].params if fault in FAULTS else {}
    given = _params(params or [], known)
    run(inject(LabLayout(), host, fault, **given))
    talker()(say("story.broke", host=host, fault=FAULTS[fault].title))


@app.command("heal")
def heal_host(host: str, fault: str, params: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Undo what `lab break` did to HOST, with the same words."""
    from shuishan.lab.faults import FAULTS, Injected, heal  # noqa: PLC0415

    known: Mapping[str, str | int | float] = FAULTS[fault].params if fault in FAULTS else {}
    filled = {**known, **_params(params or [], known)}
    run(heal(LabLayout(), Injected(host, fault, filled)))
    talker()(say("story.healed", host=host, fault=FAULTS[fault].title))


def _params(words: list[str], known: Mapping[str, str | int | float]) -> dict[str, str | int | float]:
    """NAME=VALUE words; a value becomes a number where the fault's own default is one."""
    given: dict[str, str | int | float] = {}
    for word in words:
        name, mark, value = word.partition("=")
        if not mark:
            raise BadInput(f"{word}: expected NAME=VALUE, e.g. count=5", subject="fault")
        try:
            given[name] = int(value) if isinstance(known.get(name), int) else value
        except ValueError as cause:
            raise BadInput(f"{name}={value}: expected a whole number", subject="fault") from cause
    return given
