"""Watches one host: runs all its collectors for ever, and says so when one cannot answer."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from shuishan.base.power.port import Bmc
from shuishan.base.ssh import Remote
from shuishan.model.clock import Clock
from shuishan.model.errors import EngineRefused, ShuishanError
from shuishan.model.signal import LogLine, Signal, Source, Unknown
from shuishan.model.site import HostSpec
from shuishan.sense import bmc as bmc_parser
from shuishan.sense import edac, smart
from shuishan.sense.kernel_log import follow_command, parse_clock, parse_journal_entry

_log = logging.getLogger(__name__)

SSH_SOURCES = (Source.KERNEL_LOG, Source.SMART, Source.EDAC)
BMC_SOURCES = (Source.BMC_SENSOR, Source.BMC_EVENT)

# Smaller differences between the host's clock and ours are travel time, not error.
CLOCK_TOLERANCE_S = 2.0
_BMC_CLOCK_TOLERANCE_S = 300.0
_PAUSE_LIMIT_S = 10.0
_SMART_TIMEOUT_S = 30.0
_SMART_SCAN_S = 60.0  # how soon a disk that was put in is noticed
_EDAC_TIMEOUT_S = 15.0


class Sink(Protocol):
    """Where signals go; `SignalWindow` is one."""

    def add(self, signals: Sequence[Signal]) -> None: ...

    def heard(self, host: str, source: Source, *, at_s: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Periods:
    """How often each collector asks.

    log_since_s: how far back the kernel log is read on first contact
    beat_s:      how often an open log stream is reported as heard
    retry_s:     pause after the first failure; it doubles up to 10 s
    """

    smart_s: float = 60.0
    edac_s: float = 5.0
    bmc_s: float = 2.0
    log_since_s: float = 3600.0
    beat_s: float = 2.0
    retry_s: float = 0.5


class HostWatch:
    """The collectors of one host.

    ssh, bmc: None where the host has none; they are closed by whoever made them
    """

    def __init__(
        self,
        spec: HostSpec,
        *,
        ssh: Remote | None,
        bmc: Bmc | None,
        clock: Clock,
        sink: Sink,
        periods: Periods | None = None,
    ) -> None:
        self._host = spec.name
        self._ssh = ssh
        self._bmc = bmc
        self._clock = clock
        self._sink = sink
        self._periods = periods or Periods()
        self._devices: tuple[smart.Device, ...] = ()
        self._scan_due_s = 0.0
        self._log_open_s: float | None = None
        self._log_proven = False
        self._cursor: str | None = None
        self._log_read_to_s: float | None = None
        self._seen_events: frozenset[str] | None = None

    async def run(self) -> None:
        """Watch until cancelled. Nothing that goes wrong on the way is raised: it becomes Unknown."""
        periods = self._periods
        async with asyncio.TaskGroup() as tasks:
            if self._ssh is None:
                self._say_unknown(SSH_SOURCES, "the host is registered without an SSH address", "")
            else:
                ssh = self._ssh
                tasks.create_task(self._follow_log(ssh), name=f"{self._host} kernel log")
                tasks.create_task(self._beat(), name=f"{self._host} kernel log heartbeat")
                self._poll(tasks, Source.SMART, periods.smart_s, lambda: self._ask_smart(ssh), ssh.origin)
                self._poll(tasks, Source.EDAC, periods.edac_s, lambda: self._ask_counters(ssh), ssh.origin)
            if self._bmc is None:
                self._say_unknown(BMC_SOURCES, "the host is registered without a BMC", "")
            else:
                bmc = self._bmc
                self._poll(
                    tasks, Source.BMC_SENSOR, periods.bmc_s, lambda: self._ask_sensors(bmc), bmc.origin
                )
                self._poll(tasks, Source.BMC_EVENT, periods.bmc_s, lambda: self._ask_events(bmc), bmc.origin)

    def _poll(
        self,
        tasks: asyncio.TaskGroup,
        source: Source,
        period_s: float,
        ask: Callable[[], Awaitable[Sequence[Signal]]],
        origin: str,
    ) -> None:
        tasks.create_task(self._poll_for_ever(source, period_s, ask, origin), name=f"{self._host} {source}")

    async def _poll_for_ever(
        self, source: Source, period_s: float, ask: Callable[[], Awaitable[Sequence[Signal]]], origin: str
    ) -> None:
        pause_s = period_s
        while True:
            began_s = self._clock.now_s()
            try:
                signals = await ask()
            except Exception as cause:
                self._say_unknown((source,), self._reason(cause, source), origin)
                pause_s = min(pause_s * 2, max(period_s, _PAUSE_LIMIT_S))
            else:
                if not any(isinstance(signal, Unknown) and "#" not in signal.origin for signal in signals):
                    self._sink.heard(self._host, source, at_s=self._clock.now_s())
                self._sink.add(signals)
                pause_s = period_s
            # A host that takes long to answer is left alone for half of the time at least.
            spent_s = self._clock.now_s() - began_s
            await self._clock.sleep(max(pause_s - spent_s, spent_s, 0.0))

    async def _ask_smart(self, ssh: Remote) -> Sequence[Signal]:
        now_s = self._clock.now_s()
        scan = not self._devices or now_s >= self._scan_due_s
        command = smart.SCAN_COMMAND if scan else smart.read_command(self._devices)
        done = await ssh.run(command, timeout_s=_SMART_TIMEOUT_S)
        if done.returncode != 0 and not done.stdout.strip():
            raise EngineRefused(
                done.stderr.strip()[-300:] or f"smartctl ended with status {done.returncode}",
                subject=f"host/{self._host}",
            )
        signals = smart.parse_smartctl(
            done.stdout, host=self._host, at_s=self._clock.now_s(), origin=ssh.origin
        )
        if any(isinstance(signal, Unknown) for signal in signals):
            self._devices = ()  # one went away, or came under another name: look around again
        elif scan:
            self._devices = smart.devices_in(done.stdout)
            self._scan_due_s = now_s + _SMART_SCAN_S
        return signals

    async def _ask_counters(self, ssh: Remote) -> Sequence[Signal]:
        done = await ssh.run(edac.COMMAND, timeout_s=_EDAC_TIMEOUT_S)
        return edac.parse_counters(done.stdout, host=self._host, at_s=self._clock.now_s(), origin=ssh.origin)

    async def _ask_sensors(self, bmc: Bmc) -> Sequence[Signal]:
        document = await bmc.readings()
        return bmc_parser.parse_readings(
            document, host=self._host, at_s=self._clock.now_s(), origin=bmc.origin
        )

    async def _ask_events(self, bmc: Bmc) -> Sequence[Signal]:
        """Entries that were not in the log when it was last read."""
        document = await bmc.events()
        now_s = self._clock.now_s()
        events = bmc_parser.parse_events(document, host=self._host, at_s=now_s, origin=bmc.origin)
        seen, self._seen_events = self._seen_events, frozenset(event.key for event in events)
        if seen is None:
            return [_not_after(event.line, now_s) for event in events]
        # What has just appeared has just happened, whatever the BMC's clock says.
        return [
            event.line
            if abs(event.line.at_s - now_s) <= _BMC_CLOCK_TOLERANCE_S
            else event.line.model_copy(update={"at_s": now_s})
            for event in events
            if event.key not in seen
        ]

    async def _follow_log(self, ssh: Remote) -> None:
        pause_s = self._periods.retry_s
        while True:
            self._log_proven = False
            try:
                await self._read_log(ssh)
                reason = "the log stream ended"
            except Exception as cause:
                reason = self._reason(cause, Source.KERNEL_LOG)
                if isinstance(cause, EngineRefused) and self._log_open_s is not None and not self._log_proven:
                    # We got in, and the journal said no: the cursor may be of a journal that is no
                    # more. Go by time, and repeat a little.
                    self._cursor = None
            finally:
                self._log_open_s = None
            pause_s = self._periods.retry_s if self._log_proven else min(pause_s * 2, _PAUSE_LIMIT_S)
            self._say_unknown((Source.KERNEL_LOG,), reason, ssh.origin)
            await self._clock.sleep(pause_s)

    async def _read_log(self, ssh: Remote) -> None:
        since_s = self._periods.log_since_s
        if self._log_read_to_s is not None:
            since_s = min(since_s, self._clock.now_s() - self._log_read_to_s + CLOCK_TOLERANCE_S)
        command = follow_command(cursor=self._cursor, since_s=since_s)
        async with contextlib.aclosing(ssh.stream(command)) as lines:
            ahead_s = 0.0
            async for text in lines:
                if self._log_open_s is None:
                    self._log_open_s = self._clock.now_s()
                    ahead_s = self._clock_ahead_s(text)
                else:
                    self._take_log_line(text, ssh.origin, ahead_s)

    def _take_log_line(self, text: str, origin: str, ahead_s: float) -> None:
        entry = parse_journal_entry(text, host=self._host, origin=origin)
        if entry is None:
            return
        self._prove_log()
        if entry.line is not None:
            line = entry.line
            if ahead_s:
                line = line.model_copy(update={"at_s": line.at_s - ahead_s})
            self._log_read_to_s = line.at_s
            self._sink.add([line])
        if entry.cursor is not None:
            self._cursor = entry.cursor

    def _prove_log(self) -> None:
        if not self._log_proven:
            self._log_proven = True
            self._sink.heard(self._host, Source.KERNEL_LOG, at_s=self._clock.now_s())

    async def _beat(self) -> None:
        """An open stream that says nothing is a kernel that has nothing to say."""
        while True:
            await self._clock.sleep(self._periods.beat_s)
            now_s = self._clock.now_s()
            # A stream just opened proves nothing: where there is no journal it ends at once.
            if self._log_open_s is not None and now_s - self._log_open_s >= self._periods.beat_s / 2:
                self._log_proven = True
                self._sink.heard(self._host, Source.KERNEL_LOG, at_s=now_s)

    def _clock_ahead_s(self, text: str) -> float:
        """How far the host's clock is ahead of ours; 0 when they agree or it did not say."""
        theirs_s = parse_clock(text)
        ahead_s = theirs_s - self._clock.now_s() if theirs_s is not None else 0.0
        return ahead_s if abs(ahead_s) > CLOCK_TOLERANCE_S else 0.0

    def _say_unknown(self, sources: Sequence[Source], reason: str, origin: str) -> None:
        at_s = self._clock.now_s()
        self._sink.add(
            [
                Unknown(host=self._host, source=source, at_s=at_s, reason=reason, origin=origin)
                for source in sources
            ]
        )

    def _reason(self, cause: Exception, source: Source) -> str:
        if isinstance(cause, ShuishanError):
            return cause.message
        _log.error("collector %s of %s broke", source, self._host, exc_info=cause)
        return f"the collector broke: {type(cause).__name__}"


def _not_after(line: LogLine, now_s: float) -> LogLine:
    return line if line.at_s <= now_s else line.model_copy(update={"at_s": now_s})
