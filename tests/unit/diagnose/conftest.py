"""One engine for all tests of the room: making one is the slow part, and it keeps no state of a case."""

import pytest

from shuishan.catalog.loader import Knowledge, knowledge
from shuishan.diagnose.engine import Engine


@pytest.fixture(scope="session")
def taught() -> Knowledge:
    return knowledge()


@pytest.fixture(scope="session")
def engine(taught: Knowledge) -> Engine:
    return Engine(taught)
