"""Placing displaced VMs: ours against plain first-fit-decreasing, on the same question in the same run.

    python benchmarks/placement.py [--hosts 64] [--vms 2000] [--displaced 200] [--runs 5] [--json]

Time is wall-clock, median over the runs (one seed each), with CPU time beside it for busy machines.
Quality is the price of the placement by the policy's own weights, and in plain numbers: hosts above 85 %
of memory, and VMs that share a rack with another one of their system.
"""

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from big_site import GIB, big_site
from shuishan.catalog.policies import default_policy
from shuishan.decide.greedy import first_fit_decreasing
from shuishan.decide.placement import place
from shuishan.decide.price import price
from shuishan.decide.room import Displaced, Room
from shuishan.decide.rooms import rooms
from shuishan.decide.survey import Survey
from shuishan.decide.turn import Turn

TARGET_S = 2.0
_T = TypeVar("_T")


def question(hosts: int, vms: int, displaced: int, seed: int) -> tuple[list[Displaced], list[Room]]:
    """The VMs of as many hosts as it takes, and the rooms of all hosts with those closed."""
    site = big_site(hosts, vms, seed=seed, at_s=0.0)
    survey = Survey.of(site)
    leaving: list[str] = []
    out: list[Displaced] = []
    for view in site.seen:
        if len(out) >= displaced:
            break
        leaving.append(view.name)
        out += [survey.displaced(vm, view.name) for vm in survey.to_move(view.name)]
    out = out[:displaced]
    turn = Turn(survey, default_policy(), 0.0)
    return out, rooms(turn, leaving=leaving, without={vm.vm for vm in out})


def quality(target: Mapping[str, str], vms: Sequence[Displaced], where: Sequence[Room]) -> dict[str, int]:
    by_host = {room.host: room for room in where}
    used_bytes = {room.host: room.memory_bytes - room.memory_free_bytes for room in where}
    racks: dict[str, Counter[str]] = {}
    for room in where:
        for guest in room.guests:
            racks.setdefault(guest.system or "", Counter())[room.rack] += 1
    for vm in vms:
        used_bytes[target[vm.vm]] += vm.memory_bytes
        racks.setdefault(vm.system or "", Counter())[by_host[target[vm.vm]].rack] += 1
    touched = {vm.system or "" for vm in vms}
    return {
        "hosts_above_85_percent": sum(
            used_bytes[room.host] > 0.85 * room.memory_bytes for room in where if room.closed is None
        ),
        "vms_sharing_a_rack": sum(racks[system].total() - len(racks[system]) for system in touched),
    }


def timed(deed: Callable[[], _T]) -> tuple[_T, float]:
    """What `deed` returns, and the seconds it took."""
    began_s = time.perf_counter()
    result = deed()
    return result, time.perf_counter() - began_s


def tightened(where: Sequence[Room]) -> list[Room]:
    """The same hosts with 4 GiB free each: the question that has to be refused and explained."""
    return [
        replace(room, memory_bytes=room.memory_bytes - room.memory_free_bytes + 4 * GIB) for room in where
    ]


def one_run(vms: Sequence[Displaced], where: Sequence[Room]) -> dict[str, float]:
    rules = default_policy().placement
    plain, plain_s = timed(lambda: first_fit_decreasing(vms, where))
    cpu_began_s = time.process_time()
    ours, ours_s = timed(lambda: place(vms, where, rules))
    ours_cpu_s = time.process_time() - cpu_began_s
    refused, refused_s = timed(lambda: place(vms, tightened(where), rules))
    row: dict[str, float] = {
        "ours_s": ours_s,
        "ours_cpu_s": ours_cpu_s,
        "first_fit_s": plain_s,
        "refused_s": refused_s,
        "refused_misfits": len(refused.misfits),
        "ours_placed": len(ours.target),
        "first_fit_placed": len(plain),
        "ours_proven_best": float(ours.proven),
    }
    for name, target in (("ours", ours.target), ("first_fit", plain)):
        if len(target) == len(vms):
            row[f"{name}_price"] = price(target, vms, where, rules)
            row |= {f"{name}_{key}": value for key, value in quality(target, vms, where).items()}
    return row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--hosts", type=int, default=64)
    parser.add_argument("--vms", type=int, default=2000)
    parser.add_argument("--displaced", type=int, default=200)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    seeds = range(1, args.runs + 1)
    rows = [one_run(*question(args.hosts, args.vms, args.displaced, seed)) for seed in seeds]
    names = [name for name in rows[0] if all(name in row for row in rows)]
    middle = {name: statistics.median(row[name] for row in rows) for name in names}
    slowest_s = max(max(row["ours_s"], row["refused_s"]) for row in rows)
    ratio = middle["ours_s"] / middle["first_fit_s"]
    if args.json:
        print(json.dumps({"median": middle, "slowest_s": slowest_s, "time_ratio": ratio, **vars(args)}))
    else:
        print(
            f"{args.displaced} of {args.vms} VMs displaced, {args.hosts} hosts; medians of {args.runs} runs:"
        )
        for name, value in middle.items():
            print(f"  {name:36} {value:12.4f}")
        print(f"  time ours / first fit                {ratio:12.0f}")
        print(f"  slowest placement or refusal, s      {slowest_s:12.4f}  (target {TARGET_S:g})")
    return 0 if slowest_s <= TARGET_S else 1


if __name__ == "__main__":
    sys.exit(main())
