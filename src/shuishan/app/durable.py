"""Durable plans on DBOS: a plan begun is finished or unwound, whatever happens to this process.

Each deed is a DBOS step: its outcome is recorded before the next one starts, so after `kill -9` the
plan goes on where it was, and a deed that was cut off is done again (deeds are safe to repeat).
DBOS runs workflows in threads of its own; deeds run on the app's event loop, where their links live.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig, SetWorkflowID

from shuishan.act.runner import Outcome, Phase, Wave, carry_out
from shuishan.model.plan import Plan, PlanState, Step

_log = logging.getLogger(__name__)

Deed = Callable[[Phase, Plan, Step], Coroutine[Any, Any, Outcome]]


class DurableRunner:
    """Runs plans to their end. One per process, as DBOS is.

    read:   gives the plan by its id
    deed:   does or undoes one step (act.perform)
    settle: told when a plan has ended; called again after a crash, so it must be safe to repeat
    """

    def __init__(
        self,
        database: Path,
        *,
        read: Callable[[str], Plan],
        deed: Deed,
        settle: Callable[[str, PlanState], None],
    ) -> None:
        self._database = database
        self._read = read
        self._deed = deed
        self._settle = settle
        self._loop: asyncio.AbstractEventLoop | None = None

    def launch(self) -> None:
        """Start, and go on with every plan that was cut off. Call from the running event loop."""
        global _runner  # noqa: PLW0603  DBOS finds workflows by function, so one runner per process
        _runner = self
        self._loop = asyncio.get_running_loop()
        config: DBOSConfig = {
            "name": "shuishan",
            "system_database_url": f"sqlite:///{self._database}",
            "application_version": "1",  # plans begun before an upgrade go on after it
            "executor_id": "site",
            "log_level": "WARNING",
            "enable_otlp": False,
        }
        DBOS(config=config)
        DBOS.launch()

    def stop(self) -> None:
        """Stop taking plans. One under way is left as after a crash: the next launch goes on with it."""
        DBOS.destroy(workflow_completion_timeout_sec=0)

    async def start(self, plan: str) -> None:
        """Begin a plan; beginning it again changes nothing."""
        await asyncio.to_thread(_start, plan)

    def run(self, plan_id: str) -> str:
        """The workflow itself, in a DBOS thread."""
        plan = self._read(plan_id)

        def perform(phase: Phase, wave: Wave) -> tuple[Outcome, ...]:
            name = f"{phase} {','.join(step.id for step in wave)}"
            recorded = DBOS.run_step({"name": name}, self._perform, phase, plan, wave)
            return tuple(Outcome.model_validate(outcome) for outcome in recorded)

        state = carry_out(plan, perform)
        DBOS.run_step({"name": "settle"}, self._settle, plan_id, state)
        return state.value

    def _perform(self, phase: Phase, plan: Plan, wave: Wave) -> list[dict[str, Any]]:
        async def together() -> list[Outcome]:
            return list(await asyncio.gather(*(self._deed(phase, plan, step) for step in wave)))

        assert self._loop is not None
        outcomes = asyncio.run_coroutine_threadsafe(together(), self._loop).result()
        return [outcome.model_dump() for outcome in outcomes]


_runner: DurableRunner | None = None


@DBOS.workflow(name="carry_out_plan", max_recovery_attempts=1000)
def carry_out_plan(plan_id: str) -> str:
    """Known to DBOS by this name: renaming it would strand plans under way during an upgrade."""
    assert _runner is not None
    return _runner.run(plan_id)


def _start(plan: str) -> None:
    with SetWorkflowID(f"plan-{plan}"):
        DBOS.start_workflow(carry_out_plan, plan)
