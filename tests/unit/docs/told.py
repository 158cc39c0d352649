"""What the guides must say about a file's fields and the lab's faults, told by the code itself.

A table row whose field, default or bounds differ from the code fails its test, and the failure shows the
row as it should begin.
"""

import re
import types
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types as at
from pydantic import BaseModel, StringConstraints
from pydantic.fields import FieldInfo

from shuishan.lab.fault_kind import FaultKind

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
WORDS = {"en": ("required", "none"), "zh": ("必填", "无")}
_UNCHECKED = "–"


def language(guide: Path) -> str:
    return "zh" if guide.name.endswith(".zh-CN.md") else "en"


def fields(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every leaf of a file of this model, as `hosts[].name` or `compute.images.NAME.disk`."""
    for name, info in model.model_fields.items():
        inner, mark = _inner(info.annotation)
        if inner is None:
            yield above + name, info
        else:
            yield from fields(inner, f"{above}{name}{mark}.")


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """The model inside an annotation, and what its place is called."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    marks = {tuple: "[]", dict: ".NAME", Union: "", types.UnionType: ""}
    origin = get_origin(annotation)
    if origin in marks:
        for part in get_args(annotation):
            model, _ = _inner(part)
            if model is not None:
                return model, marks[origin]
    return None, ""


def row(name: str, info: FieldInfo, language: str) -> tuple[str, str, str]:
    """Field, default and bounds, as the first cells of its row must read."""
    return f"`{name}`", _default(info, language), _bounds(info)


def _default(info: FieldInfo, language: str) -> str:
    required, none = WORDS[language]
    if info.is_required():
        return required
    value = info.get_default(call_default_factory=True)
    if value is None or value == "" or value in ({}, ()):
        return none
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _bounds(info: FieldInfo) -> str:
    told = list(_told(info.metadata))
    kind = info.annotation
    if get_origin(kind) is Literal:
        told += [f"`{value}`" for value in get_args(kind)]
    elif isinstance(kind, type) and issubclass(kind, StrEnum):
        told += [f"`{value.value}`" for value in kind]
    elif get_origin(kind) is dict and get_origin(get_args(kind)[0]) is Literal:
        told += [f"`{value}`" for value in get_args(get_args(kind)[0])]
    return ", ".join(told) or _UNCHECKED


def _told(metadata: list[Any]) -> Iterator[str]:
    for one in metadata:
        match one:
            case at.Gt():
                yield f"> {one.gt}"
            case at.Ge():
                yield f"≥ {one.ge}"
            case at.Le():
                yield f"≤ {one.le}"
            case StringConstraints(pattern=pattern):
                yield f"`{pattern}`"
            case _:
                pattern = getattr(one, "pattern", None)
                if pattern is not None:
                    yield f"`{pattern}`"


def rows(guide: Path, cells: int) -> list[tuple[str, ...]]:
    """The first `cells` cells of every table row whose first cell is code."""
    lines = guide.read_text("utf-8").splitlines()
    table = [
        [cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines if line[:3] == "| `"
    ]
    return [tuple(row[:cells]) for row in table]


def fault_row(kind: FaultKind, language: str) -> tuple[str, str, str, str]:
    """Name, what breaks, where it shows, what can be chosen."""
    seen = ", ".join(dict.fromkeys(evidence.source.value for evidence in kind.evidence))
    params = ", ".join(f"`{name}={value}`" for name, value in kind.params.items()) or WORDS[language][1]
    return f"`{kind.name}`", kind.title.in_language(language), seen, params


def markdown() -> list[Path]:
    """Every page of the repository, without what builds and environments bring along."""
    away = {"build", "out", "node_modules"}
    return sorted(
        path
        for path in ROOT.rglob("*.md")
        if not any(part.startswith(".") or part in away for part in path.relative_to(ROOT).parts)
    )


def headings(page: Path) -> set[str]:
    """Anchors of a page, as code hosting sites make them from its headings."""
    found = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-") for text in found}
