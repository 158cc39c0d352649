"""Every story of the lab, played on the operator's own lab: real engines, real kernel, real kills.

The same code that `./run STORY` plays; a story holds only if each of its checks held.
"""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from shuishan.front.api.client import Client
from shuishan.front.cli.settings import find_settings
from shuishan.front.cli.system_file import read_system_file
from shuishan.front.report.html import render_html
from shuishan.lab.control import client_path
from shuishan.lab.layout import LabLayout
from shuishan.lab.play import bring_up, deploy, take_down
from shuishan.lab.site import Lab
from shuishan.lab.stories import STORIES, play
from shuishan.lab.stories.stage import Stage
from shuishan.model.word import Text

pytestmark = [pytest.mark.lab, pytest.mark.asyncio(loop_scope="module")]

LAYOUT = LabLayout()
SYSTEM = Path(__file__).parents[2] / "systems" / "his.yaml"


def talk(text: Text) -> None:
    """Shown by pytest when a story does not hold."""
    print(text.en)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api() -> AsyncGenerator[Client, None]:
    """The API of a fresh lab that carries the hospital system."""
    await take_down(LAYOUT, talk)
    await bring_up(LAYOUT, talk)
    settings = find_settings({}, {}, [client_path(LAYOUT)])
    with Client(settings.url, settings.token(), settings.ca_file) as client:
        await deploy(client, read_system_file(SYSTEM), talk)
        yield client
    await take_down(LAYOUT, talk)


@pytest.mark.parametrize("name", list(STORIES))
async def test_story(api: Client, name: str) -> None:
    stage = Stage(lab=Lab(LAYOUT), api=api, system=read_system_file(SYSTEM), talk=talk)
    result = await play(STORIES[name], stage)
    broken = [check.text.en for check in result.checks if not check.held]
    assert result.held, broken
    if result.report is not None:
        assert result.title.en  # the story has a name in the report's language
        page = render_html(result.report, "zh")
        assert "http://" not in page.replace("http://www.w3.org/", "")
