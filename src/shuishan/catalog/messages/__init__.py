"""The one message catalogue: every sentence an operator reads, in English and Chinese.

Each yaml file here maps ``id: {en: template, zh: template}``; templates use ``str.format`` fields.
"""

from functools import cache
from pathlib import Path
from string import Formatter

import yaml
from pydantic import TypeAdapter

from shuishan.model.word import Text

_FOLDER = Path(__file__).parent
# The C loader where libyaml is there: every command line starts by reading this.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def say(message_id: str, **params: object) -> Text:
    """The sentence `message_id` in both languages, filled with `params`.

    A param that is itself a Text goes in by language.
    Raises KeyError when the id or one of its fields is missing: a bug, caught by the catalogue test.
    """
    template = messages()[message_id]
    english = {name: value.en if isinstance(value, Text) else value for name, value in params.items()}
    chinese = {name: value.zh if isinstance(value, Text) else value for name, value in params.items()}
    return Text(en=template.en.format(**english), zh=template.zh.format(**chinese))


@cache
def messages() -> dict[str, Text]:
    """All templates by id. Raises ValueError when two files define one id."""
    adapter = TypeAdapter(dict[str, Text])
    found: dict[str, Text] = {}
    for path in sorted(_FOLDER.glob("*.yaml")):
        for message_id, template in adapter.validate_python(
            yaml.load(path.read_text("utf-8"), Loader=_Loader) or {}
        ).items():
            if message_id in found:
                raise ValueError(f"{path.name}: message {message_id} is defined twice")
            found[message_id] = template
    return found


def fields(template: str) -> set[str]:
    """Names of the fields a template needs."""
    return {name for _, name, _, _ in Formatter().parse(template) if name}
