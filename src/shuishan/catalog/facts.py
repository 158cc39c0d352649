"""The fact registry: which names a reading may carry, in which unit, meaning what."""

from functools import cache
from pathlib import Path

import yaml
from pydantic import TypeAdapter

from shuishan.model.word import Word

_FILE = Path(__file__).with_name("facts.yaml")


class Fact(Word):
    """One kind of measured fact. unit: "1" a count, "flag" 0/1, "bits" a mask, "text" words.

    counter: nobody can set it back, so a repair leaves it as it is
    """

    unit: str
    meaning: str
    counter: bool = False


@cache
def facts() -> dict[str, Fact]:
    """All facts by name; a name that ends in ``*`` stands for a family."""
    return TypeAdapter(dict[str, Fact]).validate_python(yaml.safe_load(_FILE.read_text("utf-8")))


def fact(name: str) -> Fact:
    """What `name` means. Raises KeyError when the registry does not know it."""
    known = facts()
    if name in known:
        return known[name]
    for family, meaning in known.items():
        if family.endswith("*") and name.startswith(family[:-1]):
            return meaning
    raise KeyError(f"fact {name} is not in the registry")


def is_counter(name: str) -> bool:
    """Does this fact only grow? False for a name the registry does not know."""
    try:
        return fact(name).counter
    except KeyError:
        return False
