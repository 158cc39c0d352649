"""The only module that starts processes. Every call has a deadline; every output has a bound."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shuishan.model.errors import EngineRefused, Silent

OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Completed:
    """A finished command: exit status and its whole output (UTF-8, undecodable bytes replaced)."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


async def run(
    argv: Sequence[str | Path],
    *,
    timeout_s: float,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = True,
) -> Completed:
    """Run a command to its end and return its output.

    timeout_s: after this the whole process group is killed and Silent is raised
    env:       added to this process's environment
    check:     raise EngineRefused on a non-zero exit, with the tail of stderr in the message
    """
    words = tuple(str(word) for word in argv)
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **env} if env else None,
            cwd=cwd,
            start_new_session=True,
        )
    except OSError as cause:
        raise EngineRefused(
            f"`{words[0]}` cannot be started: {cause.strerror}", subject=f"command/{words[0]}"
        ) from cause
    try:
        out, err = await asyncio.wait_for(_talk(process, stdin), timeout_s)
    except BaseException as cause:
        # Also when the command itself has ended: what it started may live on and hold its pipes.
        kill_group(process.pid)
        await process.wait()
        if isinstance(cause, TimeoutError):
            raise Silent(
                f"`{words[0]}` gave no result within {timeout_s:g} s", subject=f"command/{words[0]}"
            ) from cause
        raise
    done = Completed(words, process.returncode or 0, _text(out), _text(err))
    if check and done.returncode != 0:
        tail = (done.stderr or done.stdout).strip()[-600:]
        raise EngineRefused(
            f"`{' '.join(words[:4])}` ended with status {done.returncode}: {tail}",
            subject=f"command/{words[0]}",
        )
    return done


def spawn(
    argv: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> int:
    """Start a daemon in a session of its own, output to `log`, and return its pid."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **env} if env else None,
            cwd=cwd,
            start_new_session=True,
        )
    return process.pid


def kill_group(pid: int, number: int = signal.SIGKILL) -> None:
    """Signal a process and all that it started in its session; a dead one is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


async def _talk(process: asyncio.subprocess.Process, stdin: str | None) -> tuple[bytes, bytes]:
    """Feed the command and read it to its end; what goes beyond the limit is read and dropped."""
    assert process.stdout is not None
    assert process.stderr is not None
    out, err, _, _ = await asyncio.gather(
        _read(process.stdout), _read(process.stderr), _feed(process, stdin), process.wait()
    )
    return out, err


async def _read(pipe: asyncio.StreamReader) -> bytes:
    kept = bytearray()
    while block := await pipe.read(65536):
        kept += block[: OUTPUT_LIMIT_BYTES - len(kept)]
    return bytes(kept)


async def _feed(process: asyncio.subprocess.Process, stdin: str | None) -> None:
    if process.stdin is None or stdin is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may end without reading all
        process.stdin.write(stdin.encode())
        await process.stdin.drain()
    process.stdin.close()


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")
