"""The watch of one host, with a host that misbehaves in every way we thought of."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shuishan.base.power.sim import SimBmc
from shuishan.base.shell import Completed
from shuishan.model.clock import SystemClock
from shuishan.model.errors import EngineRefused, Silent
from shuishan.model.signal import LogLine, Reading, Signal, Source, Unknown
from shuishan.model.site import HostSpec
from shuishan.sense import edac, smart
from shuishan.sense.watch import HostWatch, Periods
from shuishan.sense.window import SignalWindow

RECORDED = Path(__file__).parents[2] / "recorded"
QUICK = Periods(smart_s=0.01, edac_s=0.01, bmc_s=0.01, beat_s=0.01, retry_s=0.01)
SPEC = HostSpec(
    name="h1",
    rack="a",
    cpu_count=4,
    memory_bytes=2**31,
    libvirt_uri="test:///default",
    migration_address="10.0.0.1",
)
COUNTERS = "== shuishan counters\nmc0/ce_count:0\n== end\n"


def entry(number: int, text: str, at_s: float = 1.8e9) -> str:
    return json.dumps(
        {
            "MESSAGE": text,
            "__CURSOR": f"c{number}",
            "_TRANSPORT": "kernel",
            "__REALTIME_TIMESTAMP": str(int(at_s * 1e6)),
        }
    )


@dataclass
class Host:
    """A host's shell. journal: what its kernel logged; trouble: what the next calls raise."""

    journal: list[str] = field(default_factory=list[str])
    smart: str = (RECORDED / "smartctl" / "nvme0_healthy.json").read_text("utf-8")
    counters: str = COUNTERS
    status: int = 0
    trouble: Exception | None = None
    ahead_s: float = 0.0
    drop_after: int | None = None
    refuse_cursor: bool = False
    commands: list[str] = field(default_factory=list[str])
    ran: list[str] = field(default_factory=list[str])
    grown: asyncio.Event = field(default_factory=asyncio.Event)
    origin: str = "ssh://h1"

    async def run(self, command: str, *, timeout_s: float) -> Completed:
        del timeout_s
        if self.trouble is not None:
            raise self.trouble
        self.ran.append(command)
        out = self.counters if command == edac.COMMAND else self.smart
        return Completed((command,), self.status, out, "smartctl is not installed" if self.status else "")

    async def stream(self, command: str) -> AsyncGenerator[str, None]:
        """Lines after the cursor in `command`, then new ones; `drop_after` many, then the line is cut."""
        if self.trouble is not None:
            raise self.trouble
        self.commands.append(command)
        yield str(SystemClock().now_s() + self.ahead_s)
        if self.refuse_cursor and "--after-cursor" in command:
            raise EngineRefused("`journalctl` ended with status 1: cannot seek to cursor", subject="ssh/h1")
        place = next(
            (n + 1 for n, text in enumerate(self.journal) if f"--after-cursor=c{n} " in command and text), 0
        )
        sent = 0
        while True:
            while place < len(self.journal):
                if self.drop_after is not None and sent >= self.drop_after:
                    raise Silent("the SSH connection to h1 was lost", subject="ssh/h1")
                yield self.journal[place]
                place += 1
                sent += 1
            self.grown.clear()
            if self.trouble is not None:
                raise self.trouble
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    await self.grown.wait()

    def log(self, text: str) -> None:
        self.journal.append(entry(len(self.journal), text, SystemClock().now_s() + self.ahead_s))
        self.grown.set()


@dataclass
class Notes:
    """A sink that remembers everything."""

    signals: list[Signal] = field(default_factory=list[Signal])
    heard_of: list[Source] = field(default_factory=list[Source])

    def add(self, signals: Sequence[Signal]) -> None:
        self.signals.extend(signals)

    def heard(self, host: str, source: Source, *, at_s: float) -> None:
        assert host == "h1"
        assert at_s > 0
        self.heard_of.append(source)

    def texts(self, source: Source = Source.KERNEL_LOG) -> list[str]:
        return [s.text for s in self.signals if isinstance(s, LogLine) and s.source is source]

    def reasons(self, source: Source) -> list[str]:
        return [s.reason for s in self.signals if isinstance(s, Unknown) and s.source is source]

    def readings(self, source: Source) -> list[Reading]:
        return [s for s in self.signals if isinstance(s, Reading) and s.source is source]


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def notes() -> Notes:
    return Notes()


@contextlib.asynccontextmanager
async def watched(
    notes: Notes | SignalWindow, host: Host | None, bmc: SimBmc | None = None
) -> AsyncGenerator[asyncio.Task[None], None]:
    watch = HostWatch(SPEC, ssh=host, bmc=bmc, clock=SystemClock(), sink=notes, periods=QUICK)
    task = asyncio.create_task(watch.run())
    try:
        yield task
        assert not task.done(), "the watch ended by itself"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(done: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110 - the watch tells nobody when it has looked
            await asyncio.sleep(0.002)


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (Silent("h1 refused the connection", subject="x"), "h1 refused the connection"),
        (EngineRefused("h1 refuses the key", subject="x"), "h1 refuses the key"),
        (RuntimeError("a bug"), "the collector broke: RuntimeError"),
    ],
)
async def test_trouble_of_any_kind_is_unknown_and_passes(
    host: Host, notes: Notes, trouble: Exception, reason: str
) -> None:
    host.trouble = trouble
    sources = (Source.KERNEL_LOG, Source.SMART, Source.EDAC)
    async with watched(notes, host):
        await until(lambda: all(len(notes.reasons(source)) > 1 for source in sources))
        assert all(notes.reasons(source)[0] == reason for source in sources)
        host.trouble = None
        host.log("nvme0: back")
        await until(lambda: notes.texts() and notes.readings(Source.SMART) and notes.readings(Source.EDAC))


async def test_host_without_ssh_or_bmc_is_unknown_in_all(notes: Notes) -> None:
    watch = HostWatch(SPEC, ssh=None, bmc=None, clock=SystemClock(), sink=notes, periods=QUICK)
    await watch.run()
    assert {s.source for s in notes.signals if isinstance(s, Unknown)} == set(Source) - {
        Source.SYSTEM_LOG,
        Source.LIBVIRT,
    }


async def test_missing_smartctl_is_unknown_with_the_hosts_words(host: Host, notes: Notes) -> None:
    host.smart, host.status = "", 127
    async with watched(notes, host):
        await until(lambda: notes.reasons(Source.SMART))
    assert notes.reasons(Source.SMART)[0] == "smartctl is not installed"
    assert Source.SMART not in notes.heard_of


async def test_smartctl_that_was_cut_is_not_heard(host: Host, notes: Notes) -> None:
    host.smart = host.smart[:200]
    async with watched(notes, host):
        await until(lambda: len(notes.reasons(Source.SMART)) > 1)
    assert Source.SMART not in notes.heard_of


async def test_disks_are_scanned_once_and_again_when_one_is_gone(host: Host, notes: Notes) -> None:
    def asked() -> list[str]:
        return [command for command in host.ran if command != edac.COMMAND]

    async with watched(notes, host):
        await until(lambda: len(asked()) > 2)
        assert asked()[0] == smart.SCAN_COMMAND
        assert "smartctl -j -a -d nvme /dev/nvme0 " in asked()[1]
        host.smart = '{"smartctl": {"argv": ["smartctl", "/dev/nvme0"], "exit_status": 2}}'
        count = len(asked())
        await until(lambda: smart.SCAN_COMMAND in asked()[count:])


async def test_silent_bmc_is_unknown_and_recovers(notes: Notes) -> None:
    bmc = SimBmc("h1", silent=True)
    async with watched(notes, None, bmc):
        await until(lambda: notes.reasons(Source.BMC_SENSOR) and notes.reasons(Source.BMC_EVENT))
        assert Source.BMC_EVENT not in notes.heard_of
        bmc.silent = False
        await until(lambda: notes.readings(Source.BMC_SENSOR) and Source.BMC_EVENT in notes.heard_of)


async def test_event_is_told_once_and_a_wrong_clock_is_corrected(notes: Notes) -> None:
    bmc = SimBmc("h1")
    bmc.log_event("old", created="2001-01-01T00:00:00Z")
    async with watched(notes, None, bmc):
        await until(lambda: notes.heard_of.count(Source.BMC_EVENT) > 2)
        bmc.log_event("new", created="1970-01-01T00:00:00Z")
        await until(lambda: "new | Critical" in notes.texts(Source.BMC_EVENT))
        count = notes.heard_of.count(Source.BMC_EVENT)
        await until(lambda: notes.heard_of.count(Source.BMC_EVENT) > count + 2)
    assert notes.texts(Source.BMC_EVENT) == ["old | Critical", "new | Critical"]
    old, new = (s for s in notes.signals if isinstance(s, LogLine))
    assert old.at_s < 1.0e9
    assert abs(new.at_s - SystemClock().now_s()) < 60


async def test_reconnect_loses_and_repeats_nothing(host: Host, notes: Notes) -> None:
    for number in range(20):
        host.log(f"line {number}")
    host.drop_after = 3
    async with watched(notes, host):
        await until(lambda: len(notes.texts()) >= 20)
        host.log("line 20")
        await until(lambda: len(notes.texts()) >= 21)
    assert notes.texts() == [f"line {number}" for number in range(21)]
    assert len(host.commands) > 6
    assert "--since=-3600s" in host.commands[0]
    assert all("--after-cursor=" in command for command in host.commands[1:])


async def test_cursor_of_a_lost_journal_is_given_up(host: Host, notes: Notes) -> None:
    host.log("first")
    host.drop_after = 1
    host.refuse_cursor = True
    async with watched(notes, host):
        await until(notes.texts)
        host.log("second")
        await until(lambda: len(host.commands) > 1)
        host.drop_after = None
        await until(lambda: "second" in notes.texts())
    assert ["--after-cursor=" in command for command in host.commands[:3]] == [False, True, False]


async def test_refused_key_keeps_the_cursor(host: Host, notes: Notes) -> None:
    host.log("first")
    async with watched(notes, host):
        await until(notes.texts)
        host.trouble = EngineRefused("h1 refuses the key", subject="x")
        await until(lambda: len(notes.reasons(Source.KERNEL_LOG)) > 2)
        host.trouble = None
        host.log("second")
        await until(lambda: len(notes.texts()) > 1)
    assert notes.texts() == ["first", "second"]


async def test_quiet_log_is_heard(host: Host, notes: Notes) -> None:
    async with watched(notes, host):
        await until(lambda: notes.heard_of.count(Source.KERNEL_LOG) > 3)
    assert notes.reasons(Source.KERNEL_LOG) == []


@pytest.mark.parametrize("ahead_s", [-7200.0, 3600.0])
async def test_wrong_clock_of_the_host_is_corrected(host: Host, notes: Notes, ahead_s: float) -> None:
    host.ahead_s = ahead_s
    async with watched(notes, host):
        host.log("nvme0: timeout")
        await until(notes.texts)
    (line,) = (s for s in notes.signals if isinstance(s, LogLine))
    assert abs(line.at_s - SystemClock().now_s()) < 60


async def test_garbage_in_the_stream_is_stepped_over(host: Host, notes: Notes) -> None:
    host.journal += ["-- Boot --", "{half", entry(2, "nvme0: timeout")]
    async with watched(notes, host):
        await until(notes.texts)
    assert notes.texts() == ["nvme0: timeout"]


async def test_cancelling_ends_every_task(host: Host, notes: Notes) -> None:
    before = asyncio.all_tasks()
    async with watched(notes, host, SimBmc("h1")):
        await until(lambda: notes.readings(Source.SMART))
    assert asyncio.all_tasks() == before


async def test_window_behind_the_watch_sees_silence_and_recovery(host: Host) -> None:
    window = SignalWindow(lambda _: True, stale_s=30)
    clock = SystemClock()

    def blind() -> set[Source]:
        return {s.source for s in window.signals(clock.now_s()) if isinstance(s, Unknown)}

    async with watched(window, host, SimBmc("h1")):
        await until(lambda: any(isinstance(s, Reading) for s in window.signals(clock.now_s())))
        await until(lambda: not blind())
        host.trouble = Silent("refused", subject="x")
        await until(lambda: blind() == {Source.KERNEL_LOG, Source.SMART, Source.EDAC})
        host.trouble = None
        await until(lambda: not blind())
