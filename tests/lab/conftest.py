"""The session's lab, beside any lab that this machine already runs: other names, other subnet."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest_asyncio

from shuishan.lab.layout import LabLayout
from shuishan.lab.site import Lab

# Not below a temporary folder: VM disks are opened with O_DIRECT, which a tmpfs refuses.
LAB = LabLayout(root=Path("/srv/shuishan/lab-tests/lab"), prefix="shq", subnet="10.78.1")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lab() -> AsyncGenerator[Lab, None]:
    """A whole lab, up; the image cache is shared with the operator's own lab."""
    lab = Lab(LAB)
    await lab.down()
    await lab.up(lambda text: print(text.en))
    yield lab
    await lab.down()
