"""Pages point at things that exist: links at files and headings, tours at functions."""

import ast
import re
from pathlib import Path

import pytest
from tests.unit.docs.told import DOCS, ROOT, headings, markdown

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_POINTER = re.compile(r"`([\w/-]+\.(?:py|yaml))(?::([\w.]+))?`")
PAGES = markdown()
TOURS = sorted((DOCS / "tours").glob("*.md"))


def broken(page: Path, link: str) -> bool:
    if re.match(r"[a-z]+:", link):
        return False  # elsewhere; tests use no network
    place, _, anchor = link.partition("#")
    target = (page.parent / place).resolve() if place else page
    return not target.exists() or bool(anchor and target.suffix == ".md" and anchor not in headings(target))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
    assert [link for link in _LINK.findall(text) if broken(page, link)] == []


@pytest.mark.parametrize(
    ("link", "wrong"), [("no-such.md", True), ("#no-such", True), ("README.md#tokens", False)]
)
def test_a_broken_link_is_seen(link: str, wrong: bool) -> None:
    assert broken(DOCS / "guide" / "lab.md", link) is wrong


def resolved(pointer: str, symbol: str) -> bool:
    """Is there such a file, and such a function, class or method in it? Places are below src/shuishan."""
    path = next((base / pointer for base in (ROOT / "src/shuishan", ROOT) if (base / pointer).exists()), None)
    if path is None:
        return False
    node: ast.AST = ast.parse(path.read_text("utf-8")) if symbol else ast.Module([], [])
    for name in symbol.split(".") if symbol else ():
        named = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        found = [one for one in ast.iter_child_nodes(node) if isinstance(one, named) and one.name == name]
        if not found:
            return False
        node = found[0]
    return True


@pytest.mark.parametrize("tour", TOURS, ids=lambda tour: tour.name)
def test_every_pointer_of_a_tour_exists(tour: Path) -> None:
    pointers = _POINTER.findall(tour.read_text("utf-8"))
    assert len(pointers) > 20
    assert [f"{place}:{symbol}" for place, symbol in pointers if not resolved(place, symbol)] == []


@pytest.mark.parametrize(
    ("place", "symbol", "there"),
    [("app/loop.py", "Loop.turn", True), ("app/loop.py", "Loop.spin", False), ("app/lop.py", "", False)],
)
def test_a_wrong_pointer_is_seen(place: str, symbol: str, there: bool) -> None:
    assert resolved(place, symbol) is there


def test_every_design_note_is_in_the_index() -> None:
    index = (DOCS / "notes" / "README.md").read_text("utf-8")
    notes = sorted(path.name for path in (DOCS / "notes").glob("[0-9]*.md"))
    assert sorted(re.findall(r"\]\((\d{4}-[^)]+)\)", index)) == notes


@pytest.mark.parametrize("page", [p for p in PAGES if p.name.endswith(".zh-CN.md")], ids=lambda p: p.name)
def test_a_chinese_page_has_the_sections_of_its_english_twin(page: Path) -> None:
    twin = page.with_name(page.name.replace(".zh-CN", ""))
    levels = [
        re.findall(r"^(#+) ", re.sub(r"```.*?```", "", p.read_text("utf-8"), flags=re.S), re.M)
        for p in (page, twin)
    ]
    assert levels[0] == levels[1]
