"""A broken catalogue file is refused with its name and the rule it breaks."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from shuishan.catalog.loader import Condition, Issue, knowledge, load
from shuishan.model.errors import BadInput

ENTRY = {
    "id": "disk.test",
    "title": {"en": "x", "zh": "甲"},
    "category": "disk",
    "component": "disk",
    "severity": "warning",
    "examples": ["a b c"],
    "advice": {"en": "x", "zh": "甲"},
    "sources": ["none"],
}


def written(folder: Path, *entries: object) -> Path:
    (folder / "test.yaml").write_text(yaml.safe_dump(list(entries), allow_unicode=True))
    return folder


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": "no-dot"}, "pattern"),
        ({"title": {"en": "only one language"}}, "zh"),
        ({"examples": []}, "no example"),
        ({"sources": []}, "sources"),
        ({"predicts": True}, "names no horizon"),
        ({"component": "flux_capacitor"}, "flux_capacitor"),
        ({"consequence_of": ["disk.unheard_of"]}, "unheard_of"),
        ({"limits": [{"when": [{"fact": "smart.colour", "above": 1}], "probability": 0.9}]}, "smart.colour"),
        ({"when": "now"}, "when"),
    ],
)
def test_a_broken_entry_is_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    with pytest.raises((BadInput, KeyError), match=said):
        load(written(tmp_path, ENTRY | change))


def test_two_entries_of_one_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="defined twice"):
        load(written(tmp_path, ENTRY, ENTRY))


@pytest.mark.parametrize("text", ["a: [", "just words", "1"])
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.yaml").write_text(text)
    with pytest.raises(BadInput, match=r"broken\.yaml"):
        load(tmp_path)


def test_a_condition_compares_once() -> None:
    with pytest.raises(ValidationError, match="exactly one comparison"):
        Condition(fact="mce.count", above=1, below=2)


def test_an_unknown_issue_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        knowledge().issue("disk.unheard_of")


@pytest.mark.parametrize("issue", knowledge().issues, ids=lambda issue: issue.id)
def test_every_issue_is_told_in_both_languages(issue: Issue) -> None:
    for text in (issue.title, issue.advice):
        assert text.en.isascii() or "“" in text.en
        assert any("\u4e00" <= letter <= "\u9fff" for letter in text.zh)
