"""Which component a line speaks of: names found by the kind's own patterns, brought to one spelling."""

import re
from dataclasses import dataclass

_SHORT_BDF = re.compile(r"^[0-9a-f]{2}:[0-9a-f]{2}\.\d$")


@dataclass(frozen=True, slots=True)
class Namer:
    """Finds component names. patterns: by kind, the first that matches is the best name."""

    patterns: dict[str, tuple[re.Pattern[str], ...]]

    def names(self, kind: str, text: str) -> tuple[str, ...]:
        """All names of the component in `text`, the best first; empty when it names none."""
        found: list[str] = []
        for pattern in self.patterns.get(kind, ()):
            match = pattern.search(text)
            if match is None:
                continue
            name = spelled(kind, match.group("c"))
            if name and name not in found:
                found.append(name)
        return tuple(found)


def namer(kinds: dict[str, tuple[str, ...]]) -> Namer:
    """A namer for the kinds of components.yaml. Raises re.error when a pattern is broken."""
    return Namer({kind: tuple(re.compile(p, re.MULTILINE) for p in found) for kind, found in kinds.items()})


def spelled(kind: str, name: str) -> str:
    """One spelling for one component."""
    name = name.strip().strip("\"'")
    if _SHORT_BDF.match(name):
        return f"0000:{name}"
    if kind == "cpu" and name.isalnum():
        return f"cpu{int(name, 10)}" if name.isdigit() else f"cpu{name}"
    if kind == "sensor":
        return name.removesuffix(" Status")
    if kind == "gpu":
        return name.removesuffix(".0")
    if kind == "array" and ":" in name:
        return name.rsplit(":", 1)[-1]
    return name
