"""State of the control plane: small and relational. SQLite (WAL) on one machine, PostgreSQL when grown.

Calls are short and synchronous on purpose: on SQLite each takes well under a millisecond, and they are
made from the event loop and from the durable runner's threads alike.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event

from shuishan.model.errors import NotFound
from shuishan.model.finding import Finding
from shuishan.model.plan import Plan, PlanState, Receipt
from shuishan.model.proof import Proof
from shuishan.model.site import SystemSpec
from shuishan.model.status import PlanStatus
from shuishan.model.timeline import Entry
from shuishan.model.word import Word

_W = TypeVar("_W", bound=Word)
_metadata = sa.MetaData()


def _table(name: str, *columns: sa.Column[Any]) -> sa.Table:
    return sa.Table(name, _metadata, *columns)


_cordons = _table(
    "cordons",
    sa.Column("host", sa.String, primary_key=True),
    sa.Column("since_s", sa.Float, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
)
_repairs = _table(  # what was seen before a repair speaks no more
    "repairs",
    sa.Column("host", sa.String, primary_key=True),
    sa.Column("component", sa.String, primary_key=True),  # "": the whole host
    sa.Column("at_s", sa.Float, nullable=False),
    sa.Column("counted", sa.Text, nullable=False),  # how far counters had come that nobody can set back
)
_systems = _table(
    "systems",
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("observed_generation", sa.Integer, nullable=False),
    sa.Column("spec", sa.Text, nullable=False),
)
_plans = _table(
    "plans",
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String, unique=True, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("at_s", sa.Float, nullable=False),
    sa.Column("state", sa.String, nullable=False, index=True),
    sa.Column("ended_at_s", sa.Float),
    sa.Column("agreed_by", sa.String),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("proof", sa.Text),
)
_receipts = _table(
    "receipts",
    sa.Column("plan", sa.String, primary_key=True),
    sa.Column("step", sa.String, primary_key=True),
    sa.Column("content", sa.Text, nullable=False),
)
_timeline = _table(
    "timeline",
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at_s", sa.Float, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
)
_findings = _table(
    "findings",
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("first_at_s", sa.Float, nullable=False),
    sa.Column("last_at_s", sa.Float, nullable=False),
    sa.Column("open", sa.Boolean, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
)
_marks = _table(  # last thing said about a subject, so that a restart does not say it again
    "marks",
    sa.Column("subject", sa.String, primary_key=True),
    sa.Column("value", sa.String, nullable=False),
)

TERMINAL = (PlanState.DONE, PlanState.UNWOUND, PlanState.STUCK, PlanState.REFUSED)


class Store:
    """One site's state. `path` of the SQLite file; its folder must exist."""

    def __init__(self, path: Path) -> None:
        self.engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 10})
        event.listen(self.engine, "connect", _set_pragmas)
        _metadata.create_all(self.engine)

    def close(self) -> None:
        self.engine.dispose()

    # cordons and repairs

    def cordoned(self) -> frozenset[str]:
        return frozenset(self._column(sa.select(_cordons.c.host)))

    def set_cordon(self, host: str, cordoned: bool, reason: str) -> None:
        with self.engine.begin() as link:
            link.execute(sa.delete(_cordons).where(_cordons.c.host == host))
            if cordoned:
                link.execute(sa.insert(_cordons).values(host=host, since_s=time.time(), reason=reason))

    def set_repaired(
        self, host: str, component: str, at_s: float, counted: Mapping[str, float] | None = None
    ) -> None:
        with self.engine.begin() as link:
            same = (_repairs.c.host == host) & (_repairs.c.component == component)
            link.execute(sa.delete(_repairs).where(same))
            values = {
                "host": host,
                "component": component,
                "at_s": at_s,
                "counted": json.dumps(dict(counted or {})),
            }
            link.execute(sa.insert(_repairs).values(values))

    def repairs(self) -> list[tuple[str, str, float]]:
        """(host, component or "" for all of it, when) of every repair told to us."""
        with self.engine.connect() as link:
            return [(row.host, row.component, row.at_s) for row in link.execute(sa.select(_repairs))]

    def counted(self, host: str, component: str) -> dict[str, float]:
        """How far counters had come at the newest repair of this component: ``component|fact`` -> value."""
        where = (_repairs.c.host == host) & (_repairs.c.component == component)
        found = self._column(sa.select(_repairs.c.counted).where(where))
        return json.loads(found[0]) if found else {}

    # systems

    def put_system(self, spec: SystemSpec) -> int:
        """Store a changed spec and return its generation; an equal one keeps its generation."""
        with self.engine.begin() as link:
            row = link.execute(sa.select(_systems).where(_systems.c.name == spec.name)).one_or_none()
            content = spec.model_dump_json()
            if row is not None and row.spec == content:
                return int(row.generation)
            generation = 1 if row is None else int(row.generation) + 1
            seen = 0 if row is None else int(row.observed_generation)
            link.execute(sa.delete(_systems).where(_systems.c.name == spec.name))
            values = {
                "name": spec.name,
                "generation": generation,
                "observed_generation": seen,
                "spec": content,
            }
            link.execute(sa.insert(_systems).values(values))
            return generation

    def set_observed(self, system: str, generation: int) -> None:
        with self.engine.begin() as link:
            link.execute(
                sa.update(_systems).where(_systems.c.name == system).values(observed_generation=generation)
            )

    def forget_system(self, name: str) -> None:
        with self.engine.begin() as link:
            link.execute(sa.delete(_systems).where(_systems.c.name == name))

    def systems(self) -> list[tuple[SystemSpec, int, int]]:
        """(spec, generation, observed generation) of every system, by name."""
        with self.engine.connect() as link:
            rows = link.execute(sa.select(_systems).order_by(_systems.c.name)).all()
        return [
            (SystemSpec.model_validate_json(row.spec), row.generation, row.observed_generation)
            for row in rows
        ]

    # plans and receipts

    def add_plan(self, plan: Plan, state: PlanState) -> None:
        values = {"id": plan.id, "subject": plan.subject, "at_s": plan.at_s, "state": state.value}
        if state in TERMINAL:
            values["ended_at_s"] = plan.at_s
        with self.engine.begin() as link:
            link.execute(sa.insert(_plans).values(**values, content=plan.model_dump_json()))

    def set_plan_state(
        self, plan: str, state: PlanState, *, at_s: float, agreed_by: str | None = None
    ) -> None:
        values: dict[str, Any] = {"state": state.value}
        if state in TERMINAL:
            values["ended_at_s"] = at_s
        if agreed_by is not None:
            values["agreed_by"] = agreed_by
        with self.engine.begin() as link:
            link.execute(sa.update(_plans).where(_plans.c.id == plan).values(**values))

    def set_proof(self, proof: Proof) -> None:
        with self.engine.begin() as link:
            link.execute(
                sa.update(_plans).where(_plans.c.id == proof.plan).values(proof=proof.model_dump_json())
            )

    def plan(self, plan: str) -> PlanStatus:
        """Raises NotFound."""
        found = self._plan_statuses(sa.select(_plans).where(_plans.c.id == plan))
        if not found:
            raise NotFound(f"plan {plan} is not known; see `shuishan plan list`", subject=f"plan/{plan}")
        return found[0]

    def plans(self, limit: int) -> list[PlanStatus]:
        """The newest plans first."""
        return self._plan_statuses(sa.select(_plans).order_by(_plans.c.seq.desc()).limit(limit))

    def plans_in(self, *states: PlanState) -> list[PlanStatus]:
        wanted = [state.value for state in states]
        return self._plan_statuses(sa.select(_plans).where(_plans.c.state.in_(wanted)).order_by(_plans.c.seq))

    def plans_unproven(self) -> list[PlanStatus]:
        """Plans that ran to an end and were not looked at again yet."""
        ended = [PlanState.DONE.value, PlanState.UNWOUND.value, PlanState.STUCK.value]
        return self._plan_statuses(
            sa.select(_plans)
            .where(_plans.c.state.in_(ended), _plans.c.proof.is_(None))
            .order_by(_plans.c.seq)
        )

    def ended_at_s(self, plan: str) -> float | None:
        with self.engine.connect() as link:
            return link.execute(
                sa.select(_plans.c.ended_at_s).where(_plans.c.id == plan)
            ).scalar_one_or_none()

    def put_receipt(self, receipt: Receipt) -> None:
        with self.engine.begin() as link:
            same = (_receipts.c.plan == receipt.plan) & (_receipts.c.step == receipt.step)
            link.execute(sa.delete(_receipts).where(same))
            values = {"plan": receipt.plan, "step": receipt.step, "content": receipt.model_dump_json()}
            link.execute(sa.insert(_receipts).values(values))

    def receipts(self, plan: str) -> tuple[Receipt, ...]:
        found = self._words(sa.select(_receipts.c.content).where(_receipts.c.plan == plan), Receipt)
        return tuple(sorted(found, key=lambda receipt: (len(receipt.step), receipt.step)))

    def receipt(self, plan: str, step: str) -> Receipt | None:
        where = (_receipts.c.plan == plan) & (_receipts.c.step == step)
        found = self._words(sa.select(_receipts.c.content).where(where), Receipt)
        return found[0] if found else None

    # timeline, findings, marks

    def add_entry(self, entry: Entry) -> Entry:
        """Store an entry and return it with its position."""
        with self.engine.begin() as link:
            result = link.execute(
                sa.insert(_timeline).values(at_s=entry.at_s, content=entry.model_dump_json())
            )
            key = result.inserted_primary_key
            assert key is not None
            return entry.model_copy(update={"seq": int(key[0])})

    def entries(self, after_seq: int, limit: int) -> list[Entry]:
        """Entries after `after_seq`, oldest first."""
        query = sa.select(_timeline).where(_timeline.c.seq > after_seq).order_by(_timeline.c.seq).limit(limit)
        with self.engine.connect() as link:
            rows = link.execute(query).all()
        return [Entry.model_validate_json(row.content).model_copy(update={"seq": row.seq}) for row in rows]

    def entries_since(self, at_s: float) -> list[Entry]:
        """Entries about moments from `at_s` on, in order of time."""
        query = (
            sa.select(_timeline).where(_timeline.c.at_s >= at_s).order_by(_timeline.c.at_s, _timeline.c.seq)
        )
        with self.engine.connect() as link:
            rows = link.execute(query.limit(5000)).all()
        return [Entry.model_validate_json(row.content).model_copy(update={"seq": row.seq}) for row in rows]

    def update_findings(
        self, findings: Sequence[Finding], at_s: float
    ) -> tuple[list[Finding], list[Finding]]:
        """Store what is found now; returns (new since last time, gone since last time)."""
        with self.engine.begin() as link:
            rows = link.execute(sa.select(_findings)).all()
            known = {row.id: row for row in rows}
            now_open = {finding.id: finding for finding in findings}
            new = [finding for finding in findings if finding.id not in known or not known[finding.id].open]
            gone = [row for row in rows if row.open and row.id not in now_open]
            for row in gone:
                link.execute(sa.update(_findings).where(_findings.c.id == row.id).values(open=False))
            for finding in findings:
                old = known.get(finding.id)
                first_at_s = old.first_at_s if old is not None and old.open else at_s
                link.execute(sa.delete(_findings).where(_findings.c.id == finding.id))
                link.execute(
                    sa.insert(_findings).values(
                        id=finding.id,
                        first_at_s=first_at_s,
                        last_at_s=at_s,
                        open=True,
                        content=finding.model_dump_json(),
                    )
                )
        return new, [Finding.model_validate_json(row.content) for row in gone]

    def close_findings(self, host: str, component: str | None) -> None:
        """Findings on a repaired component are over; if it still fails it will be found anew."""
        for finding in self.open_findings():
            if finding.host == host and component in (None, finding.component):
                with self.engine.begin() as link:
                    link.execute(sa.update(_findings).where(_findings.c.id == finding.id).values(open=False))

    def open_findings(self) -> list[Finding]:
        return self._words(sa.select(_findings.c.content).where(_findings.c.open), Finding)

    def finding(self, finding: str) -> Finding | None:
        """The finding as last seen, open or not."""
        found = self._words(sa.select(_findings.c.content).where(_findings.c.id == finding), Finding)
        return found[0] if found else None

    def marked(self, subject: str) -> str | None:
        """The last thing said about `subject`."""
        with self.engine.connect() as link:
            return link.execute(
                sa.select(_marks.c.value).where(_marks.c.subject == subject)
            ).scalar_one_or_none()

    def mark_once(self, subject: str, value: str) -> None:
        """Remember `value` unless something is remembered about `subject` already."""
        if self.marked(subject) is None:
            self.mark(subject, value)

    def unmark(self, prefix: str) -> None:
        """Forget what was said about every subject that begins with `prefix`."""
        with self.engine.begin() as link:
            link.execute(sa.delete(_marks).where(_marks.c.subject.startswith(prefix, autoescape=True)))

    def mark(self, subject: str, value: str) -> bool:
        """Remember the last thing said about `subject`; True when it differs from before."""
        with self.engine.begin() as link:
            old = link.execute(
                sa.select(_marks.c.value).where(_marks.c.subject == subject)
            ).scalar_one_or_none()
            if old == value:
                return False
            link.execute(sa.delete(_marks).where(_marks.c.subject == subject))
            link.execute(sa.insert(_marks).values(subject=subject, value=value))
            return True

    # helpers

    def _plan_statuses(self, query: sa.Select[Any]) -> list[PlanStatus]:
        with self.engine.connect() as link:
            rows = link.execute(query).all()
        return [
            PlanStatus(
                plan=Plan.model_validate_json(row.content),
                state=PlanState(row.state),
                receipts=self.receipts(row.id),
                proof=Proof.model_validate_json(row.proof) if row.proof else None,
                agreed_by=row.agreed_by,
            )
            for row in rows
        ]

    def _column(self, query: sa.Select[str]) -> list[str]:
        with self.engine.connect() as link:
            return list(link.execute(query).scalars())

    def _words(self, query: sa.Select[str], word: type[_W]) -> list[_W]:
        return [word.model_validate_json(content) for content in self._column(query)]


def _set_pragmas(connection: Any, _record: Any) -> None:
    """WAL lets readers go on while the loop writes; NORMAL loses nothing at a crash of the process."""
    run: Callable[[str], object] = connection.execute
    run("PRAGMA journal_mode=WAL")
    run("PRAGMA synchronous=NORMAL")
