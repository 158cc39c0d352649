"""The checked-in OpenAPI document is the one the code makes; a change of it is reviewed like code."""

from pathlib import Path

from shuishan.front.api.openapi import openapi_document

CHECKED_IN = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_the_checked_in_document_is_current() -> None:
    assert CHECKED_IN.read_text("utf-8") == openapi_document(), (
        "docs/openapi.json is not current: python -m shuishan.front.api.openapi > docs/openapi.json"
    )
