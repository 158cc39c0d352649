"""The registration desk's own HTTP: what comes off the wire, and what it makes of it."""

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parents[3] / "src/shuishan/lab/guest/hospital/registration.py"


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The program as a module; the database library that only the guest has is replaced."""
    library = types.ModuleType("psycopg2")
    library.Error = type("Error", (Exception,), {})  # type: ignore[attr-defined]  # made up on the spot
    monkeypatch.setitem(sys.modules, "psycopg2", library)
    monkeypatch.setitem(sys.modules, "psycopg2.extensions", types.ModuleType("psycopg2.extensions"))
    spec = importlib.util.spec_from_file_location("registration", SOURCE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Answers:
    """A database that gives one row, or one error."""

    def __init__(self, row: tuple[Any, ...] | None = None, error: Exception | None = None) -> None:
        self.row, self.error = row, error

    def ask(self, _statement: str, _values: tuple[Any, ...] = ()) -> tuple[Any, ...] | None:
        if self.error:
            raise self.error
        return self.row


@pytest.mark.parametrize(
    "wire",
    [
        b"GET /health\r\n\r\n",
        b"GET /health HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"GET /health HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /registrations HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
        b"x" * 20_000,
    ],
)
def test_refuses_what_is_no_request(desk: Any, wire: bytes) -> None:
    with pytest.raises(desk.BadRequest):
        desk.take_request(bytearray(wire))


def test_waits_for_the_rest_and_leaves_the_next_request(desk: Any) -> None:
    whole = b"POST /registrations HTTP/1.1\r\nContent-Length: 4\r\n\r\nbodyGET /health HTTP/1.1\r\n\r\n"
    received = bytearray()
    last = whole.index(b"GET") - 1
    for byte in whole[:last]:
        received.append(byte)
        assert desk.take_request(received) is None
    received += whole[last:]
    assert desk.take_request(received) == ("POST", "/registrations", b"body", True)
    assert desk.take_request(received) == ("GET", "/health", b"", True)
    assert not received


def test_closes_when_asked(desk: Any) -> None:
    received = bytearray(b"GET / HTTP/1.1\r\nConnection: Close\r\n\r\n")
    assert desk.take_request(received) == ("GET", "/", b"", False)


def test_says_503_while_the_database_is_away(desk: Any) -> None:
    away = Answers(error=desk.psycopg2.Error("no answer within 2.0 s"))
    for method, path in (("GET", "/health"), ("POST", "/registrations"), ("GET", "/registrations/count")):
        body = b'{"patient": "P-1", "department": "surgery"}'
        assert desk.answer(away, method, path, body)[0] == 503


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"patient": "P-1"}', b"\xff"])
def test_refuses_a_form_with_gaps(desk: Any, body: bytes) -> None:
    assert desk.answer(Answers(), "POST", "/registrations", body)[0] == 400


@pytest.mark.parametrize("number", ["", "x", "-1", "9" * 19, "7"])
def test_finds_no_registration(desk: Any, number: str) -> None:
    assert desk.answer(Answers(row=None), "GET", f"/registrations/{number}", b"")[0] == 404


def test_registers(desk: Any) -> None:
    stored = (7, "P-1", "surgery", "2026-01-02T03:04:05.000006Z")
    body = b'{"patient": "P-1", "department": "surgery"}'
    status, row = desk.answer(Answers(row=stored), "POST", "/registrations", body)
    assert (status, row["id"], row["patient"]) == (201, 7, "P-1")
    assert desk.response(status, row, True).startswith(b"HTTP/1.1 201 Created\r\n")
