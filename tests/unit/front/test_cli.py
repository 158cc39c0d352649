"""The command line against the real API: what a person sees, and how a script reads it."""

import json
import os
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from tests.unit.front import factory
from tests.unit.front.house import ValueHouse
from tests.unit.front.terminal import Terminal
from tests.unit.front.web import web_client

from shuishan.app.access import chained
from shuishan.front.cli.exits import Exit
from shuishan.front.cli.main import language_of, word_of
from shuishan.front.cli.out import Out, Streams, harmless, table
from shuishan.front.cli.told import span
from shuishan.model.errors import EngineRefused
from shuishan.model.plan import PlanState
from shuishan.model.status import AuditRecord

GOLDEN = Path(__file__).parent / "golden"
FINDING = "disk.nvme_spare_exhausted@h1/nvme0"


@pytest.fixture(autouse=True)
def hospital_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Transcripts show local times, those of a hospital in Hubei, and are 80 columns wide."""
    monkeypatch.setenv("COLUMNS", "80")
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Asia/Shanghai"
    time.tzset()
    yield
    os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
    time.tzset()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("line", "typed"),
    [
        ("site show", None),
        ("host list", None),
        ("host show h1", None),
        ("host cordon h2", None),
        ("host drain h2", "n\n"),
        ("host drain h2", None),
        ("host drain h2 --yes", None),
        ("host drain h1", "y\n"),
        ("host show h9", None),
        ("host repaired h1 --component nvme0", "y\n"),
        ("finding list", None),
        (f"finding show {FINDING}", None),
        ("plan list", None),
        ("plan show 7f3c1a90be", None),
        ("plan apply 7f3c1a90be", None),
        ("plan refuse aa11bb22cc", "y\n"),
        ("system list", None),
        ("system show his", None),
        ("timeline show --limit 4", None),
        ("report make", None),
        ("token list", None),
        ("token create monitor --days 1", None),
        ("token revoke read", "n\n"),
        ("audit list", None),
    ],
)
def test_transcripts(line: str, typed: str | None, language: str) -> None:
    """Golden: read the difference like a screen; to accept it, run with SHUISHAN_ACCEPT=1."""
    said = Terminal().run(line, typed=typed, language=language)
    answer = {None: "", "y\n": "-yes", "n\n": "-no"}[typed]
    file = GOLDEN / language / f"{line.replace(' ', '_').replace('/', '_')}{answer}.txt"
    told = f"$ shuishan {line}\n{said.stdout}--- stderr\n{said.stderr}--- exit {said.code}\n"
    if os.environ.get("SHUISHAN_ACCEPT"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(told, "utf-8")
    assert told == file.read_text("utf-8")


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("site show", "site"),
        ("host list", "hosts"),
        ("host show h1", "hosts/h1"),
        ("system list", "systems"),
        ("system show his", "systems/his"),
        ("finding list", "findings"),
        (f"finding show {FINDING}", f"findings/{FINDING}"),
        ("plan list", "plans"),
        ("plan show 7f3c1a90be", "plans/7f3c1a90be"),
        ("timeline show", "timeline"),
        ("report make", "report"),
        ("report make --format json", "report"),
        ("token list", "tokens"),
        ("audit list", "audit"),
    ],
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_json_is_the_apis_document_byte_by_byte(line: str, path: str, language: str) -> None:
    house = ValueHouse()
    wanted = web_client(house).get(f"/api/v1/{path}", headers={"Authorization": "Bearer admin-secret"})
    said = Terminal(house).run(f"{line} --json", language=language)
    assert said.stdout.encode() == wanted.content
    assert (said.code, said.stderr) == (0, "")


def test_a_deed_in_json_answers_with_the_plan_as_it_ended() -> None:
    terminal = Terminal()
    said = terminal.run("host drain h2 --json --yes")
    assert json.loads(said.stdout)["state"] == "done"
    assert terminal.house.calls == [("drain", "h2", "admin-token"), ("done", "aa11bb22cc", "admin-token")]
    said = Terminal().run("host drain h2 --json")
    assert (json.loads(said.stdout)["state"], said.code) == ("proposed", Exit.NOTHING_CHANGED)
    said = Terminal().run("host drain h1 --json --yes")
    assert (json.loads(said.stdout)["plan"]["misfits"][0]["vm"], said.code) == ("his-db", Exit.NO_ROOM)


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (PlanState.DONE, Exit.DONE),
        (PlanState.UNWOUND, Exit.UNWOUND),
        (PlanState.STUCK, Exit.STUCK),
        (PlanState.REFUSED, Exit.NOTHING_CHANGED),
    ],
)
def test_how_a_plan_ended_is_the_exit_code(state: PlanState, code: Exit) -> None:
    terminal = Terminal()
    terminal.house.plan_by_id["7f3c1a90be"] = factory.plan_status().model_copy(update={"state": state})
    assert terminal.run("plan apply 7f3c1a90be").code == code


@pytest.mark.parametrize(
    ("line", "secret", "code", "words"),
    [
        ("host show h9", "admin-secret", 3, "there is no host h9"),
        ("host list", "wrong", 4, "this token is not known here"),
        ("host cordon h1", "read-secret", 4, "this needs operate"),
        ("plan refuse 7f3c1a90be --yes", "admin-secret", 5, "not proposed"),
        ("token create Mon", "admin-secret", 2, "name:"),
        ("host lst", "admin-secret", 2, "No such command"),
        ("plan list --limit 0", "admin-secret", 2, "--limit"),
    ],
)
def test_one_clear_line_for_each_error(line: str, secret: str, code: int, words: str) -> None:
    said = Terminal(secret=secret).run(line)
    assert (said.code, said.stdout) == (code, "")
    assert words in said.stderr
    assert said.stderr.count("\n") == 1


def test_an_error_of_the_engine_keeps_its_exit_code() -> None:
    terminal = Terminal()
    terminal.house.breaks = EngineRefused("libvirt on h1 said: no space", subject="host/h1")
    assert terminal.run("site show").code == EngineRefused.exit_code


def test_a_noun_alone_shows_its_verbs() -> None:
    said = Terminal().run("host")
    assert said.code == 2
    assert said.stderr == ""


def chain(*actions: str) -> list[AuditRecord]:
    records: list[AuditRecord] = []
    for seq, action in enumerate(actions, start=1):
        record = AuditRecord(
            seq=seq,
            at_s=factory.T0,
            actor="mon",
            action=action,
            subject="host/h1",
            content="{}",
            outcome="done",
            digest="",
        )
        before = records[-1].digest if records else ""
        records.append(record.model_copy(update={"digest": chained(before, record)}))
    return records


def test_audit_verify_computes_the_chain_itself() -> None:
    terminal = Terminal()
    terminal.house.records = chain("cordon", "drain", "uncordon")
    said = terminal.run("audit verify")
    assert (said.code, "3 records" in said.stdout) == (0, True)
    terminal.house.records[1] = terminal.house.records[1].model_copy(update={"actor": "someone"})
    said = terminal.run("audit verify")
    assert said.code == Exit.CHAIN_BROKEN
    assert "record 2" in said.stdout


@pytest.mark.parametrize(("name", "start"), [("r.html", "<!doctype"), ("r.json", "{"), ("r.txt", "Every")])
def test_a_report_is_written_in_the_form_its_name_asks_for(tmp_path: Path, name: str, start: str) -> None:
    file = tmp_path / name
    said = Terminal().run("report make --out FILE", file=file)
    assert (said.code, said.stdout) == (0, "")
    assert file.read_text("utf-8").startswith(start)
    assert str(file) in said.stderr


def test_a_report_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    said = Terminal().run("report make --out FILE", file=tmp_path / "no" / "r.html")
    assert said.code == 2
    assert "cannot write" in said.stderr


@pytest.mark.parametrize(
    ("argv", "environ", "language"),
    [
        ([], {}, "en"),
        ([], {"LANG": "zh_CN.UTF-8"}, "zh"),
        ([], {"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ([], {"LANG": "C.UTF-8", "SHUISHAN_LANG": "zh"}, "zh"),
        (["host", "list", "--lang", "en"], {"SHUISHAN_LANG": "zh"}, "en"),
        (["--lang=zh-CN"], {}, "zh"),
    ],
)
def test_language_of(argv: list[str], environ: dict[str, str], language: str) -> None:
    assert language_of(argv, environ) == language


def test_help_speaks_the_language(capsys: pytest.CaptureFixture[str]) -> None:
    assert Terminal().run("host drain --help --lang zh").code == 0
    assert "清空主机" in capsys.readouterr().out


def test_columns_align_with_wide_characters() -> None:
    assert table(["主机", "X"], [["h1", "1"], ["很长的名字", "2"]]) == [
        "主机        X",
        "h1          1",
        "很长的名字  2",
    ]


@pytest.mark.parametrize(
    ("line", "colour", "shown"),
    [
        ("a\x1b]0;title\x07b", False, "a·]0;title·b"),
        ("a\x1b[2Jb", True, "a·[2Jb"),
        ("\x1b[32mok\x1b[0m", True, "\x1b[32mok\x1b[0m"),
        ("tab\there\r", True, "tab·here·"),
    ],
)
def test_a_log_line_cannot_command_the_terminal(line: str, colour: bool, shown: str) -> None:
    assert harmless(line, colour=colour) == shown


@pytest.mark.parametrize(
    ("duration_s", "told"),
    [(None, "now or unknown"), (30, "30 s"), (600, "10 min"), (7200, "2 h"), (3 * 86400, "3 days")],
)
def test_span(duration_s: float | None, told: str) -> None:
    out = Out(Streams(StringIO(), StringIO(), StringIO()), language="en", as_json=False, yes=False)
    assert span(out, duration_s) == told


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        ([], ""),
        (["--help"], ""),
        (["host", "list"], "host"),
        (["--lang", "zh", "lab", "up"], "lab"),
        (["--lang=zh", "diagnose", "a.log"], "diagnose"),
        (["--lang"], ""),
    ],
)
def test_word_of(argv: list[str], word: str) -> None:
    assert word_of(argv) == word
