"""Exit codes: each in both guides, none used twice; and a command line that starts without the engines."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from shuishan.front.api.refusals import Busy
from shuishan.front.cli.exits import Exit
from shuishan.model import errors

GUIDES = Path(__file__).parents[3] / "docs" / "guide"
ERRORS = [
    kind
    for kind in (*vars(errors).values(), Busy)
    if isinstance(kind, type) and issubclass(kind, errors.ShuishanError)
]


@pytest.mark.parametrize("guide", ["exit-codes.md", "exit-codes.zh-CN.md"])
def test_every_exit_code_is_in_the_guide(guide: str) -> None:
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", (GUIDES / guide).read_text("utf-8"), re.M)}
    assert told == {int(code) for code in Exit} | {kind.exit_code for kind in ERRORS}


def test_no_two_errors_share_a_code() -> None:
    codes = [kind.exit_code for kind in ERRORS]
    assert len(codes) == len(set(codes))
    assert {int(code) for code in Exit} & set(codes) == {errors.NoRoom.exit_code}


def test_the_client_starts_without_the_engines() -> None:
    script = (
        "import sys, os\n"
        "from shuishan.front.cli.main import build\n"
        "from shuishan.front.cli.out import Streams\n"
        "from shuishan.front.cli.verbs import Around\n"
        "build('en', Around(Streams(sys.stdin, sys.stdout, sys.stderr)))\n"
        "heavy = {'ortools', 'libvirt', 'dbos', 'sqlalchemy', 'hyperscan', 'numpy', 'fastapi', 'asyncssh'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"
