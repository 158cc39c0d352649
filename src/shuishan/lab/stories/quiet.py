"""Stories in which the right thing to do is nothing, or to refuse with one clear sentence."""

import asyncio
import os
import resource
import tempfile
from pathlib import Path

import yaml

from shuishan.lab.stories.stage import Stage
from shuishan.model.plan import PlanState
from shuishan.model.status import HostStatus, SiteStatus

HOST = "h1"
_QUIET_S = 12.0  # several turns, several readings of every sense
_GARBAGE_BYTES = 2 * 1024**3
_MEMORY_LIMIT_BYTES = 512 * 1024**2


async def harmless(stage: Stage) -> None:
    """Frightening but harmless lines: no action, and the timeline says why not."""
    await stage.gather_on(HOST)
    plans = {status.plan.id for status in await stage.ask(lambda api: api.plans())}
    since = await stage.last_entry()
    for fault in ("harmless_firmware_noise", "usb_reset", "nic_link_flap"):
        await stage.break_host(HOST, fault)

    def dismissed(site: SiteStatus) -> SiteStatus | None:
        issues = {one.issue for one in site.diagnosis.dismissed if one.host == HOST}
        return site if len(issues) >= 3 else None

    site = await stage.until(dismissed, deadline_s=60, why="the harmless signs are dismissed")
    await asyncio.sleep(_QUIET_S)
    site = await stage.ask(lambda api: api.site())
    new = [status.plan.title.en for status in site.plans if status.plan.id not in plans]
    stage.check(not new, "story.no_plan")
    moved = [vm.name for system in site.systems for vm in system.vms if vm.host != HOST]
    stage.check(not moved, "story.stayed", host=HOST)
    reasons = [entry for entry in await stage.entries_after(since) if entry.text.en.find("left alone") >= 0]
    stage.check(len(reasons) >= 3, "story.says_why_not", count=len(reasons))


async def blind(stage: Stage) -> None:
    """SSH refused and BMC silent: unknown is shown, and nobody is moved for silence alone."""
    await stage.gather_on(HOST)
    plans = {status.plan.id for status in await stage.ask(lambda api: api.plans())}
    await stage.break_host(HOST, "ssh_refused")
    await stage.break_host(HOST, "bmc_mute")

    def is_unknown(site: SiteStatus) -> HostStatus | None:
        status = next(status for status in site.hosts if status.spec.name == HOST)
        sources = {one.source.value for one in status.blind}
        return status if {"kernel_log", "smart", "bmc_sensor"} <= sources else None

    status = await stage.until(is_unknown, deadline_s=90, why="the blind senses are shown")
    healthy = next(condition for condition in status.conditions if condition.type == "healthy")
    stage.check(healthy.status == "unknown", "story.unknown_shown", said=healthy.message)
    await asyncio.sleep(_QUIET_S)
    site = await stage.ask(lambda api: api.site())
    new = [one for one in site.plans if one.plan.id not in plans and one.state is not PlanState.REFUSED]
    stage.check(not new, "story.no_plan")
    await stage.heal_all()

    def sees(site: SiteStatus) -> bool | None:
        status = next(status for status in site.hosts if status.spec.name == HOST)
        return True if all(one.source.value == "edac" for one in status.blind) else None

    await stage.until(sees, deadline_s=120, why="the senses answer again")
    stage.check(True, "story.sees_again")


async def bad_input(stage: Stage) -> None:
    """Malformed file, unknown host, wrong token, 2 GB of garbage: one clear error each, nothing changed."""
    before = await stage.fingerprint()
    with tempfile.TemporaryDirectory(dir=stage.layout.root) as folder:
        files = Path(folder)
        broken = files / "broken.yaml"
        spec = stage.system.model_dump(mode="json")
        spec["vms"][0]["memory_bytes"] = "plenty"
        broken.write_text(yaml.safe_dump(spec), "utf-8")
        refused = await stage.cli("system", "apply", str(broken))
        named = "broken.yaml" in refused.stderr and "memory_bytes" in refused.stderr
        _one_error(stage, refused.returncode == 2 and named, refused.stderr, "story.bad_file")

        refused = await stage.cli("host", "drain", "h9", "--yes")
        _one_error(
            stage, refused.returncode == 3 and "h9" in refused.stderr, refused.stderr, "story.bad_host"
        )

        wrong = files / "wrong.token"
        wrong.write_text("shs_not-a-token", "utf-8")
        refused = await stage.cli("host", "list", token_file=wrong)
        _one_error(
            stage, refused.returncode == 4 and "token" in refused.stderr, refused.stderr, "story.bad_token"
        )

        garbage = files / "garbage.log"
        await asyncio.to_thread(_write_garbage, garbage)
        used_before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        refused = await stage.cli("diagnose", str(garbage), timeout_s=300)
        used_bytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        said = refused.returncode == 2 and "garbage.log" in refused.stderr
        _one_error(stage, said, refused.stderr, "story.bad_log")
        # The figure is of the largest child so far, so an earlier, larger one sets the mark.
        bounded = used_bytes <= max(_MEMORY_LIMIT_BYTES, used_before * 1024)
        stage.check(bounded, "story.bounded_memory", mib=used_bytes // 1024**2)
    stage.check(await stage.fingerprint() == before, "story.nothing_changed")


def _one_error(stage: Stage, right: bool, stderr: str, message: str) -> None:
    lines = [line for line in stderr.strip().splitlines() if line.strip()]
    traceback = any(line.startswith("Traceback") for line in lines)
    stage.check(right and not traceback, message, error=" ".join(lines)[:300])


def _write_garbage(path: Path) -> None:
    block = os.urandom(1024 * 1024)
    with path.open("wb") as file:
        for _ in range(_GARBAGE_BYTES // len(block)):
            file.write(block)
