"""Everything a lab has on this machine, found without trusting any pid file, and its removal."""

import shutil
import time
from asyncio import sleep
from pathlib import Path

from shuishan.base import shell
from shuishan.lab import fabric, netns
from shuishan.lab.layout import LabLayout
from shuishan.model.errors import EngineRefused

_REMOVE_DEADLINE_S = 10.0


def namespaces(layout: LabLayout) -> list[str]:
    """Names of the lab's network namespaces, also of hosts that the layout no longer has."""
    folder = Path("/run/netns")
    return sorted(path.name for path in folder.glob(f"{layout.prefix}-*")) if folder.exists() else []


def processes(layout: LabLayout) -> list[int]:
    """The lab's processes: those in its namespaces, and programs of ours started for its folder."""
    found = {pid for name in namespaces(layout) for pid in netns.pids(name)}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode("utf-8", errors="replace").rstrip("\0").split("\0")
        except OSError:
            continue  # it ended while we looked
        if belongs(words, layout):
            found.add(int(path.parent.name))
    return sorted(found)


def belongs(words: list[str], layout: LabLayout) -> bool:
    """Is this command line one that only a lab in this folder starts?

    Mentioning the folder is not enough: somebody may be reading one of its logs.
    """
    inside = [word for word in words if word == str(layout.root) or f"{layout.root}/" in word]
    if not inside:
        return False
    program = Path(words[0]).name
    return (
        program.startswith("qemu-system-")
        or "shuishan.lab.bmc" in words
        or any(Path(word).name == "host-init.sh" for word in words)
        or (any(Path(word).name == "shuishan" for word in words[:2]) and "server" in words)
    )


def anything(layout: LabLayout) -> bool:
    """Is there any part of this lab on the machine (its images apart)?"""
    return (
        layout.root.exists()
        or bool(namespaces(layout))
        or Path(f"/sys/class/net/{layout.uplink}").exists()
        or bool(processes(layout))
    )


async def clear(layout: LabLayout) -> None:
    """Remove every part of the lab but the cache; repeating it is fine.

    Raises EngineRefused when a process outlives SIGKILL.
    """
    for name in namespaces(layout):
        await netns.kill_all(name)
    deadline = time.monotonic() + _REMOVE_DEADLINE_S
    while left := processes(layout):
        if time.monotonic() > deadline:
            raise EngineRefused(f"processes {left} of the lab outlive SIGKILL", subject="lab")
        for pid in left:
            netns.kill(pid)
        await sleep(0.05)
    await fabric.down(layout)
    for name in namespaces(layout):
        await netns.remove(name)
    _remove_folder(layout.root)


def _remove_folder(root: Path) -> None:
    """Delete the folder; raises OSError when something in it cannot be deleted."""
    if root.exists():
        shutil.rmtree(root)


async def other_user_of(subnet: str) -> str | None:
    """Name of an interface of this machine that already has an address in the /24, or None."""
    told = await shell.run(["ip", "-o", "-4", "address", "show", "to", f"{subnet}.0/24"], timeout_s=10)
    words = told.stdout.split()
    return words[1] if len(words) > 1 else None
