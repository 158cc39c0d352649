"""Every sentence an operator reads: in both languages, with the same fields, and really used."""

import ast
import re
from pathlib import Path

import pytest

from shuishan.catalog.messages import fields, messages, say
from shuishan.model.word import Text

SOURCE = Path(__file__).parents[3] / "src" / "shuishan"
CATALOGUE = SOURCE / "catalog" / "messages"
CHINESE = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")  # characters, or punctuation of its own
# Names and units that Chinese readers write as they are.
SAME_IN_BOTH = re.compile(r"^[A-Za-z0-9 {}().,:;/%+·→×–_-]*$")


def said_ids() -> dict[str, str]:
    """Ids given to `say` and its kin as literals: id -> file and line."""
    found: dict[str, str] = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0]
            if name == "say" and isinstance(first, ast.Constant) and isinstance(first.value, str):
                found[first.value] = f"{path.relative_to(SOURCE)}:{node.lineno}"
    return found


def mentioned() -> set[str]:
    """Every dotted word in code, templates and other catalogues; what stands before a field ends in a dot."""
    found: set[str] = set()
    for path in SOURCE.rglob("*"):
        if path.suffix in {".py", ".j2"} or (path.suffix == ".yaml" and path.parent != CATALOGUE):
            text = path.read_text("utf-8")
            found.update(re.findall(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+", text))
            found.update(re.findall(r"f\"([a-z0-9_.]+\.)\{", text))
    return found


def is_mentioned(message_id: str, words: set[str]) -> bool:
    """Named whole, or by the part before a field: ``f"story.title.{name}"``."""
    if message_id in words:
        return True
    parts = message_id.split(".")
    return any(".".join(parts[:count]) + "." in words for count in range(1, len(parts)))


@pytest.mark.parametrize("message_id", sorted(messages()))
def test_both_languages_have_the_same_fields(message_id: str) -> None:
    template = messages()[message_id]
    # A field that is itself a sentence comes in both languages: title_en here, title_zh there.
    assert {re.sub("_en$", "_*", name) for name in fields(template.en)} == {
        re.sub("_zh$", "_*", name) for name in fields(template.zh)
    }


@pytest.mark.parametrize("message_id", sorted(messages()))
def test_the_chinese_is_chinese(message_id: str) -> None:
    template = messages()[message_id]
    without_fields = re.sub(r"{[^}]*}", "", template.zh)
    if template.en == template.zh:
        assert SAME_IN_BOTH.match(template.zh), "the same in both languages, and not only a name"
    else:
        assert CHINESE.search(without_fields)
    assert not CHINESE.search(template.en)


@pytest.mark.parametrize(("message_id", "place"), sorted(said_ids().items()))
def test_every_sentence_said_exists(message_id: str, place: str) -> None:
    assert message_id in messages(), f"{place} says {message_id}"


def test_no_sentence_is_left_over() -> None:
    words = mentioned()
    assert [message_id for message_id in messages() if not is_mentioned(message_id, words)] == []


def test_a_missing_field_is_a_loud_bug() -> None:
    with pytest.raises(KeyError):
        say("front.plan.later")
    with pytest.raises(KeyError):
        say("front.no.such.sentence")


def test_filling_works_in_both_languages() -> None:
    assert say("front.plan.later", id="7f3c") == Text(
        en="Apply later: shuishan plan apply 7f3c", zh="以后执行：shuishan plan apply 7f3c"
    )
