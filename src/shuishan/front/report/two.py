"""Both languages side by side in one page; the reader's choice hides one of them."""

from markupsafe import Markup, escape

from shuishan.catalog.messages import say
from shuishan.model.word import Text


def both(text: Text) -> Markup:
    """A sentence in both languages, escaped; one span where they are the same."""
    if text.en == text.zh:
        return escape(text.en)
    return Markup('<span class="en" lang="en">{}</span><span class="zh" lang="zh-CN">{}</span>').format(
        text.en, text.zh
    )


def told(message_id: str, **params: object) -> Markup:
    """A message of the catalogue in both languages."""
    return both(say(message_id, **params))


def svg_both(text: Text, *, x: float, y: float, style: str, anchor: str = "start") -> Markup:
    """The same inside a drawing."""
    one = Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
    if text.en == text.zh:
        return one.format(style, x, y, anchor, text.en)
    return one.format(f"{style} en", x, y, anchor, text.en) + one.format(f"{style} zh", x, y, anchor, text.zh)


def relative(seconds: float) -> str:
    """Seconds from the first sign as people read them: ``+1.4 s``, ``−0.8 s``, ``+3 min 05 s``."""
    sign = "−" if round(seconds, 1) < 0 else "+"
    length = abs(seconds)
    if length < 120:
        return f"{sign}{length:.1f} s"
    if length < 7200:
        return f"{sign}{length // 60:.0f} min {length % 60:02.0f} s"
    return f"{sign}{length // 3600:.0f} h {length % 3600 // 60:02.0f} min"


def length(seconds: float) -> str:
    """A duration without its sign."""
    return relative(seconds)[1:]


def milliseconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f} ms" if value < 10_000 else f"{value / 1000:.1f} s"
