"""The durable runner against real kills: the process dies by SIGKILL and another goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, json, sys, time
from pathlib import Path
from shuishan.act.runner import Outcome
from shuishan.app.durable import DurableRunner
from shuishan.model.plan import Consent, Plan, Step
from shuishan.model.word import Text

folder, hang_at, fail_at = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
text = Text(en="x", zh="x")
steps = tuple(Step(id=str(n), action="a", params={}, text=text, undo_text=text) for n in (1, 2, 3))
plan = Plan(
    id="p1", at_s=0, subject="host/h1", title=text, because=(), steps=steps, consent=Consent.AUTOMATIC
)

def note(line):
    with (folder / "deeds").open("a") as file:
        file.write(line + "\\n")

async def deed(phase, plan, step):
    note(f"{phase} {step.id}")
    if f"{phase} {step.id}" == hang_at:
        await asyncio.sleep(3600)
    return Outcome(ok=f"{phase} {step.id}" != fail_at)

async def main():
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    def settle(plan_id, state):
        note(f"settled {state.value}")
        loop.call_soon_threadsafe(ended.set)
    runner = DurableRunner(folder / "dbos.db", read=lambda _id: plan, deed=deed, settle=settle)
    runner.launch()
    if not (folder / "begun").exists():
        (folder / "begun").touch()
        await runner.start("p1")
    await asyncio.wait_for(ended.wait(), 40)
    runner.stop()

asyncio.run(main())
"""


def deeds(folder: Path) -> list[str]:
    path = folder / "deeds"
    return path.read_text().splitlines() if path.exists() else []


def run(folder: Path, *, hang_at: str = "-", fail_at: str = "-") -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder), hang_at, fail_at])


def kill_at(folder: Path, deed: str, **options: str) -> None:
    process = run(folder, hang_at=deed, **options)
    end_s = time.monotonic() + 40
    while deed not in deeds(folder):
        assert time.monotonic() < end_s, f"never came to {deed!r}: {json.dumps(deeds(folder))}"
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)


@pytest.mark.parametrize("cut", ["do 1", "do 2", "do 3"])
def test_a_plan_killed_in_a_step_is_finished_and_no_finished_step_is_repeated(
    tmp_path: Path, cut: str
) -> None:
    kill_at(tmp_path, cut)
    assert run(tmp_path).wait(60) == 0
    done = deeds(tmp_path)
    assert done[-1] == "settled done"
    for deed in ("do 1", "do 2", "do 3"):
        assert done.count(deed) == (2 if deed == cut else 1)


def test_a_plan_killed_while_unwinding_goes_on_unwinding(tmp_path: Path) -> None:
    kill_at(tmp_path, "undo 2", fail_at="do 3")
    assert run(tmp_path, fail_at="do 3").wait(60) == 0
    done = deeds(tmp_path)
    assert done == ["do 1", "do 2", "do 3", "undo 3", "undo 2", "undo 2", "undo 1", "settled unwound"]
