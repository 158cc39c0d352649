"""A system file as an operator writes it: read with care, refused in one sentence with its line."""

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shuishan.model.errors import BadInput, NotFound
from shuishan.model.site import SystemSpec

SIZE_LIMIT_BYTES = 1024 * 1024


def read_system_file(path: Path) -> SystemSpec:
    """The system `path` declares.

    Raises NotFound or BadInput: ``FILE:LINE: FIELD: what is expected``.
    """
    text = _text(path)
    try:
        # Aliases let a small file unfold into gigabytes, and a system file needs none.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise _bad(path, None, "aliases (*name) are not read here; write the value out")
        tree = yaml.compose(text, yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as cause:
        mark = cause.problem_mark or cause.context_mark
        line = mark.line + 1 if mark else None
        raise _bad(path, line, f"not YAML: {cause.problem or cause.context}") from cause
    except yaml.YAMLError as cause:
        raise _bad(path, None, f"not YAML: {str(cause).splitlines()[0]}") from cause
    except RecursionError as cause:
        raise _bad(path, None, "nested too deeply") from cause
    if not isinstance(content, dict):
        raise _bad(path, None, "expected fields (name, title, care_tier, tolerance_s, vms, probe)")
    try:
        return SystemSpec.model_validate(content)
    except ValidationError as cause:
        fault = cause.errors(include_url=False)[0]
        field = ".".join(str(part) for part in fault["loc"])
        raise _bad(path, _line(tree, fault["loc"]), f"{field}: {_expected(fault)}") from cause


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(SIZE_LIMIT_BYTES + 1)
    except FileNotFoundError as cause:
        raise NotFound(f"{path} does not exist", subject=f"file/{path}") from cause
    except OSError as cause:
        raise BadInput(f"{path} cannot be read: {cause.strerror}", subject=f"file/{path}") from cause
    if len(raw) > SIZE_LIMIT_BYTES:
        raise _bad(path, None, f"larger than {SIZE_LIMIT_BYTES // 1024} KiB; is this a system file?")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise _bad(path, None, f"byte {cause.start} is not UTF-8 text; is this a system file?") from cause


def _bad(path: Path, line: int | None, reason: str) -> BadInput:
    place = f"{path}:{line}" if line else str(path)
    return BadInput(f"{place}: {reason}", subject=f"file/{path}")


def _expected(fault: ErrorDetails) -> str:
    """What is expected there, and what stands there instead, where that is short."""
    if fault["type"] == "missing":
        return "missing"
    if fault["type"] == "extra_forbidden":
        return "no such field"
    given = fault["input"]
    told = fault["msg"][:1].lower() + fault["msg"][1:]
    return f"{told}, not {given!r}" if isinstance(given, str | int | float) else told


def _line(node: yaml.Node | None, place: Sequence[str | int]) -> int | None:
    """Line of the field at `place`, or of the innermost thing around it that exists."""
    if node is None:
        return None
    line = node.start_mark.line + 1
    for part in place:
        inner: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == part:
                    line, inner = key.start_mark.line + 1, value
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            inner = node.value[part]
            line = node.value[part].start_mark.line + 1
        if inner is None:
            break
        node = inner
    return line
