"""shuishan timeline …"""

from collections import deque
from typing import Annotated

from typer import Option

from shuishan.front.api.client import Client
from shuishan.front.cli.out import Out
from shuishan.front.cli.told import clock_time
from shuishan.front.cli.verbs import verb
from shuishan.model.timeline import Entry, Room

PAGE = 1000
_ROOMS = {
    Room.LAB: "front.room.lab",
    Room.SENSE: "front.room.sense",
    Room.DIAGNOSE: "front.room.diagnose",
    Room.DECIDE: "front.room.decide",
    Room.ACT: "front.room.act",
    Room.PROVE: "front.room.prove",
    Room.PEOPLE: "front.room.people",
}


@verb("timeline", "show", help="front.help.timeline.show")
def show(
    api: Client,
    out: Out,
    after: Annotated[int, Option("--after", min=0, help="front.option.after")] = 0,
    limit: Annotated[int, Option("--limit", min=1, max=10_000, help="front.option.last")] = 200,
    follow: Annotated[bool, Option("--follow", "-f", help="front.option.follow")] = False,
) -> None:
    newest = deque[Entry](maxlen=limit)
    while page := api.timeline(after, PAGE):
        newest.extend(page)
        after = page[-1].seq
    if not follow:
        out.answer(list(newest), [_line(out, entry) for entry in newest])
        return
    for entry in newest:
        out.answer(entry, [_line(out, entry)])
    while True:
        # Each stream has an end of its own; the next one goes on after the last entry seen.
        for entry in api.timeline_stream(after):
            out.answer(entry, [_line(out, entry)])
            after = entry.seq


def _line(out: Out, entry: Entry) -> str:
    return f"{clock_time(entry.at_s)}  {out.word(_ROOMS[entry.room])}  {out.tell(entry.text)}"
