"""What a lab fault is: how it is put in, how it is taken out, and what evidence it must leave."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum

from shuishan.catalog.messages import say
from shuishan.lab.chassis import Chassis
from shuishan.lab.chassis_devices import sockets
from shuishan.lab.layout import LabLayout
from shuishan.lab.qmp import Qmp, open_qmp
from shuishan.model.errors import BadInput
from shuishan.model.word import Text

Value = str | int | float
Params = Mapping[str, Value]


class Source(StrEnum):
    """Where the evidence of a fault is read."""

    KERNEL = "kernel"  # journalctl -k, message text
    SMART = "smart"  # smartctl -j -a of the disk in parameter `disk`, whole document
    SENSORS = "sensors"  # Redfish Thermal and Power documents
    SEL = "sel"  # Redfish system event log
    GUEST = "guest"  # output of the evidence's own command in the guest
    CONSOLE = "console"  # serial console, the last words of a dead kernel
    BMC = "bmc"  # how the BMC itself answers: "silent", or the HTTP status
    SSH = "ssh"  # how sshd answers: "answers" or "silent"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A regular expression that must match what the source says while the fault is in.

    lasting: the source describes the present, so after healing the pattern must be gone;
             otherwise it is an event, and stays in the log
    command: shell line, for GUEST only; `{path}` stands for the disk of parameter `disk`
    """

    source: Source
    pattern: str
    lasting: bool = False
    command: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """One lab host whose hardware is to break."""

    layout: LabLayout
    host: str

    @property
    def chassis(self) -> Chassis:
        return Chassis(self.layout, self.host)

    async def qmp(self, command: str, **arguments: object) -> object:
        """One QMP command; underscores in argument names become dashes."""
        async with self.monitor() as qmp:
            return await qmp.execute(command, {k.replace("_", "-"): v for k, v in arguments.items()})

    async def hmp(self, line: str) -> str:
        """One line of the human monitor."""
        async with self.monitor() as qmp:
            return await qmp.hmp(line)

    def monitor(self) -> AbstractAsyncContextManager[Qmp]:
        """A QMP conversation for several commands in a row."""
        return open_qmp(sockets(self.layout, self.host).qmp)

    async def guest(self, script: str, *, timeout_s: float = 30) -> str:
        """Output of a shell script run in the guest through its agent; its status is not judged."""
        done = await self.chassis.agent(script, timeout_s=timeout_s)
        return done.stdout + done.stderr


Deed = Callable[[Target, Params], Awaitable[None]]


async def passes_by_itself(_target: Target, _params: Params) -> None:
    """Healing of an event: the error was corrected as it happened, nothing is left to undo."""


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One fault of the catalogue.

    params:     names and defaults; a caller may override, never add
    restarts:   healing restarts the guest, so SSH is away for a boot
    replay:     the evidence is copied text, not the work of a real driver
    evidence:   what must be seen; all of it
    """

    name: str
    inject: Deed
    heal: Deed
    evidence: tuple[Evidence, ...]
    params: Params = field(default_factory=dict[str, Value])
    restarts: bool = False
    replay: bool = False

    @property
    def title(self) -> Text:
        """What breaks, as an operator would say it."""
        return say(f"fault.{self.name}")

    def filled(self, given: Params) -> dict[str, Value]:
        """Defaults with what the caller gave. Raises BadInput for an unknown name or another type."""
        for name, value in given.items():
            if name not in self.params:
                known = ", ".join(self.params) or "none"
                raise BadInput(
                    f"fault {self.name} has no parameter {name}; it has: {known}",
                    subject=f"fault/{self.name}",
                )
            if isinstance(value, str) != isinstance(self.params[name], str):
                raise BadInput(
                    f"{name} of fault {self.name} is {value!r}; give one like {self.params[name]!r}",
                    subject=f"fault/{self.name}",
                )
        return {**self.params, **given}


def text(params: Params, name: str) -> str:
    """A parameter as text."""
    return str(params[name])


def number(params: Params, name: str) -> int:
    """A parameter as a whole number."""
    return int(params[name])
