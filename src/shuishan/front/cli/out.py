"""What a command says: the answer on stdout, the talk on stderr, a question only where somebody sits."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.cells import cell_len

from shuishan.catalog.messages import say
from shuishan.front.api.document import document
from shuishan.model.word import Text, Word

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NOT_OURS = re.compile(r"\x1b(?!\[[0-9]{0,2}m)|[\x00-\x1a\x1c-\x1f\x7f-\x9f]")
GOOD, WARN, BAD, QUIET = "32", "33", "31", "2"


@dataclass(frozen=True, slots=True)
class Streams:
    """The terminal, or what stands for it."""

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO


class Out:
    """language: en or zh. as_json: the answer is the API's document. yes: every question is answered."""

    def __init__(self, streams: Streams, *, language: str, as_json: bool, yes: bool) -> None:
        self._streams = streams
        self.language = language
        self.as_json = as_json
        self._yes = yes
        self.colour = streams.stdout.isatty()

    def answer(self, value: Word | Sequence[Word], lines: Iterable[str]) -> None:
        """The answer: `value` as JSON, or `lines` for people."""
        if self.as_json:
            self._streams.stdout.write(document(value).decode())
        else:
            self.text(lines)
        self._streams.stdout.flush()

    def text(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._streams.stdout.write(harmless(line, colour=self.colour).rstrip() + "\n")

    def talk(self, text: Text) -> None:
        """A word beside the answer."""
        self._streams.stderr.write(self.tell(text) + "\n")
        self._streams.stderr.flush()

    def agreed(self, question: Text) -> bool:
        """True after a yes. Without a terminal, and without --yes, the answer is no."""
        if self._yes:
            return True
        if not self._streams.stdin.isatty():
            self.talk(say("front.ask.nobody"))
            return False
        self._streams.stderr.write(f"{self.tell(question)} [y/N] ")
        self._streams.stderr.flush()
        return self._streams.stdin.readline().strip().lower() in {"y", "yes", "是"}

    def tell(self, text: Text) -> str:
        return text.in_language(self.language)

    def word(self, message_id: str, **params: object) -> str:
        """A message in the language of this command."""
        return self.tell(say(message_id, **params))

    def paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colour and text else text


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of aligned columns, two spaces between; East Asian characters count two cells."""
    body = [list(head), *(list(row) for row in rows)]
    widths = [max(_width(row[column]) for row in body) for column in range(len(head))]
    return [
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in body
    ]


def harmless(line: str, *, colour: bool) -> str:
    """`line` without control characters: logs are shown here, and a log may hold anything.

    colour: lets plain colour sequences through, for those are ours
    """
    return (_NOT_OURS if colour else _CONTROL).sub("·", line)


def _width(cell: str) -> int:
    """Cells a string takes on a terminal, colours not counted."""
    if "\x1b" in cell:
        cell = "".join(part.partition("m")[2] for part in f"\x1b[m{cell}".split("\x1b["))
    return cell_len(cell)
