"""shuishan lab …: a data centre on this machine to rehearse in."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from shuishan.catalog.messages import say
from shuishan.lab.layout import LabLayout
from shuishan.model.word import Text

T = TypeVar("T")
app = typer.Typer(no_args_is_help=True)


def language() -> str:
    # Found once for the whole command line; a plain Typer group has no other way to it.
    import os  # noqa: PLC0415

    from shuishan.front.cli.main import language_of  # noqa: PLC0415  main imports this module

    return language_of(sys.argv[1:], os.environ)


def talker() -> Callable[[Text], None]:
    """Says sentences on stderr with the time since now, so that long steps show progress."""
    import time  # noqa: PLC0415

    began = time.monotonic()
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    spoken = language()

    def talk(text: Text) -> None:
        console.print(f"[dim]{time.monotonic() - began:6.1f} s[/dim]  ", end="")
        console.print(text.in_language(spoken), markup=False)

    return talk


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@app.command("up")
def up() -> None:
    """Bring the lab and its control plane up; what is up already is left alone."""
    from shuishan.lab.play import bring_up  # noqa: PLC0415

    talk = talker()
    run(bring_up(LabLayout(), talk))
    talk(say("lab.ready", url="https://127.0.0.1:8443"))


@app.command("down")
def down() -> None:
    """Remove the lab with everything in it; only the image cache stays."""
    from shuishan.lab.play import take_down  # noqa: PLC0415

    run(take_down(LabLayout(), talker()))


@app.command("status")
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Exactly the object, as JSON.")] = False,
) -> None:
    """What of the lab is up: per host its libvirt, its chassis, its BMC."""
    from shuishan.lab.site import Lab  # noqa: PLC0415

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
