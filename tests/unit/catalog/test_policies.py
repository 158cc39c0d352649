from pathlib import Path

import pytest

from shuishan.catalog.policies import default_policy, load_policy, parse_policy
from shuishan.model.errors import BadInput, NotFound

WHY = "why: {en: x, zh: x}"
TITLE = "id: p\ntitle: {en: x, zh: x}\n"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("a: [", "p.yaml is not YAML"),
        ("", "p.yaml: the file: Input should be a valid dictionary"),
        (TITLE + "rules: []", "p.yaml: rules: Tuple should have at least 1 item"),
        (TITLE + f"rules: [{{id: a, then: flee, {WHY}}}]", "rules.0.then: Input should be 'evacuate'"),
        (TITLE + f"rules: [{{id: a, then: hold, min_probability: 7, {WHY}}}]", "rules.0.min_probability"),
        (TITLE + f"rules: [{{id: a, then: hold, sure: 1, {WHY}}}]", "rules.0.sure: Extra inputs"),
        (
            TITLE + f"rules: [{{id: a, then: hold, {WHY}}}, {{id: a, then: hold, {WHY}}}]",
            "rule a is defined twice",
        ),
        (
            TITLE + f"rules: [{{id: a, when: {{predicted: true}}, then: hold, {WHY}}}]",
            "end with one that matches every finding",
        ),
    ],
)
def test_a_wrong_policy_is_refused_with_its_place(raw: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_policy(raw, name="p.yaml")
    assert message in caught.value.message
    assert caught.value.subject == "policy/p"


def test_a_missing_or_binary_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no policy file"):
        load_policy(tmp_path / "none.yaml")
    (tmp_path / "garbage.yaml").write_bytes(b"\xff\xfe\x00\x9c")
    with pytest.raises(BadInput, match="not UTF-8"):
        load_policy(tmp_path / "garbage.yaml")


def test_the_default_policy_asks_in_both_languages() -> None:
    policy = default_policy()
    for part in policy.parts:
        for text in (part.order.en, part.order.zh):
            assert "{title}" in text
            assert "{where}" in text
    assert any("一" <= letter <= "鿿" for letter in policy.title.zh)
