"""Reading of JSON that other programs wrote: nothing is taken for granted, nothing raises."""

import json
from typing import Any, cast

JsonObject = dict[str, Any]


def as_object(value: object) -> JsonObject:
    """`value` if it is a JSON object, else an empty one."""
    return cast(JsonObject, value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """`value` if it is a JSON array, else an empty one."""
    return cast(list[object], value) if isinstance(value, list) else []


def as_number(value: object) -> float | None:
    """A finite JSON number as float; None for anything else (a boolean is not a number)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if abs(number) < float("inf") else None


def as_text(value: object) -> str | None:
    """A non-empty JSON string; None for anything else. Lone surrogates, legal in JSON, are replaced."""
    if not isinstance(value, str) or not value:
        return None
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def parse_object(text: str) -> JsonObject | None:
    """The JSON object that `text` is, or None."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast(JsonObject, value) if isinstance(value, dict) else None


def parse_objects(text: str) -> tuple[list[JsonObject], str]:
    """All JSON objects that follow one another in `text`, and the first text that is none of them.

    The second part is "" when all was understood; programs that die leave a cut object there.
    """
    decoder = json.JSONDecoder()
    found: list[JsonObject] = []
    position = 0
    while True:
        while position < len(text) and text[position].isspace():
            position += 1
        if position >= len(text):
            return found, ""
        try:
            value: object
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return found, text[position:]
        if isinstance(value, dict):
            found.append(cast(JsonObject, value))
