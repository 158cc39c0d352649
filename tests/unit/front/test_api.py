"""The API at its own door: who may, what is refused and how it reads."""

from collections.abc import Iterator

import httpx
import pytest
from tests.unit.front import factory
from tests.unit.front.house import ValueHouse
from tests.unit.front.web import web_client

from shuishan.front.api.app import make_app
from shuishan.front.api.door import Scope
from shuishan.front.api.gate import BODY_LIMIT_BYTES, scope_needed
from shuishan.front.api.openapi import openapi_document
from shuishan.model.errors import BadInput, EngineRefused, NoRoom, ShuishanError

READ, OPERATE, ADMIN = ({"Authorization": f"Bearer {scope}-secret"} for scope in ("read", "operate", "admin"))


@pytest.fixture
def house() -> ValueHouse:
    return ValueHouse()


@pytest.fixture
def web(house: ValueHouse) -> Iterator[httpx.Client]:
    with web_client(house) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/healthz", None),
        ("POST", "/healthz", "admin"),
        ("GET", "/api/v1/hosts", "read"),
        ("GET", "/api/v1/report.html", "read"),
        ("POST", "/api/v1/hosts/h1/drain", "operate"),
        ("PUT", "/api/v1/systems/his", "operate"),
        ("POST", "/api/v1/plans/7f/agree", "operate"),
        ("GET", "/api/v1/tokens", "admin"),
        ("DELETE", "/api/v1/tokens/x", "admin"),
        ("GET", "/api/v1/audit", "admin"),
        ("POST", "/api/v1/something/new", "admin"),
        ("GET", "/elsewhere", "read"),
    ],
)
def test_scope_needed(method: str, path: str, scope: Scope | None) -> None:
    assert scope_needed(method, path) == scope


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic cmVhZA=="}]
)
@pytest.mark.parametrize("path", ["/api/v1/site", "/api/v1/openapi.json", "/nowhere"])
def test_nothing_is_shown_without_a_good_token(web: httpx.Client, path: str, headers: dict[str, str]) -> None:
    answer = web.get(path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["error"]["code"] == "access.denied"


def test_health_is_open(web: httpx.Client) -> None:
    assert web.get("/healthz").json() == {"status": "ok", "turn": 42}


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/api/v1/hosts/h2/cordon", READ),
        ("PUT", "/api/v1/systems/his", READ),
        ("DELETE", "/api/v1/systems/his", READ),
        ("POST", "/api/v1/plans/aa11bb22cc/agree", READ),
        ("GET", "/api/v1/tokens", OPERATE),
        ("GET", "/api/v1/audit", OPERATE),
        ("POST", "/api/v1/tokens", OPERATE),
    ],
)
def test_a_narrow_scope_reaches_no_further(
    web: httpx.Client, house: ValueHouse, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = web.request(method, path, headers=headers, json={})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "access.scope"
    assert house.calls == []


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/site",
        "/api/v1/hosts",
        "/api/v1/hosts/h1",
        "/api/v1/systems",
        "/api/v1/systems/his",
        "/api/v1/diagnosis",
        "/api/v1/findings",
        "/api/v1/findings/disk.nvme_spare_exhausted@h1/nvme0",
        "/api/v1/plans",
        "/api/v1/plans/7f3c1a90be",
        "/api/v1/timeline",
        "/api/v1/report",
    ],
)
def test_a_reader_reads(web: httpx.Client, path: str) -> None:
    answer = web.get(path, headers=READ)
    assert answer.status_code == 200
    assert answer.content.endswith(b"\n")
    assert answer.json()


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("/api/v1/hosts/h2/cordon", ("cordon", "h2", "operate-token")),
        ("/api/v1/hosts/h1/uncordon", ("uncordon", "h1", "operate-token")),
        ("/api/v1/hosts/h2/drain", ("drain", "h2", "operate-token")),
        ("/api/v1/plans/aa11bb22cc/agree", ("done", "aa11bb22cc", "operate-token")),
        ("/api/v1/plans/aa11bb22cc/refuse", ("refused", "aa11bb22cc", "operate-token")),
    ],
)
def test_deeds_carry_who_asked(
    web: httpx.Client, house: ValueHouse, path: str, call: tuple[str, ...]
) -> None:
    assert web.post(path, headers=OPERATE).status_code == 200
    assert house.calls == [call]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/v1/hosts/h9", (404, "not_found", "host/h9")),
        ("POST", "/api/v1/hosts/h9/drain", (404, "not_found", "host/h9")),
        ("GET", "/api/v1/findings/none", (404, "not_found", "finding/none")),
        ("GET", "/api/v1/nothing", (404, "not_found", "path")),
        ("DELETE", "/api/v1/hosts", (405, "input.method", "path/api/v1/hosts")),
        ("POST", "/api/v1/plans/7f3c1a90be/agree", (409, "conflict", "plan/7f3c1a90be")),
        ("GET", "/api/v1/plans?limit=0", (422, "input.bad", "field/limit")),
        ("GET", "/api/v1/plans?limit=201", (422, "input.bad", "field/limit")),
        ("GET", "/api/v1/timeline?limit=1001", (422, "input.bad", "field/limit")),
        ("GET", "/api/v1/timeline?after=-1", (422, "input.bad", "field/after")),
        ("GET", "/api/v1/timeline?after=x", (422, "input.bad", "field/after")),
        ("GET", "/api/v1/report.html?language=fr", (422, "input.bad", "field/language")),
    ],
)
def test_refusals(web: httpx.Client, method: str, path: str, expected: tuple[int, str, str]) -> None:
    answer = web.request(method, path, headers=ADMIN)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["subject"]) == expected
    assert set(error) == {"code", "message", "subject", "retry"}


def test_detail_never_leaves(web: httpx.Client) -> None:
    assert "secret inside" not in web.get("/api/v1/hosts/h9", headers=READ).text


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tolerance_s": -1}, "tolerance_s"),
        ({"surprise": 1}, "surprise"),
        ({"care_tier": "gold"}, "care_tier"),
        ({"name": "emr"}, "name"),
        ({"vms": []}, "vms"),
    ],
)
def test_a_malformed_system_names_the_field(
    web: httpx.Client, house: ValueHouse, change: dict[str, object], field: str
) -> None:
    body = factory.system_spec().model_dump(mode="json") | change
    answer = web.put("/api/v1/systems/his", headers=OPERATE, json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["subject"] == f"field/{field}"
    assert house.calls == []


def test_a_body_that_is_no_json_is_refused(web: httpx.Client) -> None:
    answer = web.put(
        "/api/v1/systems/his", headers=OPERATE | {"Content-Type": "application/json"}, content=b"{no"
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["subject"] == "field/body"


def test_a_large_body_is_refused_whether_it_declares_its_length_or_not(
    web: httpx.Client, house: ValueHouse
) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(BODY_LIMIT_BYTES // 65536 + 1):
            yield b"x" * 65536

    for content in (b"x" * (BODY_LIMIT_BYTES + 1), chunks()):
        answer = web.put("/api/v1/systems/his", headers=OPERATE, content=content)
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "input.too_large"
    assert house.calls == []


def test_a_good_system_is_applied(web: httpx.Client, house: ValueHouse) -> None:
    body = factory.system_spec().model_dump(mode="json")
    assert web.put("/api/v1/systems/his", headers=OPERATE, json=body).status_code == 200
    assert house.calls == [("apply_system", "his", "operate-token")]


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (NoRoom("cannot place his-db", subject="vm/his-db"), 507, "changed"),
        (EngineRefused("libvirt said no", subject="host/h1"), 502, "later"),
        (BadInput("bad", subject="x"), 422, "changed"),
        (ShuishanError("odd", subject="x"), 500, "never"),
    ],
)
def test_every_error_keeps_its_status(
    web: httpx.Client, house: ValueHouse, error: ShuishanError, status: int, retry: str
) -> None:
    house.breaks = error
    answer = web.get("/api/v1/site", headers=READ)
    assert answer.status_code == status
    assert answer.json()["error"] == {
        "code": error.code,
        "message": error.message,
        "subject": error.subject,
        "retry": retry,
    }


def test_a_bug_is_told_without_its_insides(web: httpx.Client, house: ValueHouse) -> None:
    house.breaks = RuntimeError("password=hunter2")
    answer = web.get("/api/v1/site", headers=READ)
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "hunter2" not in answer.text


def test_tokens_are_made_and_ended(web: httpx.Client, house: ValueHouse) -> None:
    asked = {"name": "monitor", "scope": "read", "lifetime_s": 3600}
    assert web.post("/api/v1/tokens", headers=ADMIN, json=asked).json()["secret"] == "shs_example"
    assert web.delete("/api/v1/tokens/read", headers=ADMIN).json()["revoked"] is True
    assert [call[0] for call in house.calls] == ["create_token", "revoke_token"]


def test_repaired_takes_a_component_or_the_host(web: httpx.Client, house: ValueHouse) -> None:
    web.post("/api/v1/hosts/h1/repaired", headers=OPERATE, json={"component": "nvme0"})
    web.post("/api/v1/hosts/h1/repaired", headers=OPERATE, json={})
    assert [call[2] for call in house.calls] == ["nvme0", ""]


def test_openapi_names_a_scope_for_every_route() -> None:
    app = make_app(ValueHouse())
    operations = [
        (path, operation)
        for path, methods in app.openapi()["paths"].items()
        for operation in methods.values()
    ]
    assert len(operations) > 25
    assert [path for path, operation in operations if "x-scope" not in operation] == ["/healthz"]
    assert openapi_document().endswith("}\n")
