"""shuishan story …: something breaks for real in the lab, and what Shuishan makes of it is checked.

The lab and its engines are read only when a story is played: no other command should wait for them.
"""

import asyncio
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from shuishan.catalog.messages import say
from shuishan.front.api.client import Client
from shuishan.front.cli.exits import Exit
from shuishan.front.cli.lab import Lang, language, run, talker
from shuishan.front.cli.settings import find_settings
from shuishan.front.cli.system_file import read_system_file
from shuishan.lab.layout import LabLayout
from shuishan.model.site import SystemSpec
from shuishan.model.word import Text

if TYPE_CHECKING:
    from shuishan.lab.stories import Story
    from shuishan.lab.stories.stage import StoryResult, Talk

app = typer.Typer(no_args_is_help=True)
DEFAULT_STORY = "nvme_spare"

StoryName = Annotated[str, typer.Argument(metavar="STORY", help="See `shuishan story list`.")]
SystemFile = Annotated[Path, typer.Option("--system", help="The hospital system to deploy.")]
ReportFolder = Annotated[Path, typer.Option("--out", help="Where the HTML report is written.")]
AsJson = Annotated[bool, typer.Option("--json", help="The result as one JSON object on stdout.")]


@app.command("list")
def list_stories(lang: Lang = None) -> None:
    """The stories there are."""
    from shuishan.lab.stories import STORIES  # noqa: PLC0415

    del lang
    spoken = language()
    for one in STORIES.values():
        typer.echo(f"{one.name:<16}{one.title.in_language(spoken)}")


@app.command("play")
def play_one(
    name: StoryName = DEFAULT_STORY,
    *,
    system: SystemFile = Path("systems/his.yaml"),
    out: ReportFolder = Path("out"),
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Play one story on the lab that is up, print its report, and exit 0 only if all of it held."""
    from shuishan.lab.stories import story  # noqa: PLC0415

    del lang
    spec = read_system_file(system)
    result = run(_play(LabLayout(), story(name), spec, talker()))
    _show(result, out, as_json=as_json)
    raise typer.Exit(0 if result.held else Exit.NOT_HELD)


@app.command("run")
def run_all(
    name: StoryName = DEFAULT_STORY,
    *,
    system: SystemFile = Path("systems/his.yaml"),
    out: ReportFolder = Path("out"),
    leave: Annotated[bool, typer.Option("--exit", help="Clean everything up afterwards.")] = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Bring the lab up, deploy the hospital system, play a story, and report."""
    from shuishan.lab.stories import story  # noqa: PLC0415

    del lang
    spec, chosen, talk = read_system_file(system), story(name), talker()
    result = run(_run(LabLayout(), chosen, spec, talk, leave=leave))
    _show(result, out, as_json=as_json)
    if not leave:
        talk(
            say(
                "lab.left_up", url="https://127.0.0.1:8443", cli=str(Path(sys.executable).parent / "shuishan")
            )
        )
    raise typer.Exit(0 if result.held else Exit.NOT_HELD)


async def _run(
    layout: LabLayout, chosen: "Story", spec: SystemSpec, talk: "Talk", *, leave: bool
) -> "StoryResult":
    """Ctrl-C or SIGTERM anywhere in here cleans everything up."""
    from shuishan.lab.play import bring_up, deploy, take_down  # noqa: PLC0415

    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await bring_up(layout, talk)
        with _client(layout) as api:
            await deploy(api, spec, talk)
        result = await _play(layout, chosen, spec, talk)
    except BaseException:
        await asyncio.shield(take_down(layout, talk))
        raise
    if leave:
        await asyncio.shield(take_down(layout, talk))
    return result


async def _play(layout: LabLayout, chosen: "Story", spec: SystemSpec, talk: "Talk") -> "StoryResult":
    from shuishan.lab.site import Lab  # noqa: PLC0415
    from shuishan.lab.stories import play  # noqa: PLC0415
    from shuishan.lab.stories.stage import Stage  # noqa: PLC0415

    with _client(layout) as api:
        return await play(chosen, Stage(lab=Lab(layout), api=api, system=spec, talk=talk))


def _client(layout: LabLayout) -> Client:
    from shuishan.lab.control import client_path  # noqa: PLC0415

    settings = find_settings({}, {}, [client_path(layout)])
    return Client(settings.url, settings.token(), settings.ca_file)


def _show(result: "StoryResult", out: Path, *, as_json: bool) -> None:
    """Report on stdout, its HTML twin in a file."""
    spoken = language()
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if result.report is not None:
        from shuishan.front.report.html import render_html  # noqa: PLC0415
        from shuishan.front.report.text import render_text  # noqa: PLC0415

        out.mkdir(parents=True, exist_ok=True)
        page = out / f"{result.story}.html"
        page.write_text(render_html(result.report, spoken), "utf-8")
        if not as_json:
            width = shutil.get_terminal_size((100, 40)).columns
            typer.echo(render_text(result.report, spoken, width, colour=sys.stdout.isatty()))
        _say(console, say("lab.report_at", path=page.resolve()), spoken)
    if as_json:
        typer.echo(result.model_dump_json())
        return
    typer.echo(result.title.in_language(spoken))
    for check in result.checks:
        typer.echo(f"  {'✓' if check.held else '✗'} {check.text.in_language(spoken)}")
    verdict = say("story.held" if result.held else "story.broken", title=result.title)
    typer.echo(verdict.in_language(spoken))


def _say(console: Console, text: Text, spoken: str) -> None:
    console.print(text.in_language(spoken), markup=False)
