"""Tokens and the audit log."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from shuishan.app.access import Audit, Scope, Tokens, first_break
from shuishan.model.errors import BadInput, NotAllowed, NotFound


class SetClock:
    def __init__(self) -> None:
        self.at_s = 1000.0

    def now_s(self) -> float:
        return self.at_s

    async def sleep(self, duration_s: float) -> None:
        self.at_s += duration_s


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    return sa.create_engine(f"sqlite:///{tmp_path / 'db'}")


def test_unknown_expired_and_revoked_tokens_are_refused(engine: sa.Engine, clock: SetClock) -> None:
    tokens = Tokens(engine, clock)
    with pytest.raises(NotAllowed, match="not known"):
        tokens.check("shs_guess", "read")
    made = tokens.create("ward", "read", 60)
    assert tokens.check(made.secret, "read").name == "ward"
    clock.at_s += 60
    with pytest.raises(NotAllowed, match="expired"):
        tokens.check(made.secret, "read")
    other = tokens.create("ward", "read", 60)
    tokens.revoke(other.token.id)
    with pytest.raises(NotAllowed, match="revoked"):
        tokens.check(other.secret, "read")


@pytest.mark.parametrize(
    ("has", "needs", "allowed"),
    [
        ("read", "read", True),
        ("read", "operate", False),
        ("operate", "read", True),
        ("operate", "admin", False),
        ("admin", "admin", True),
    ],
)
def test_scopes_reach_downwards_only(
    engine: sa.Engine, clock: SetClock, has: Scope, needs: Scope, allowed: bool
) -> None:
    tokens = Tokens(engine, clock)
    secret = tokens.create("t", has, 60).secret
    if allowed:
        assert tokens.check(secret, needs).scope == has
    else:
        with pytest.raises(NotAllowed, match=needs):
            tokens.check(secret, needs)


def test_the_secret_is_stored_nowhere(engine: sa.Engine, clock: SetClock, tmp_path: Path) -> None:
    secret = Tokens(engine, clock).create("t", "read", 60).secret
    engine.dispose()
    assert secret.encode() not in (tmp_path / "db").read_bytes()


def test_a_token_lives_neither_for_ever_nor_not_at_all(engine: sa.Engine, clock: SetClock) -> None:
    for lifetime_s in (0.0, -5.0, 1e9):
        with pytest.raises(BadInput, match="366 days"):
            Tokens(engine, clock).create("t", "read", lifetime_s)


def test_revoking_what_is_not_there_names_the_way_out(engine: sa.Engine, clock: SetClock) -> None:
    with pytest.raises(NotFound, match="token list"):
        Tokens(engine, clock).revoke("feed")


def test_a_changed_or_missing_audit_record_breaks_the_chain(engine: sa.Engine, clock: SetClock) -> None:
    audit = Audit(engine, clock)
    for host in ("h1", "h2", "h3"):
        audit.write("ward", "host.cordon", f"host/{host}", {"why": "test"}, "ok")
    records = audit.read(0, 100)
    assert first_break(records) is None
    forged = records[1].model_copy(update={"actor": "nobody"})
    assert first_break([records[0], forged, records[2]]) == 2
    assert first_break([records[0], records[2]]) == 3
