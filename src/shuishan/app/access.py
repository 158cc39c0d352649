"""Who may do what, and the record of what was done.

Tokens are random 256-bit secrets; only their SHA-256 is kept (a slow hash guards guessable passwords,
which these are not). The audit log is append-only and hash-chained: each record's digest covers the one
before, so a changed or missing record breaks the chain from there on.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Literal

import sqlalchemy as sa

from shuishan.model.clock import Clock
from shuishan.model.errors import BadInput, NotAllowed, NotFound
from shuishan.model.status import AuditRecord, NewToken, TokenSpec

Scope = Literal["read", "operate", "admin"]
_RANK: dict[Scope, int] = {"read": 0, "operate": 1, "admin": 2}
_LONGEST_LIFETIME_S = 366 * 86_400.0

_metadata = sa.MetaData()
_tokens = sa.Table(
    "tokens",
    _metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("scope", sa.String, nullable=False),
    sa.Column("secret_sha256", sa.String, nullable=False, unique=True),
    sa.Column("created_at_s", sa.Float, nullable=False),
    sa.Column("expires_at_s", sa.Float, nullable=False),
    sa.Column("revoked", sa.Boolean, nullable=False),
)
_audit = sa.Table(
    "audit",
    _metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("at_s", sa.Float, nullable=False),
    sa.Column("actor", sa.String, nullable=False),
    sa.Column("action", sa.String, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("outcome", sa.String, nullable=False),
    sa.Column("digest", sa.String, nullable=False),
)


class Tokens:
    """Access tokens of programs and people."""

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        _metadata.create_all(engine)

    def create(self, name: str, scope: Scope, lifetime_s: float) -> NewToken:
        """Make a token; its secret is in the answer and nowhere else."""
        if not 0 < lifetime_s <= _LONGEST_LIFETIME_S:
            raise BadInput(
                f"token lifetime {lifetime_s:g} s is not between 1 s and 366 days", subject=f"token/{name}"
            )
        secret = f"shs_{secrets.token_urlsafe(32)}"
        now_s = self._clock.now_s()
        token = TokenSpec(
            id=secrets.token_hex(4),
            name=name,
            scope=scope,
            created_at_s=now_s,
            expires_at_s=now_s + lifetime_s,
        )
        with self._engine.begin() as link:
            link.execute(sa.insert(_tokens).values(**token.model_dump(), secret_sha256=_digest(secret)))
        return NewToken(token=token, secret=secret)

    def check(self, secret: str, scope: Scope) -> TokenSpec:
        """The token behind `secret`; raises NotAllowed unless it is valid now and reaches `scope`."""
        with self._engine.connect() as link:
            # Looked up by digest: the time it takes tells nothing about the secret.
            query = sa.select(_tokens).where(_tokens.c.secret_sha256 == _digest(secret))
            row = link.execute(query).mappings().one_or_none()
        if row is None:
            raise NotAllowed("this token is not known here; ask an administrator for one", subject="token")
        token = _token(row)
        if token.revoked or token.expires_at_s <= self._clock.now_s():
            why = "was revoked" if token.revoked else "has expired"
            raise NotAllowed(f"token {token.id} {why}; ask an administrator for a new one", subject="token")
        if _RANK[token.scope] < _RANK[scope]:
            raise NotAllowed(
                f"token {token.id} may {token.scope}; this needs the scope {scope}",
                subject=f"token/{token.id}",
            )
        return token

    def list(self) -> list[TokenSpec]:
        with self._engine.connect() as link:
            rows = link.execute(sa.select(_tokens).order_by(_tokens.c.created_at_s)).mappings().all()
        return [_token(row) for row in rows]

    def revoke(self, token: str) -> None:
        with self._engine.begin() as link:
            done = link.execute(sa.update(_tokens).where(_tokens.c.id == token).values(revoked=True))
        if done.rowcount == 0:
            raise NotFound(f"token {token} is not known; see `shuishan token list`", subject=f"token/{token}")


class Audit:
    """The append-only record of every change."""

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        _metadata.create_all(engine)

    def write(
        self, actor: str, action: str, subject: str, content: Mapping[str, object], outcome: str
    ) -> AuditRecord:
        """Append one record. `content` must hold no secrets."""
        with self._engine.begin() as link:
            last = link.execute(sa.select(_audit).order_by(_audit.c.seq.desc()).limit(1)).one_or_none()
            record = AuditRecord(
                seq=1 if last is None else last.seq + 1,
                at_s=self._clock.now_s(),
                actor=actor,
                action=action,
                subject=subject,
                content=json.dumps(dict(content), ensure_ascii=False, sort_keys=True),
                outcome=outcome,
                digest="",
            )
            record = record.model_copy(
                update={"digest": chained("" if last is None else last.digest, record)}
            )
            link.execute(sa.insert(_audit).values(**record.model_dump()))
            return record

    def read(self, after_seq: int, limit: int) -> list[AuditRecord]:
        query = sa.select(_audit).where(_audit.c.seq > after_seq).order_by(_audit.c.seq).limit(limit)
        with self._engine.connect() as link:
            return [AuditRecord.model_validate(dict(row)) for row in link.execute(query).mappings()]


def chained(before: str, record: AuditRecord) -> str:
    """Digest of `record` in a chain whose last digest is `before`: SHA-256, hex."""
    content = record.model_dump_json(exclude={"digest"})
    return hashlib.sha256(f"{before}\n{content}".encode()).hexdigest()


def first_break(records: list[AuditRecord], before: str = "") -> int | None:
    """seq of the first record whose digest does not follow from the one before; None: the chain holds."""
    for record in records:
        if record.digest != chained(before, record):
            return record.seq
        before = record.digest
    return None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _token(row: sa.RowMapping) -> TokenSpec:
    return TokenSpec.model_validate({name: row[name] for name in TokenSpec.model_fields})
