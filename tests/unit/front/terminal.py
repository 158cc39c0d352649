"""The command line in-process: a typed line in, streams and exit code out."""

import io
from dataclasses import dataclass, field
from pathlib import Path

from tests.unit.front.house import ValueHouse
from tests.unit.front.web import InProcess

from shuishan.front.api.client import Client
from shuishan.front.cli.main import run
from shuishan.front.cli.out import Streams
from shuishan.front.cli.settings import ClientSettings
from shuishan.front.cli.verbs import Around


class Typed(io.StringIO):
    """What a person types at a terminal."""

    def isatty(self) -> bool:
        return True


@dataclass
class Said:
    code: int
    stdout: str
    stderr: str


@dataclass
class Terminal:
    """typed: answers to questions; None: no terminal, as in a script."""

    house: ValueHouse = field(default_factory=ValueHouse)
    secret: str = "admin-secret"

    def run(
        self, line: str, *, typed: str | None = None, language: str = "en", file: Path | None = None
    ) -> Said:
        stdin = io.StringIO() if typed is None else Typed(typed)
        stdout, stderr = io.StringIO(), io.StringIO()
        around = Around(
            Streams(stdin, stdout, stderr),
            environ={"SHUISHAN_LANG": language, "SHUISHAN_URL": "http://house"},
            connect=self._connect,
        )
        argv = [str(file) if word == "FILE" else word for word in line.split()]
        code = run(argv, around)
        return Said(code, stdout.getvalue(), stderr.getvalue())

    def _connect(self, settings: ClientSettings) -> Client:
        return Client(settings.url, self.secret, transport=InProcess(self.house))
