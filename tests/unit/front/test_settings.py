"""Where the client finds its server, and what it says when it does not."""

from pathlib import Path

import pytest

from shuishan.front.cli.settings import ClientSettings, find_settings
from shuishan.model.errors import BadInput, NotFound


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def test_flags_then_environment_then_the_first_file(tmp_path: Path) -> None:
    first = write(tmp_path / "a.yaml", "url: https://file\ntoken_file: /file/token\nca_file: /file/ca\n")
    second = write(tmp_path / "b.yaml", "url: https://second\n")
    found = find_settings(
        {"url": "https://flag", "token_file": None, "ca_file": None},
        {"SHUISHAN_URL": "https://environment", "SHUISHAN_TOKEN_FILE": "/environment/token"},
        [tmp_path / "missing.yaml", first, second],
    )
    assert found == ClientSettings(
        url="https://flag", token_file=Path("/environment/token"), ca_file=Path("/file/ca")
    )


def test_no_server_known_names_the_ways_out() -> None:
    with pytest.raises(NotFound, match=r"--url.*SHUISHAN_URL.*shuishan lab up"):
        find_settings({}, {}, [])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("url: [", "cannot be read"),
        ("adress: https://x\n", "url: Field required"),
        ("- a\n", "document: "),
        ("", "document: "),
        ("url: https://x\npassword: y\n", "password: "),
    ],
)
def test_a_bad_file_is_named_with_its_field(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path / "client.yaml", text)
    with pytest.raises(BadInput) as caught:
        find_settings({}, {}, [path])
    assert str(path) in caught.value.message
    assert words in caught.value.message


def test_the_token_is_read_when_it_is_used(tmp_path: Path) -> None:
    path = write(tmp_path / "token", "shs_secret\n")
    assert ClientSettings(url="https://x", token_file=path).token() == "shs_secret"
    assert ClientSettings(url="https://x").token() == ""
    with pytest.raises(NotFound, match="shuishan token create"):
        ClientSettings(url="https://x", token_file=tmp_path / "none").token()
    with pytest.raises(BadInput, match="cannot be read"):
        ClientSettings(url="https://x", token_file=tmp_path).token()
