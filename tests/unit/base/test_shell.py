"""Commands end: by themselves, by their deadline, or with whoever waits for them."""

import asyncio
import os
from pathlib import Path

import pytest

from shuishan.base import shell
from shuishan.model.clock import SystemClock, until
from shuishan.model.errors import EngineRefused, Silent

TIMEOUT_S = 60.0


def alive(pid_file: Path) -> bool:
    """Is the process whose pid stands there still more than a zombie?"""
    try:
        stat = Path(f"/proc/{int(pid_file.read_text())}/stat").read_text()
    except (OSError, ValueError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def gone(pid_file: Path) -> None:
    await until(lambda: not alive(pid_file), deadline_s=TIMEOUT_S, clock=SystemClock(), why="it ends")


async def test_output_status_and_input() -> None:
    done = await shell.run(
        ["sh", "-c", "cat; echo oh >&2; exit 3"], timeout_s=TIMEOUT_S, stdin="ä", check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "ä", "oh\n")


async def test_a_command_that_is_not_there_is_named() -> None:
    with pytest.raises(EngineRefused, match=r"`/nowhere/tool` cannot be started: No such file or directory"):
        await shell.run(["/nowhere/tool"], timeout_s=TIMEOUT_S)


@pytest.mark.parametrize(
    ("script", "says"), [("echo out; echo why >&2; exit 7", "why"), ("echo out; exit 7", "out")]
)
async def test_a_bad_end_says_status_and_reason(script: str, says: str) -> None:
    with pytest.raises(EngineRefused, match=rf"`sh -c .*` ended with status 7: {says}$"):
        await shell.run(["sh", "-c", script], timeout_s=TIMEOUT_S)


async def test_only_the_end_of_a_long_complaint_is_told() -> None:
    with pytest.raises(EngineRefused) as caught:
        await shell.run(["sh", "-c", "yes | head -c 5000 >&2; echo END >&2; exit 1"], timeout_s=TIMEOUT_S)
    assert caught.value.message.endswith("END")
    assert len(caught.value.message) < 1000


@pytest.mark.parametrize("after", ["wait", "exit 0"])
async def test_a_deadline_ends_all_that_the_command_started(tmp_path: Path, after: str) -> None:
    """Also when the command itself has ended and only its child holds the pipe."""
    pid_file = tmp_path / "pid"
    script = f"sleep 1000 & echo $! > {pid_file}; {after}"
    with pytest.raises(Silent, match=r"`sh` gave no result within 2 s"):
        await shell.run(["sh", "-c", script], timeout_s=2)
    assert pid_file.read_text().strip().isdigit()
    await gone(pid_file)


async def test_who_is_called_off_takes_the_command_along(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"echo $$ > {pid_file}; exec sleep 1000"
    task = asyncio.create_task(shell.run(["sh", "-c", script], timeout_s=TIMEOUT_S))
    await until(lambda: alive(pid_file), deadline_s=TIMEOUT_S, clock=SystemClock(), why="it starts")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone(pid_file)


async def test_output_beyond_the_limit_is_dropped_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "OUTPUT_LIMIT_BYTES", 1000)
    script = "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2"
    done = await shell.run(["sh", "-c", script], timeout_s=TIMEOUT_S)
    assert (len(done.stdout), len(done.stderr)) == (1000, 1000)


async def test_bytes_that_are_no_text_are_replaced() -> None:
    assert (await shell.run(["printf", r"\377ok"], timeout_s=TIMEOUT_S)).stdout == "�ok"


async def test_a_command_that_does_not_read_its_input_is_no_error() -> None:
    assert (await shell.run(["true"], timeout_s=TIMEOUT_S, stdin="x" * 1_000_000)).returncode == 0


async def test_a_daemon_lives_in_a_session_of_its_own_and_logs(tmp_path: Path) -> None:
    log = tmp_path / "log"
    pid = shell.spawn(["sh", "-c", "echo here; exec sleep 1000"], log=log)
    assert os.getsid(pid) == pid
    await until(lambda: "here" in log.read_text(), deadline_s=TIMEOUT_S, clock=SystemClock(), why="it logs")
    shell.kill_group(pid)
    await asyncio.to_thread(os.waitpid, pid, 0)
    shell.kill_group(pid)  # a dead one is no error
