"""The only module that starts processes. Every call has a deadline; every output has a bound."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
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
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **env} if env else None,
        cwd=cwd,
        start_new_session=True,
    )
    try:
        out, err = await asyncio.wait_for(
            process.communicate(stdin.encode() if stdin is not None else None), timeout_s
        )
    except TimeoutError as cause:
        raise Silent(
            f"`{words[0]}` gave no result within {timeout_s:g} s", subject=f"command/{words[0]}"
        ) from cause
    finally:
        if process.returncode is None:
            kill_group(process.pid)
            await process.wait()
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


async def stream(argv: Sequence[str | Path], *, line_limit_bytes: int = 65536) -> AsyncIterator[str]:
    """Yield the command's output line by line until it ends; killed when the reader stops."""
    process = await asyncio.create_subprocess_exec(
        *(str(word) for word in argv),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        limit=line_limit_bytes,
    )
    assert process.stdout is not None
    try:
        async for line in process.stdout:
            yield _text(line).rstrip("\n")
    finally:
        if process.returncode is None:
            kill_group(process.pid)
            await process.wait()


def kill_group(pid: int, number: int = signal.SIGKILL) -> None:
    """Signal a process and all that it started in its session; a dead one is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _text(raw: bytes) -> str:
    return raw[:OUTPUT_LIMIT_BYTES].decode("utf-8", errors="replace")
