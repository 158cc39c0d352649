"""The client: the same words and the same errors on both sides, and a way out when nobody answers."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.unit.front import factory
from tests.unit.front.house import StrangeError, ValueHouse
from tests.unit.front.web import InProcess

from shuishan.front.api.client import Client
from shuishan.front.api.refusals import TooNarrow
from shuishan.model.errors import (
    BadInput,
    Conflict,
    EngineRefused,
    NoRoom,
    NotAllowed,
    NotFound,
    PremiseBroken,
    ShuishanError,
    Silent,
)

ERRORS = (
    BadInput,
    Conflict,
    EngineRefused,
    NoRoom,
    NotAllowed,
    NotFound,
    PremiseBroken,
    Silent,
    StrangeError,
)


def client(house: ValueHouse, secret: str = "admin-secret") -> Client:
    return Client("http://house", secret, transport=InProcess(house))


def test_every_route_gives_the_words_the_house_gave() -> None:
    with client(ValueHouse()) as api:
        assert api.health()["status"] == "ok"
        assert api.site() == factory.site()
        assert api.hosts() == list(factory.hosts())
        assert api.host("h1") == factory.hosts()[0]
        assert api.systems() == [factory.system_status()]
        assert api.system("his") == factory.system_status()
        assert api.diagnosis() == factory.diagnosis()
        assert api.findings() == [factory.finding()]
        assert api.finding(factory.finding().id) == factory.finding()
        assert [one.plan.id for one in api.plans(2)] == ["aa11bb22cc", "7f3c1a90be"]
        assert api.plan("7f3c1a90be") == factory.plan_status()
        assert api.timeline(after=10) == list(factory.timeline()[10:])
        assert api.report() == factory.report()
        assert api.audit() == []
        assert [one.id for one in api.tokens()] == ["read", "operate", "admin"]


def test_every_deed_reaches_the_house() -> None:
    house = ValueHouse()
    with client(house) as api:
        assert api.cordon("h2").cordoned is True
        assert api.uncordon("h2").cordoned is False
        api.repaired("h1", "nvme0")
        assert api.drain("h2").plan.id == "aa11bb22cc"
        api.apply_system(factory.system_spec())
        api.remove_system("his")
        api.refuse("aa11bb22cc")
        assert api.create_token("monitor", "read", 3600).secret == "shs_example"
        assert api.revoke_token("read").revoked is True
    assert [call[0] for call in house.calls] == [
        "cordon", "uncordon", "repaired", "drain", "apply_system",
        "remove_system", "refused", "create_token", "revoke_token",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ERRORS)
def test_errors_come_back_as_what_they_were(kind: type[ShuishanError]) -> None:
    house = ValueHouse()
    house.breaks = kind("the reason", subject="host/h1", detail="private")
    with client(house) as api, pytest.raises(ShuishanError) as caught:
        api.site()
    assert type(caught.value) is kind
    assert (caught.value.message, caught.value.subject) == ("the reason", "host/h1")
    assert caught.value.detail == ""


def test_a_code_this_version_does_not_know_is_still_our_error() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        told = {"code": "of.tomorrow", "message": "new reason", "subject": "x", "retry": "never"}
        return httpx.Response(418, json={"error": told})

    with answering(answer) as api, pytest.raises(ShuishanError, match="new reason") as caught:
        api.site()
    assert type(caught.value) is ShuishanError


def test_wrong_token_and_narrow_token_differ() -> None:
    with client(ValueHouse(), "wrong") as api, pytest.raises(NotAllowed):
        api.site()
    with client(ValueHouse(), "") as api, pytest.raises(NotAllowed, match="no token was sent"):
        api.site()
    with client(ValueHouse(), "read-secret") as api, pytest.raises(TooNarrow, match="this needs operate"):
        api.cordon("h1")


def test_names_cannot_leave_their_place_in_the_path() -> None:
    house = ValueHouse()
    with client(house) as api, pytest.raises(NotFound):
        api.cordon("../hosts/h1")
    assert house.calls == []


def answering(answer: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client("https://house", "secret", transport=httpx.MockTransport(answer))


def raising(error: Exception) -> Client:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    return answering(answer)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (httpx.ConnectError("refused"), Silent, "start it: shuishan server"),
        (httpx.ReadTimeout("slow"), Silent, "no answer within 30 s"),
        (httpx.RemoteProtocolError("cut"), Silent, "no server answers"),
        (httpx.ConnectError("CERTIFICATE_VERIFY_FAILED: self-signed"), BadInput, "--ca-file"),
    ],
)
def test_no_answer_names_the_way_out(error: Exception, kind: type[ShuishanError], words: str) -> None:
    with raising(error) as api, pytest.raises(kind, match=words):
        api.site()
    with raising(error) as api, pytest.raises(kind, match=words):
        list(api.timeline_stream())


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(502, text="<html>proxy</html>"),
        httpx.Response(500, json={"detail": "x"}),
        httpx.Response(500, json=["x"]),
    ],
)
def test_somebody_else_answering_is_silence(answer: httpx.Response) -> None:
    with answering(lambda _: answer) as api, pytest.raises(Silent, match="not as Shuishan does"):
        api.site()


def test_an_answer_of_another_shape_asks_for_one_version() -> None:
    with (
        answering(lambda _: httpx.Response(200, json={"a": 1})) as api,
        pytest.raises(BadInput, match="version"),
    ):
        api.site()


def test_the_stream_gives_entries() -> None:
    lines = "".join(
        f"id: {entry.seq}\ndata: {entry.model_dump_json()}\n\n" for entry in factory.timeline()[:3]
    )
    with answering(lambda _: httpx.Response(200, text=f": still here\n\n{lines}")) as api:
        assert list(api.timeline_stream()) == list(factory.timeline()[:3])


def test_a_ca_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot read the CA file"):
        Client("https://house", "secret", tmp_path / "ca.pem")
    (tmp_path / "ca.pem").write_text("not a certificate")
    with pytest.raises(BadInput, match="cannot read the CA file"):
        Client("https://house", "secret", tmp_path / "ca.pem")
