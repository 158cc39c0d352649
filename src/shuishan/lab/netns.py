"""Network namespaces of the lab and the processes inside them."""

import asyncio
import os
import re
import signal
import time
from pathlib import Path

from shuishan.base import shell
from shuishan.model.errors import EngineRefused

END_DEADLINE_S = 10.0
_NAMES = Path("/run/netns")


def exists(netns: str) -> bool:
    """Is there a namespace of this name?"""
    return (_NAMES / netns).exists()


async def make(netns: str) -> None:
    """Make a namespace with its loopback up. Raises EngineRefused when it exists."""
    await shell.run(["ip", "netns", "add", netns], timeout_s=10)
    await configure(netns, "link set lo up")


async def configure(netns: str | None, *lines: str) -> None:
    """Run lines of `ip` in a namespace (None: this machine's own), stopping at the first refused one."""
    inside = ["-n", netns] if netns else []
    await shell.run(["ip", *inside, "-batch", "-"], stdin="\n".join((*lines, "")), timeout_s=20)


def pids(netns: str) -> list[int]:
    """Processes in a namespace, in this machine's numbers; empty when there is no such namespace."""
    try:
        wanted = (_NAMES / netns).stat().st_ino
    except OSError:
        return []
    found: list[int] = []
    for path in Path("/proc").iterdir():
        if not path.name.isdecimal():
            continue
        try:
            inode = re.search(r"\d+", (path / "ns/net").readlink().name)
        except OSError:
            continue  # it ended while we looked
        if inode and int(inode[0]) == wanted:
            found.append(int(path.name))
    return sorted(found)


async def kill_all(netns: str) -> None:
    """SIGKILL every process in a namespace and wait until none is left.

    Raises EngineRefused when one is still there after END_DEADLINE_S.
    """
    deadline = time.monotonic() + END_DEADLINE_S
    while left := pids(netns):
        if time.monotonic() > deadline:
            raise EngineRefused(
                f"processes {left} in {netns} are still there {END_DEADLINE_S:g} s after SIGKILL",
                subject=f"netns/{netns}",
            )
        for pid in left:
            kill(pid)
        await asyncio.sleep(0.02)


def kill(pid: int) -> None:
    """SIGKILL a process; one that has ended is fine."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


async def remove(netns: str) -> None:
    """Kill what is inside and delete the namespace with its interfaces; an absent one is fine."""
    if exists(netns):
        await kill_all(netns)
        await shell.run(["ip", "netns", "delete", netns], timeout_s=20)
