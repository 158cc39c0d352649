"""Brings the whole lab up to the point where a story can be played, and takes it down again."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from shuishan.catalog.messages import say
from shuishan.lab.control import start_server
from shuishan.lab.layout import LabLayout
from shuishan.lab.site import Lab
from shuishan.lab.stories.stage import SiteApi, Talk
from shuishan.model.errors import Silent
from shuishan.model.plan import PlanState
from shuishan.model.site import SystemSpec
from shuishan.model.status import SiteStatus

_DEPLOY_TIMEOUT_S = 600.0
_SENSES_TIMEOUT_S = 180.0


@dataclass(frozen=True, slots=True)
class House:
    """A lab with its control plane, up and answering."""

    lab: Lab
    server_pid: int


async def bring_up(layout: LabLayout, talk: Talk) -> House:
    """Images, hosts, chassis, BMCs, control plane: whatever of it is not up yet."""
    lab = Lab(layout)
    await lab.up(talk)
    talk(say("lab.server.starting"))
    pid = await start_server(layout)
    talk(say("lab.server.up"))
    return House(lab, pid)


async def take_down(layout: LabLayout, talk: Talk) -> None:
    """Stop the control plane, then everything else; nothing but the image cache is left."""
    talk(say("lab.going_down"))
    await Lab(layout).down()
    talk(say("lab.gone"))


async def deploy(api: SiteApi, spec: SystemSpec, talk: Talk) -> None:
    """Have the control plane deploy `spec`, and return once it serves and every host is seen clearly."""
    talk(say("lab.system.deploying", system=spec.name))
    await _until(api, _senses_clear, _SENSES_TIMEOUT_S, "all senses answer")
    status = await asyncio.to_thread(api.apply_system, spec)
    if status.state is PlanState.REFUSED:
        raise Silent(f"system {spec.name} does not fit the lab: {status.plan.title.en}", subject="lab")
    await _until(
        api, lambda site: _ended(site, status.plan.id), _DEPLOY_TIMEOUT_S, f"{spec.name} is deployed"
    )
    ended = await asyncio.to_thread(api.plan, status.plan.id)
    if ended.state is not PlanState.DONE:
        notes = "; ".join(receipt.note for receipt in ended.receipts if receipt.note)
        raise Silent(f"system {spec.name} could not be deployed: {notes}", subject=f"system/{spec.name}")
    talk(say("lab.system.serves", system=spec.name))


def _ended(site: SiteStatus, plan: str) -> bool:
    done = (PlanState.DONE, PlanState.UNWOUND, PlanState.STUCK)
    return any(status.plan.id == plan and status.state in done for status in site.plans)


def _senses_clear(site: SiteStatus) -> bool:
    return all(
        condition.status == "true"
        for host in site.hosts
        for condition in host.conditions
        if condition.type in ("answering", "healthy")
    )


async def _until(api: SiteApi, done: Callable[[SiteStatus], bool], timeout_s: float, why: str) -> None:
    end_s = time.monotonic() + timeout_s
    while not done(await asyncio.to_thread(api.site)):
        if time.monotonic() > end_s:
            raise Silent(f"{why}: not so after {timeout_s:g} s", subject="lab")
        await asyncio.sleep(0.3)
