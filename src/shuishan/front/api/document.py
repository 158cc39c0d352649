"""The one way a value becomes JSON, for the API and for `--json`, so that both are equal byte by byte."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from shuishan.model.word import Word


def document(value: Word | Sequence[Word]) -> bytes:
    """UTF-8 JSON of a word or a list of words, with a newline at its end."""
    if isinstance(value, Word):
        return _adapter(type(value)).dump_json(value) + b"\n"
    items = (_adapter(type(item)).dump_json(item) for item in value)
    return b"[" + b",".join(items) + b"]\n"


@cache
def _adapter(kind: type[Word]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
