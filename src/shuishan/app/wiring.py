"""Puts the house together from a site file. The only importer of concrete drivers."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Self

from shuishan.act.perform import perform
from shuishan.act.runner import Outcome, Phase
from shuishan.act.world import World
from shuishan.app.access import Audit, Tokens
from shuishan.app.chronicle import Chronicle
from shuishan.app.durable import DurableRunner
from shuishan.app.house import House
from shuishan.app.ledger import SiteLedger
from shuishan.app.loop import Loop
from shuishan.app.settings import SiteFile
from shuishan.app.store import Store
from shuishan.base.cluster.direct import DirectMover
from shuishan.base.compute.libvirt import LibvirtCompute
from shuishan.base.power.port import Bmc
from shuishan.base.power.redfish import RedfishBmc
from shuishan.base.ssh import SshHost
from shuishan.base.storage.qcow2 import Qcow2Pool
from shuishan.catalog.facts import is_counter
from shuishan.catalog.loader import knowledge
from shuishan.catalog.policies import default_policy, load_policy
from shuishan.diagnose.engine import Engine
from shuishan.model.clock import SystemClock
from shuishan.model.plan import Plan, PlanState, Step
from shuishan.model.signal import Source
from shuishan.model.site import HostSpec
from shuishan.prove.prober import Prober
from shuishan.sense.watch import BMC_SOURCES, SSH_SOURCES, HostWatch
from shuishan.sense.watch import Periods as WatchPeriods
from shuishan.sense.window import SignalWindow

_log = logging.getLogger(__name__)
_FIRST_TOKEN_LIFETIME_S = 366 * 86_400.0


class Site:
    """Everything that runs for one site. `async with Site(file) as site:` starts and stops it."""

    def __init__(self, file: SiteFile) -> None:
        file.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = file
        clock = SystemClock()
        self.store = Store(file.state_dir / "shuishan.db")
        self.tokens = Tokens(self.store.engine, clock)
        self._audit = Audit(self.store.engine, clock)
        chronicle = Chronicle(self.store, clock)
        ledger = SiteLedger(file.hosts, self.store)
        engine = Engine(knowledge())
        policy = load_policy(file.policy_file) if file.policy_file else default_policy()
        self._window = SignalWindow(
            engine.interesting,
            window_s=file.periods.window_s,
            max_lines_per_host=file.periods.max_lines_per_host,
            stale_s=file.periods.stale_s,
            is_counter=is_counter,
        )
        pool = Qcow2Pool(file.compute.pool_dir, file.compute.images)
        self._compute = LibvirtCompute(
            pool,
            clock,
            accelerator=file.compute.accelerator,
            bridge=file.compute.bridge,
            migration_mib_per_s=file.compute.migration_mib_per_s,
            migration_tls=file.compute.migration_tls,
        )
        self._prober = Prober(clock)
        mover = DirectMover(self._compute)
        world = World(compute=self._compute, mover=mover, ledger=ledger, web=self._prober, clock=clock)

        async def deed(phase: Phase, plan: Plan, step: Step) -> Outcome:
            return await perform(phase, plan, step, world, chronicle)

        self._runner = DurableRunner(
            file.state_dir / "plans.db",
            read=lambda plan: self.store.plan(plan).plan,
            deed=deed,
            settle=self._settle,
        )
        self.loop = Loop(
            ledger=ledger,
            store=self.store,
            chronicle=chronicle,
            compute=self._compute,
            window=self._window,
            engine=engine,
            policy=policy,
            probes=self._prober,
            runner=self._runner,
            clock=clock,
            look_timeout_s=file.periods.look_timeout_s,
            turn_s=file.periods.turn_s,
        )
        self.house = House(
            name=file.name,
            ledger=ledger,
            store=self.store,
            chronicle=chronicle,
            loop=self.loop,
            window=self._window,
            prober=self._prober,
            tokens=self.tokens,
            audit=self._audit,
            policy=policy,
            start_plan=self._runner.start,
            clock=clock,
        )
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []
        self._links: list[SshHost | Bmc] = []

    async def __aenter__(self) -> Self:
        self._first_token()
        self._recall_repairs()
        for host in self._file.hosts:
            self._watch(host)
        self._runner.launch()  # goes on with plans that a crash cut off
        for status in self.store.plans_in(PlanState.RUNNING):
            await self._runner.start(status.plan.id)  # taken in, but the crash came before its first step
        self._spawn(self.loop.run(), "loop")
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Stop sensing and turning. A plan under way is left as it is; the next start goes on with it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._prober.close()
        for link in self._links:
            with contextlib.suppress(Exception):  # closing a dead link may say so; we are leaving anyway
                await link.close()
        self._runner.stop()
        self._compute.close()
        self.store.close()

    def _settle(self, plan: str, state: PlanState) -> None:
        self.loop.settle(plan, state)

    def _watch(self, host: HostSpec) -> None:
        ssh, bmc = self._ssh(host), self._bmc(host)
        self._links += [link for link in (ssh, bmc) if link is not None]
        expected = (*(SSH_SOURCES if ssh else ()), *(BMC_SOURCES if bmc else ()), Source.LIBVIRT)
        self._window.expect(host.name, expected, now_s=self._clock.now_s())
        periods = self._file.periods
        watch = HostWatch(
            host,
            ssh=ssh,
            bmc=bmc,
            clock=self._clock,
            sink=self.loop,
            periods=WatchPeriods(
                smart_s=periods.smart_s,
                edac_s=periods.edac_s,
                bmc_s=periods.bmc_s,
                log_since_s=periods.window_s,
            ),
        )
        self._spawn(watch.run(), f"watch {host.name}")

    def _ssh(self, host: HostSpec) -> SshHost | None:
        access = self._file.ssh
        if access is None or host.chassis_address is None:
            return None
        return SshHost(
            host.chassis_address,
            port=host.chassis_port,
            user=access.user,
            key_file=access.key_file,
            known_hosts=access.known_hosts,
        )

    def _bmc(self, host: HostSpec) -> RedfishBmc | None:
        access = self._file.bmc
        if access is None or host.bmc_url is None:
            return None
        password = access.password_file.read_text("utf-8").strip()
        return RedfishBmc(host.bmc_url, user=access.user, password=password, ca_file=access.ca_file)

    def _recall_repairs(self) -> None:
        """What was reported repaired before a restart must not be diagnosed again from old lines."""
        for host, component, at_s in self.store.repairs():
            counted = self.store.counted(host, component)
            self._window.forget(host, component or None, before_s=at_s, counted=counted)

    def _first_token(self) -> None:
        """Without any token nobody could make one: the first lies in the state folder, for root alone."""
        if self.tokens.list():
            return
        made = self.tokens.create("first-admin", "admin", _FIRST_TOKEN_LIFETIME_S)
        write_private(self._file.state_dir / "admin.token", made.secret)
        self._audit.write("shuishan", "token.create", "token/first-admin", {"scope": "admin"}, "ok")

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))


def write_private(path: Path, content: str) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
