"""Writes the OpenAPI document: `python -m shuishan.front.api.openapi > docs/openapi.json`."""

import json
import sys
from typing import cast

from shuishan.front.api.app import make_app
from shuishan.front.api.door import HouseDoor


def openapi_document() -> str:
    """The document as it is checked in: sorted and indented, so that a change reads well in review."""
    # Only the routes are asked; no request will ever reach a house.
    app = make_app(cast(HouseDoor, object()))
    return json.dumps(app.openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(openapi_document())
