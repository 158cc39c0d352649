"""shuishan report …"""

import shutil
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from typer import Option

from shuishan.catalog.messages import say
from shuishan.front.api.client import Client
from shuishan.front.api.document import document
from shuishan.front.cli.out import Out
from shuishan.front.cli.verbs import verb
from shuishan.model.errors import BadInput
from shuishan.model.status import Report


class Form(StrEnum):
    HTML = "html"
    JSON = "json"
    TEXT = "text"


@verb("report", "make", help="front.help.report.make")
def make(
    api: Client,
    out: Out,
    file: Annotated[Path | None, Option("--out", "-o", metavar="FILE", help="front.option.out")] = None,
    form: Annotated[Form | None, Option("--format", help="front.option.format")] = None,
    plan: Annotated[str | None, Option("--plan", metavar="PLAN", help="front.option.plan")] = None,
) -> None:
    report = api.report(plan)
    chosen = form or (Form.JSON if out.as_json else _form_of(file))
    if chosen is Form.JSON and file is None:
        out.text([document(report).decode().rstrip("\n")])
        return
    content = _render(report, chosen, out)
    if file is None:
        out.text(content.splitlines())
        return
    try:
        file.write_text(content, "utf-8")
    except OSError as cause:
        raise BadInput(f"cannot write {file}: {cause.strerror}", subject=f"file/{file}") from cause
    out.talk(say("front.report.written", file=file, size_kib=f"{file.stat().st_size / 1024:.0f}"))


def _form_of(file: Path | None) -> Form:
    """The form a file's name asks for; text for the terminal."""
    endings = {".html": Form.HTML, ".htm": Form.HTML, ".json": Form.JSON}
    return endings.get(file.suffix.lower(), Form.TEXT) if file else Form.TEXT


def _render(report: Report, form: Form, out: Out) -> str:
    # Read only here: templates and the terminal's drawing take a quarter second no other verb should wait.
    if form is Form.HTML:
        from shuishan.front.report.html import render_html  # noqa: PLC0415

        return render_html(report, out.language)
    if form is Form.TEXT:
        from shuishan.front.report.text import render_text  # noqa: PLC0415

        return render_text(report, out.language, shutil.get_terminal_size().columns, colour=out.colour)
    return document(report).decode()
