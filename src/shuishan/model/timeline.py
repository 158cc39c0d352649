"""The one timeline: every room writes its entries here, operators read nothing else first."""

from enum import StrEnum

from pydantic import Field

from shuishan.model.word import Text, Word


class Room(StrEnum):
    LAB = "lab"  # what was broken on purpose
    SENSE = "sense"
    DIAGNOSE = "diagnose"
    DECIDE = "decide"
    ACT = "act"
    PROVE = "prove"
    PEOPLE = "people"


class Entry(Word):
    """One line of the timeline.

    seq:     position, given by the store; 0 before it is stored
    subject: what it is about, as ``kind/name``
    refs:    ids by which a reader finds more: finding, plan, step
    """

    seq: int = 0
    at_s: float
    room: Room
    subject: str
    text: Text
    refs: dict[str, str] = Field(default_factory=dict)
