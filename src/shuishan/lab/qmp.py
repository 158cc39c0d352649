"""Talk to a running QEMU (QMP) and to the guest agent inside it, over their Unix sockets.

Each conversation is short: connect, ask, leave. QEMU serves one QMP client at a time, so a
held connection would block every other caller.
"""

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from shuishan.model.errors import EngineRefused, Silent

LINE_LIMIT_BYTES = 4 * 1024 * 1024

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class GuestOutput:
    """What a command inside the guest left: exit status and both outputs."""

    returncode: int
    stdout: str
    stderr: str


class Qmp:
    """One conversation with QEMU's monitor."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: Path) -> None:
        self._reader = reader
        self._writer = writer
        self._path = path

    async def execute(
        self, command: str, arguments: Mapping[str, object] | None = None, *, timeout_s: float = 15
    ) -> Any:
        """Return the `return` member of QEMU's answer.

        Raises EngineRefused when QEMU says no, Silent when it says nothing in time.
        """
        request: dict[str, object] = {"execute": command}
        if arguments:
            request["arguments"] = dict(arguments)
        self._writer.write(json.dumps(request).encode() + b"\n")
        try:
            async with asyncio.timeout(timeout_s):
                return await self._answer(command)
        except TimeoutError as cause:
            raise Silent(
                f"QEMU gave no answer to `{command}` within {timeout_s:g} s", subject=f"qmp/{self._path}"
            ) from cause

    async def hmp(self, line: str, *, timeout_s: float = 15) -> str:
        """Run one line of the human monitor (for what QMP lacks) and return what it printed."""
        return cast(
            str, await self.execute("human-monitor-command", {"command-line": line}, timeout_s=timeout_s)
        )

    async def _answer(self, command: str) -> Any:
        await self._writer.drain()
        while True:
            message = await self._line()
            if "return" in message:
                return message["return"]
            if "error" in message:
                reason = message["error"].get("desc", "no reason given")
                raise EngineRefused(f"QEMU refused `{command}`: {reason}", subject=f"qmp/{self._path}")
            # Anything else is an event; no caller waits for one.

    async def _line(self) -> JsonObject:
        raw = await self._reader.readline()
        if not raw:
            raise Silent("QEMU closed its monitor; the chassis has ended", subject=f"qmp/{self._path}")
        return cast(JsonObject, json.loads(raw))

    async def greet(self) -> None:
        """Take QEMU's greeting and leave negotiation mode; the first thing on a new connection."""
        await self._line()
        await self.execute("qmp_capabilities")


@asynccontextmanager
async def open_qmp(path: Path, *, timeout_s: float = 15) -> AsyncGenerator[Qmp]:
    """Connect to a QMP socket for the length of a `async with`. Raises Silent when nobody is there."""
    reader, writer = await _connect(path, timeout_s)
    try:
        qmp = Qmp(reader, writer, path)
        try:
            async with asyncio.timeout(timeout_s):
                await qmp.greet()
        except TimeoutError as cause:
            raise Silent(f"QEMU sent no greeting within {timeout_s:g} s", subject=f"qmp/{path}") from cause
        yield qmp
    finally:
        writer.close()


async def guest_run(path: Path, script: str, *, timeout_s: float = 30) -> GuestOutput:
    """Run a shell script inside the guest through its agent; works while the guest's sshd is down."""
    reader, writer = await _connect(path, timeout_s)
    try:
        async with asyncio.timeout(timeout_s):
            await _sync(reader, writer)
            pid = (
                await _ask(
                    reader,
                    writer,
                    "guest-exec",
                    {"path": "/bin/sh", "arg": ["-c", script], "capture-output": True},
                )
            )["pid"]
            while True:
                status = await _ask(reader, writer, "guest-exec-status", {"pid": pid})
                if status["exited"]:
                    return GuestOutput(
                        status.get("exitcode", -1), _decode(status, "out-data"), _decode(status, "err-data")
                    )
                await asyncio.sleep(0.2)
    except TimeoutError as cause:
        raise Silent(
            f"the guest agent gave no result within {timeout_s:g} s", subject=f"qga/{path}"
        ) from cause
    finally:
        writer.close()


async def _connect(path: Path, timeout_s: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        async with asyncio.timeout(timeout_s):
            return await asyncio.open_unix_connection(path, limit=LINE_LIMIT_BYTES)
    except (OSError, TimeoutError) as cause:
        raise Silent(f"nobody listens on {path}: {cause}", subject=f"socket/{path}") from cause


async def _sync(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Discard answers that an earlier, broken conversation left in the pipe."""
    token = secrets.randbelow(2**31)
    request = json.dumps({"execute": "guest-sync", "arguments": {"id": token}}).encode()
    writer.write(b"\xff" + request + b"\n")
    await writer.drain()
    while True:
        raw = (await reader.readline()).lstrip(b"\xff")
        if not raw:
            raise Silent("the guest agent's channel closed", subject="qga")
        try:
            answer = json.loads(raw)
        except ValueError:
            continue
        if answer.get("return") == token:
            return


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: str, arguments: JsonObject
) -> JsonObject:
    writer.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
    await writer.drain()
    answer = cast(JsonObject, json.loads(await reader.readline() or b'{"error": {"desc": "channel closed"}}'))
    if "error" in answer:
        raise EngineRefused(f"the guest agent refused `{command}`: {answer['error']['desc']}", subject="qga")
    return cast(JsonObject, answer["return"])


def _decode(status: JsonObject, key: str) -> str:
    return base64.b64decode(cast(str, status.get(key, ""))).decode(errors="replace")
