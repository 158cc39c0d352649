"""The stories the lab can play: each breaks something for real and checks what Shuishan makes of it."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shuishan.catalog.messages import say
from shuishan.lab.stories import evacuations, quiet
from shuishan.lab.stories.stage import Check, Stage, StoryResult, failure
from shuishan.model.errors import NotFound, ShuishanError
from shuishan.model.word import Text


@dataclass(frozen=True, slots=True)
class Story:
    name: str
    play: Callable[[Stage], Awaitable[None]]

    @property
    def title(self) -> Text:
        return say(f"story.title.{self.name}")


STORIES: dict[str, Story] = {
    story.name: story
    for story in (
        Story("nvme_spare", evacuations.nvme_spare),
        Story("dimm_errors", evacuations.dimm_errors),
        Story("pcie_errors", evacuations.pcie_errors),
        Story("harmless", quiet.harmless),
        Story("no_room", evacuations.no_room),
        Story("target_dies", evacuations.target_dies),
        Story("server_killed", evacuations.server_killed),
        Story("blind", quiet.blind),
        Story("bad_input", quiet.bad_input),
    )
}


def story(name: str) -> Story:
    """Raises NotFound, naming the stories there are."""
    if name not in STORIES:
        raise NotFound(f"no story {name}; there are: {', '.join(STORIES)}", subject=f"story/{name}")
    return STORIES[name]


async def play(chosen: Story, stage: Stage) -> StoryResult:
    """Play one story and clear the stage, whatever happened."""
    began = time.monotonic()
    stage.talk(say("story.begins", title=chosen.title))
    try:
        await chosen.play(stage)
    except ShuishanError as cause:
        stage.checks.append(failure(cause))
        stage.talk(stage.checks[-1].text)
    finally:
        await stage.clear()
    checks: tuple[Check, ...] = tuple(stage.checks)
    held = bool(checks) and all(check.held for check in checks)
    stage.talk(say("story.held" if held else "story.broken", title=chosen.title))
    return StoryResult(
        story=chosen.name,
        title=chosen.title,
        held=held,
        checks=checks,
        clerk=stage.clerk_summary,
        report=stage.report,
        took_s=time.monotonic() - began,
    )
