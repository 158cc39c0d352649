"""Small pieces of sentences in both languages."""

from collections.abc import Sequence

from shuishan.model.word import Text

_UNITS = ((1024**4, "TiB"), (1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))


def size(amount_bytes: int) -> str:
    """`512 MiB`, `1.5 GiB`: exact where two decimals suffice, else in a smaller unit."""
    if amount_bytes == 0:
        return "0 MiB"
    for unit_bytes, name in _UNITS:
        if amount_bytes >= unit_bytes and amount_bytes * 100 % unit_bytes == 0:
            return f"{amount_bytes / unit_bytes:.2f}".rstrip("0").rstrip(".") + f" {name}"
    if abs(amount_bytes) >= 1024**2:
        return f"{amount_bytes / 1024**2:.1f} MiB"
    return f"{amount_bytes} bytes"


def names(items: Sequence[str], limit: int = 5) -> str:
    """`a, b, c`; beyond `limit` the rest is counted."""
    shown = ", ".join(items[:limit])
    return shown if len(items) <= limit else f"{shown} (+{len(items) - limit})"


def either(parts: Sequence[Text]) -> Text:
    """Alternatives as one sentence."""
    return Text(en="; or ".join(part.en for part in parts), zh="；或".join(part.zh for part in parts))


def fill(template: Text, **params: Text | str | int | float) -> Text:
    """`template` with its fields filled; a Text among `params` speaks in each language."""
    return Text(
        en=template.en.format(**{k: v.en if isinstance(v, Text) else v for k, v in params.items()}),
        zh=template.zh.format(**{k: v.zh if isinstance(v, Text) else v for k, v in params.items()}),
    )
