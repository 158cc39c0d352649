"""Commands on hosts over SSH: one kept connection per host, every wait with a deadline.

Nothing is installed on a host; what it can say is said by commands it already has. A host key that
is not in the known-hosts file is refused: a hospital's network is not a place to trust on first use.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Protocol

import asyncssh

from shuishan.base.shell import Completed
from shuishan.model.errors import EngineRefused, Silent

OUTPUT_LIMIT_BYTES = 16 * 1024 * 1024
_CHUNK_BYTES = 65536


class Remote(Protocol):
    """What collectors need of a host's shell; `SshHost` is the real one.

    Both raise Silent when the host gives no answer and EngineRefused when it says no.
    """

    @property
    def origin(self) -> str: ...

    async def run(self, command: str, *, timeout_s: float) -> Completed: ...

    def stream(self, command: str) -> AsyncGenerator[str, None]: ...


class SshHost:
    """One host's shell.

    key_file:    private key that opens the account
    known_hosts: file in OpenSSH's format; a host whose key is not in it is refused
    keepalive_s: a connection that answers nothing for four times this is given up, which bounds
                 the wait of `stream`
    """

    def __init__(
        self,
        address: str,
        *,
        key_file: Path,
        known_hosts: Path,
        port: int = 22,
        user: str = "root",
        connect_timeout_s: float = 8.0,
        keepalive_s: float = 3.0,
    ) -> None:
        self.address = address
        self.port = port
        self._user = user
        self._key_file = key_file
        self._known_hosts = known_hosts
        self._connect_timeout_s = connect_timeout_s
        self._keepalive_s = keepalive_s
        self._connection: asyncssh.SSHClientConnection | None = None
        self._connecting = asyncio.Lock()

    @property
    def origin(self) -> str:
        return f"ssh://{self.address}"

    async def run(self, command: str, *, timeout_s: float) -> Completed:
        """Run `command` in the host's shell; its exit status is not judged.

        timeout_s: for connecting and running together; Silent is raised after it
        Raises EngineRefused when the output exceeds OUTPUT_LIMIT_BYTES.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._run(command)
        except TimeoutError as cause:
            # The connection stays: others use it, and keepalive finds out whether it is dead.
            raise Silent(
                f"{self.address} gave no result within {timeout_s:g} s for `{_short(command)}`",
                subject=self._subject,
            ) from cause

    async def _run(self, command: str) -> Completed:
        process = await self._start(command)
        try:
            out, err = await asyncio.gather(
                self._read_all(process.stdout, command), self._read_all(process.stderr, command)
            )
            await process.wait_closed()
        except (OSError, asyncssh.Error) as cause:
            raise self._lost(cause) from cause
        finally:
            process.close()
        status = process.returncode
        if status is None:
            raise self._lost(None)
        return Completed((command,), status, out, err)

    async def stream(self, command: str, *, line_limit_bytes: int = 65536) -> AsyncGenerator[str, None]:
        """Yield the command's output line by line until it ends.

        line_limit_bytes: a longer line is cut there, so that one endless line costs bounded memory
        Raises Silent when the connection is lost, EngineRefused when the command ends with an error.
        """
        async with asyncio.timeout(self._connect_timeout_s + 4 * self._keepalive_s):
            process = await self._start(command)
        try:
            async with contextlib.aclosing(_lines(process.stdout, line_limit_bytes)) as lines:
                async for line in lines:
                    yield line
            async with asyncio.timeout(self._connect_timeout_s):
                complaint = (await process.stderr.read(_CHUNK_BYTES)).decode("utf-8", "replace").strip()
                await process.wait_closed()
        except (OSError, asyncssh.Error, TimeoutError) as cause:
            raise self._lost(cause) from cause
        finally:
            process.close()
        if process.returncode is None:
            raise self._lost(None)
        if process.returncode != 0:
            raise EngineRefused(
                f"`{_short(command)}` on {self.address} ended with status {process.returncode}: "
                f"{complaint[-300:]}",
                subject=self._subject,
            )

    async def close(self) -> None:
        """Drop the connection; the next call makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()
            with contextlib.suppress(TimeoutError, OSError, asyncssh.Error):
                async with asyncio.timeout(2.0):
                    await connection.wait_closed()

    @property
    def _subject(self) -> str:
        return f"ssh/{self.address}"

    async def _start(self, command: str) -> asyncssh.SSHClientProcess[bytes]:
        """A process on the kept connection; a kept one that turns out dead is replaced once."""
        for attempt in (1, 2):
            connection = await self._connected()
            try:
                return await connection.create_process(command, encoding=None)
            except asyncssh.ChannelOpenError as cause:
                # On a connection that lives, the server allows no more sessions; others still use it.
                if attempt == 2 or not connection.is_closed():
                    raise EngineRefused(
                        f"{self.address} opens no session: {cause.reason}", subject=self._subject
                    ) from cause
                await self.close()
            except (OSError, asyncssh.Error) as cause:
                await self.close()
                if attempt == 2:
                    raise self._lost(cause) from cause
        raise self._lost(None)

    async def _connected(self) -> asyncssh.SSHClientConnection:
        async with self._connecting:
            if self._connection is not None and not self._connection.is_closed():
                return self._connection
            self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> asyncssh.SSHClientConnection:
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                return await asyncssh.connect(
                    self.address,
                    self.port,
                    username=self._user,
                    client_keys=[str(self._key_file)],
                    known_hosts=str(self._known_hosts),
                    # The account's own ssh settings and agent must not change what we trust or offer.
                    config=None,
                    agent_path=None,
                    keepalive_interval=self._keepalive_s,
                    keepalive_count_max=4,
                )
        except asyncssh.HostKeyNotVerifiable as cause:
            raise EngineRefused(
                f"the SSH host key of {self.address} is not the one in {self._known_hosts.name}; "
                "if the host was reinstalled, register its new key",
                subject=self._subject,
            ) from cause
        except asyncssh.PermissionDenied as cause:
            raise EngineRefused(
                f"{self.address} refuses the key {self._key_file.name} for {self._user}",
                subject=self._subject,
            ) from cause
        except TimeoutError as cause:
            raise Silent(
                f"{self.address} port {self.port} gave no SSH answer within {self._connect_timeout_s:g} s",
                subject=self._subject,
            ) from cause
        except (OSError, asyncssh.Error, ValueError) as cause:
            # ValueError: asyncssh's word for a key or known-hosts file it cannot read.
            raise Silent(
                f"no SSH connection to {self.address} port {self.port}: {_reason(cause)}",
                subject=self._subject,
            ) from cause

    async def _read_all(self, reader: asyncssh.SSHReader[bytes], command: str) -> str:
        parts: list[bytes] = []
        size = 0
        while chunk := await reader.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > OUTPUT_LIMIT_BYTES:
                raise EngineRefused(
                    f"`{_short(command)}` on {self.address} wrote more than "
                    f"{OUTPUT_LIMIT_BYTES // 1024**2} MiB",
                    subject=self._subject,
                )
            parts.append(chunk)
        return b"".join(parts).decode("utf-8", errors="replace")

    def _lost(self, cause: BaseException | None) -> Silent:
        reason = _reason(cause) if cause is not None else "the session ended without an exit status"
        return Silent(f"the SSH connection to {self.address} was lost: {reason}", subject=self._subject)


async def _lines(reader: asyncssh.SSHReader[bytes], limit_bytes: int) -> AsyncGenerator[str, None]:
    """Lines of `reader`, each cut at `limit_bytes`."""
    rest = b""
    while chunk := await reader.read(_CHUNK_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line[:limit_bytes].decode("utf-8", errors="replace")
        # Keep what is needed to print the cut line; the rest of an endless one is dropped here.
        rest = rest[:limit_bytes]
    if rest:
        yield rest.decode("utf-8", errors="replace")


def _reason(cause: BaseException) -> str:
    if isinstance(cause, asyncssh.Error):
        return cause.reason
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause) or type(cause).__name__


def _short(command: str) -> str:
    line = command.strip().split("\n", 1)[0]
    return line if len(line) <= 60 else f"{line[:57]}..."
