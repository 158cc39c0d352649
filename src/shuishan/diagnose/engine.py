"""The door of the room: signals in, findings out. Pure; knows no issue by name.

An engine is made once from what the catalogue teaches and then only read; each case has its own state.
"""

from collections.abc import Iterable

from shuishan.catalog.loader import Knowledge
from shuishan.diagnose.case import Gatherer
from shuishan.diagnose.components import namer
from shuishan.diagnose.judge import judge
from shuishan.diagnose.learn import Lessons, learn
from shuishan.diagnose.records import Assembler, shapes
from shuishan.model.finding import Diagnosis
from shuishan.model.signal import LogLine, Signal, Source


class Case:
    """One body of signals to be judged together: a window of the loop, or the files of one incident."""

    def __init__(self, knowledge: Knowledge, gatherer: Gatherer) -> None:
        self._knowledge = knowledge
        self._gatherer = gatherer

    def feed(self, signal: Signal) -> None:
        """Take one signal. Lines of one origin must come in the order they were written."""
        self._gatherer.feed(signal)

    def feed_block(self, host: str, source: Source, origin: str, at_s: float, block: bytes) -> None:
        """Take many log lines as bytes; no line may be cut between two blocks.

        at_s: seconds since the epoch for lines without a stamp; stamped lines keep their distances.
        """
        self._gatherer.feed_block(host, source, origin, at_s, block)

    def close(self, now_s: float) -> Diagnosis:
        """The diagnosis of everything fed. The case takes nothing afterwards."""
        return judge(self._knowledge, self._gatherer.finish(), now_s)


class Engine:
    """Diagnoses with what `knowledge` teaches. Safe to share; making one takes about a second."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self.lessons: Lessons = learn(knowledge)
        self._namer = namer(knowledge.components)
        self._shapes, self._any_member = shapes(knowledge.records)
        self._kinds = {entry.id: entry.component for entry in (*knowledge.issues, *knowledge.harmless)}

    def open(self) -> Case:
        """A new, empty case."""
        gatherer = Gatherer(
            self.lessons, self._namer, self._kinds, lambda: Assembler(self._shapes, self._any_member)
        )
        return Case(self.knowledge, gatherer)

    def diagnose(self, signals: Iterable[Signal], *, now_s: float) -> Diagnosis:
        """What one window of signals says. The order in which they arrive does not matter.

        now_s: seconds since the epoch; `at_s` of the diagnosis and of its findings
        """
        case = self.open()
        for signal in sorted(signals, key=_when):
            case.feed(signal)
        return case.close(now_s)

    def interesting(self, line: str | bytes) -> bool:
        """Whether a log line could matter; cheap, and never False for a line that would be evidence."""
        return self.lessons.scanner.hit(line.encode("utf-8", "replace") if isinstance(line, str) else line)


def _when(signal: Signal) -> tuple[float, str, str, str]:
    # Lines of one moment keep the order they came in: a record's lines often carry one stamp.
    tail = "" if isinstance(signal, LogLine) else repr(signal)
    return (signal.at_s, signal.host, signal.kind, tail)
