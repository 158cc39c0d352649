"""The guides' tables say what the code does: fields, defaults, bounds, faults, stories, commands."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel
from tests.unit.docs.told import DOCS, ROOT, fault_row, fields, language, markdown, row, rows

from shuishan.app.settings import SiteFile
from shuishan.catalog.messages import say
from shuishan.front.cli.lab import app as lab_app
from shuishan.front.cli.main import NOUNS, OTHERS, build
from shuishan.front.cli.out import Streams
from shuishan.front.cli.story import app as story_app
from shuishan.front.cli.verbs import VERBS, Around
from shuishan.lab.faults import FAULTS
from shuishan.lab.stories import STORIES
from shuishan.model.plan import PlanState
from shuishan.model.site import CareTier, SystemSpec

GUIDE = DOCS / "guide"
GOLDEN = ROOT / "tests" / "unit" / "front" / "golden"


@pytest.mark.parametrize("suffix", [".md", ".zh-CN.md"])
@pytest.mark.parametrize(("page", "model"), [("README", SiteFile), ("system-file", SystemSpec)])
def test_every_field_of_a_file_is_in_its_table(page: str, suffix: str, model: type[BaseModel]) -> None:
    guide = GUIDE / f"{page}{suffix}"
    names = {name for name, _ in fields(model)}
    told = [told for told in rows(guide, 3) if told[0].strip("`") in names]
    assert told == [row(name, info, language(guide)) for name, info in fields(model)]


@pytest.mark.parametrize("guide", [GUIDE / "lab.md", GUIDE / "lab.zh-CN.md"], ids=language)
def test_every_fault_of_the_registry_is_in_the_list(guide: Path) -> None:
    told = [told for told in rows(guide, 4) if told[0].strip("`") not in STORIES]
    assert told == [fault_row(kind, language(guide)) for kind in FAULTS.values()]


@pytest.mark.parametrize("guide", [GUIDE / "lab.md", GUIDE / "lab.zh-CN.md"], ids=language)
def test_every_story_is_in_the_list(guide: Path) -> None:
    assert [name for (name,) in rows(guide, 1) if name.strip("`") not in FAULTS] == [
        f"`{s}`" for s in STORIES
    ]


def test_only_the_faults_the_lab_page_names_are_replayed() -> None:
    assert [kind.name for kind in FAULTS.values() if kind.replay] == ["harmless_firmware_noise"]


def commands() -> set[str]:
    """Everything that can follow `shuishan`, as words."""
    nobody = Path("/dev/null").open("r+", encoding="utf-8")  # noqa: SIM115  closed with the process
    build("en", Around(Streams(nobody, nobody, nobody)))
    groups = {"lab": lab_app, "story": story_app}
    nested = {f"{noun} {one.name}" for noun, group in groups.items() for one in group.registered_commands}
    return {f"{one.noun} {one.name}" for one in VERBS} | nested | {*OTHERS, *NOUNS}


@pytest.mark.parametrize("page", markdown(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_in_a_page_exists(page: Path) -> None:
    code = re.findall(r"```.*?```|`[^`\n]+`", page.read_text("utf-8"), re.S)
    used = {found for text in code for found in re.findall(r"\bshuishan ([a-z]+(?: [a-z]+)?)", text)}
    known = commands()
    nouns = {*NOUNS, "lab", "story"}
    wrong = {
        words for words in used if words not in known and (words.split()[0] in nouns or " " not in words)
    }
    assert not wrong


# What an operator reads in the program and then looks up in the guide.
WORDS_OF_THE_PROGRAM = [
    *(f"front.plan.{state.value}" for state in PlanState),
    *(f"front.tier.{tier.value}" for tier in CareTier),
    *("front.verdict.held", "front.verdict.broken", "front.verdict.unknown"),
    *("front.host.is_cordoned", "front.column.takes_vms", "front.column.healthy", "front.column.serving"),
    *("front.state.silent", "page.room.prove", "page.evidence", "page.against", "page.would_help"),
]


@pytest.mark.parametrize("message", WORDS_OF_THE_PROGRAM)
def test_the_chinese_guide_says_the_words_of_the_program(message: str) -> None:
    pages = "".join(page.read_text("utf-8") for page in GUIDE.glob("*.zh-CN.md"))
    word, _, _ = say(message).zh.partition("，")
    assert word in pages


@pytest.mark.parametrize("guide", [GUIDE / "README.md", GUIDE / "README.zh-CN.md"], ids=language)
def test_the_example_of_a_plan_is_what_the_program_prints(guide: Path) -> None:
    transcript = (GOLDEN / language(guide) / "plan_show_7f3c1a90be.txt").read_text("utf-8")
    printed, _, _ = transcript.partition("\n--- stderr")
    assert f"```\n{printed}\n```" in guide.read_text("utf-8")
