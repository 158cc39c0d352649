"""One turn of the real loop on a simulated site: look, diagnose, decide.

    python benchmarks/loop_turn.py [--hosts 64] [--vms 2000] [--turns 5] [--json]

The loop, window, engine, store and policy are the product's; hosts are simulated, plans are not carried
out, and nobody probes. Four kinds of turn:
  first    nothing is known yet
  quiet    nothing changed since the last one
  busy     every host sent new readings and harmless log lines
  fault    as busy, and one host's drive runs out of spare blocks: its VMs are placed and a plan is made
Wall-clock, with CPU time beside it for busy machines. The target holds for quiet, busy and fault.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from big_site import big_site
from shuishan.app.chronicle import Chronicle
from shuishan.app.ledger import SiteLedger
from shuishan.app.loop import Loop
from shuishan.app.store import Store
from shuishan.base.compute.sim import SimCompute
from shuishan.base.simclock import SimClock
from shuishan.catalog.loader import knowledge
from shuishan.catalog.policies import default_policy
from shuishan.diagnose.engine import Engine
from shuishan.model.proof import ProbeSummary
from shuishan.model.signal import LogLine, Reading, Signal, Source
from shuishan.model.site import ProbeSpec, SiteView
from shuishan.sense.window import SignalWindow

TARGET_S = 1.0


@dataclass(frozen=True, slots=True)
class Result:
    """Medians by kind of turn; slowest_s leaves the first turn out."""

    wall_s: dict[str, float]
    cpu_s: dict[str, float]
    slowest_s: float
    plans_made: int


class NoRunner:
    """Plans are made, not carried out."""

    async def start(self, plan: str) -> None:
        del plan


class NoProbes:
    def watch(self, probes: Mapping[str, ProbeSpec]) -> None:
        """There is nobody to ask."""

    def summary(self, system: str, from_s: float, to_s: float) -> ProbeSummary:
        return ProbeSummary(
            system=system,
            from_s=from_s,
            to_s=to_s,
            asked=0,
            answered=0,
            lost=0,
            latency_p50_ms=None,
            latency_max_ms=None,
        )


def signals(host: str, now_s: float) -> Iterator[Signal]:
    """What one healthy host says within seconds: four drives, eight DIMMs, and a chatty kernel."""
    origin = f"ssh://{host}"
    for drive in range(4):
        for fact, value in (
            ("nvme.available_spare_percent", 100.0),
            ("nvme.available_spare_threshold_percent", 10.0),
            ("nvme.percentage_used", 3.0),
            ("nvme.media_errors", 0.0),
            ("nvme.critical_warning", 0.0),
            ("nvme.temperature_celsius", 40.0),
        ):
            yield Reading(
                host=host, source=Source.SMART, at_s=now_s, component=f"nvme{drive}", fact=fact, value=value
            )
    for dimm in range(8):
        yield Reading(
            host=host,
            source=Source.EDAC,
            at_s=now_s,
            component=f"DIMM_A{dimm}",
            fact="edac.ce_count",
            value=0.0,
        )
    for number in range(10):
        yield LogLine(
            host=host,
            source=Source.KERNEL_LOG,
            at_s=now_s,
            text=f"br0: port {number}(vnet{number}) entered forwarding state",
            origin=origin,
        )


def failing_drive(host: str, now_s: float) -> list[Signal]:
    return [
        Reading(
            host=host,
            source=Source.SMART,
            at_s=now_s,
            component="nvme0",
            fact="nvme.critical_warning",
            value=1.0,
        ),
        Reading(
            host=host,
            source=Source.SMART,
            at_s=now_s,
            component="nvme0",
            fact="nvme.available_spare_percent",
            value=8.0,
        ),
        LogLine(
            host=host,
            source=Source.KERNEL_LOG,
            at_s=now_s,
            text="nvme nvme0: critical warning 0x01: available spare below threshold",
            origin=f"ssh://{host}",
        ),
    ]


def build(site: SiteView, store: Store, clock: SimClock) -> Loop:
    engine = Engine(knowledge())
    for system in site.systems:
        store.put_system(system)
    compute = SimCompute(site.hosts, clock=clock)
    for view in site.seen:
        for vm in view.vms:
            compute.add(view.name, vm)
    return Loop(
        ledger=SiteLedger(site.hosts, store),
        store=store,
        chronicle=Chronicle(store, clock),
        compute=compute,
        window=SignalWindow(engine.interesting),
        engine=engine,
        policy=default_policy(),
        probes=NoProbes(),
        runner=NoRunner(),
        clock=clock,
        look_timeout_s=5.0,
        turn_s=1.0,
    )


async def measure(loop: Loop) -> tuple[float, float]:
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    await loop.turn()
    return time.perf_counter() - wall_s, time.process_time() - cpu_s


async def bench(hosts: int, vms: int, turns: int, folder: Path) -> Result:
    clock, store = SimClock(), Store(folder / "bench.sqlite")
    site = big_site(hosts, vms, seed=1, at_s=clock.now_s())
    loop = build(site, store, clock)
    names = [host.name for host in site.hosts]
    taken: dict[str, list[tuple[float, float]]] = {"first": [await measure(loop)]}
    for turn in range(turns):
        clock.advance(5)
        taken.setdefault("quiet", []).append(await measure(loop))
        clock.advance(5)
        for name in names:
            loop.add(list(signals(name, clock.now_s())))
        taken.setdefault("busy", []).append(await measure(loop))
        clock.advance(5)
        for name in names:
            loop.add(list(signals(name, clock.now_s())))
        loop.add(failing_drive(names[turn], clock.now_s()))
        taken.setdefault("fault", []).append(await measure(loop))
    return Result(
        wall_s={kind: statistics.median(wall for wall, _ in pairs) for kind, pairs in taken.items()},
        cpu_s={kind: statistics.median(cpu for _, cpu in pairs) for kind, pairs in taken.items()},
        slowest_s=max(wall for kind, pairs in taken.items() if kind != "first" for wall, _ in pairs),
        plans_made=sum(bool(status.plan.steps) for status in store.plans(hosts)),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--hosts", type=int, default=64)
    parser.add_argument("--vms", type=int, default=2000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if not 1 <= args.turns <= args.hosts // 2:
        parser.error(f"--turns must be 1..{args.hosts // 2}: each one breaks another host")
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(bench(args.hosts, args.vms, args.turns, Path(folder)))
    if args.json:
        print(json.dumps({**vars(args), **asdict(result)}))
    else:
        print(f"{args.hosts} hosts, {args.vms} VMs, medians of {args.turns} turns of each kind:")
        for kind, wall_s in result.wall_s.items():
            print(f"  {kind:8} {wall_s:8.3f} s   (CPU {result.cpu_s[kind]:.3f} s)")
        print(f"  slowest after the first: {result.slowest_s:.3f} s  (target {TARGET_S:g} s)")
        print(f"  plans made: {result.plans_made} of {args.turns} hosts that failed")
    return 0 if result.plans_made == args.turns and result.slowest_s <= TARGET_S else 1


if __name__ == "__main__":
    sys.exit(main())
