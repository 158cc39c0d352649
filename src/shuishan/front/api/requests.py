"""Bodies that only the API reads."""

from typing import Literal

from pydantic import Field

from shuishan.front.api.door import Scope
from shuishan.model.site import Name
from shuishan.model.word import Text, Word

DAY_S = 86_400.0


class RepairedRequest(Word):
    """component: what was repaired, as a finding names it; null for the host as a whole."""

    component: str | None = Field(default=None, max_length=100)


class NoteRequest(Word):
    """A remark for the timeline. room: ``lab`` for what was broken on purpose, else ``people``."""

    room: Literal["lab", "people"] = "people"
    subject: str = Field(min_length=1, max_length=200)
    text: Text


class TokenRequest(Word):
    """lifetime_s: seconds until it expires; a minute to a year."""

    name: Name
    scope: Scope
    lifetime_s: float = Field(ge=60, le=366 * DAY_S, default=90 * DAY_S)
