"""What the benchmarks on the real lab share: the API, idle VMs, virsh, and how figures are shown."""

import json
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from shuishan.front.api.client import Client
from shuishan.front.cli.settings import find_settings
from shuishan.front.cli.system_file import read_system_file
from shuishan.lab.control import client_path
from shuishan.lab.layout import LabLayout
from shuishan.model.plan import PlanState
from shuishan.model.site import CareTier, DiskSpec, NicSpec, ProbeSpec, SystemSpec, VmSpec
from shuishan.model.status import PlanStatus

LAYOUT = LabLayout()
HIS = Path(__file__).parents[1] / "systems" / "his.yaml"
_NOBODY_ASKS = ProbeSpec(url="http://127.0.0.1:9/", interval_s=3600, timeout_s=1)


def connect() -> Client:
    """The API of the lab that is up (`shuishan lab up`)."""
    settings = find_settings({}, {}, [client_path(LAYOUT)])
    return Client(settings.url, settings.token(), settings.ca_file)


def idle_system(name: str, count: int, first_octet: int) -> SystemSpec:
    """`count` small VMs that boot and do nothing."""
    vms = tuple(
        VmSpec(
            name=f"{name}-{number}",
            cpu_count=1,
            memory_bytes=128 * 1024**2,
            role="idle",
            disks=(DiskSpec(size_bytes=2 * 1024**3, image="hospital"),),
            nics=(NicSpec(address=f"{LAYOUT.subnet}.{first_octet + number}/24"),),
        )
        for number in range(count)
    )
    return SystemSpec(
        name=name,
        title={"en": name, "zh": name},
        care_tier=CareTier.TEST,
        tolerance_s=60,
        vms=vms,
        probe=_NOBODY_ASKS,
    )


def his() -> SystemSpec:
    return read_system_file(HIS)


def ended(api: Client, plan: PlanStatus, *, deadline_s: float = 300) -> PlanStatus:
    """Wait for a plan's end; raises TimeoutError."""
    end_s = time.monotonic() + deadline_s
    while plan.state in (PlanState.RUNNING, PlanState.PROPOSED):
        if time.monotonic() > end_s:
            raise TimeoutError(f"plan {plan.plan.id} is {plan.state.value} after {deadline_s:g} s")
        if plan.state is PlanState.PROPOSED:
            api.agree(plan.plan.id)
        time.sleep(0.02)
        plan = api.plan(plan.plan.id)
    return plan


def remove(api: Client, system: str) -> None:
    ended(api, api.remove_system(system))


def virsh(host: str, *words: str) -> str:
    done = subprocess.run(
        ["virsh", "-q", "-c", LAYOUT.libvirt_uri(host), *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return done.stdout.strip()


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of all lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]


def machine() -> str:
    cpus = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    load = Path("/proc/loadavg").read_text().split()[0]
    return f"{len(cpus)} × {cpus[0].partition(':')[2].strip()}, Linux {platform.release()}, load {load}"


def show(title: str, figures: dict[str, object], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"benchmark": title, "machine": machine(), **figures}))
        return
    print(f"{title}   ({machine()})")
    for name, value in figures.items():
        print(f"  {name:<42}{value}")


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
