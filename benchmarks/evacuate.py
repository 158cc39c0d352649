"""Evacuating N VMs: by Shuishan's drain, and by the same migrations with bare virsh, in turn.

    python benchmarks/evacuate.py [--vms 4] [--runs 3] [--json]     needs a lab that is up

Same VMs, same flags, same targets, one at a time. Ours is timed from the API request to the end of the
plan; virsh from its first command to the end of its last.
"""

import argparse
import time

from on_the_lab import LAYOUT, connect, ended, idle_system, median, remove, show, timed, virsh
from shuishan.front.api.client import Client
from shuishan.model.status import PlanStatus

SETTLE_S = 45.0
FLAGS = ("--live", "--p2p", "--persistent", "--undefinesource", "--unsafe", "--tls", "--abort-on-error")


def gather(api: Client, host: str) -> None:
    """Bring every VM to `host` by draining the others."""
    api.uncordon(host)
    others = [other for other in LAYOUT.hosts if other != host]
    for other in others:
        api.cordon(other)
    for other in others:
        ended(api, api.drain(other))
    for other in others:
        api.uncordon(other)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vms", type=int, default=4)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ours: list[float] = []
    bare: list[float] = []
    spec = idle_system("evac", options.vms, 160)
    with connect() as api:
        ended(api, api.apply_system(spec))
        time.sleep(SETTLE_S)  # VMs that still boot write all their memory anew, and slow whoever comes first
        for _ in range(options.runs):
            gather(api, "h1")
            plan: list[PlanStatus] = []
            ours.append(timed(lambda: plan.append(ended(api, api.drain("h1")))))  # noqa: B023  run at once
            moves = [step.params for step in plan[0].plan.steps if step.action == "vm.move"]
            gather(api, "h1")

            def by_hand() -> None:
                for move in moves:  # noqa: B023  run at once
                    uri = f"qemu+tls://{LAYOUT.host_address(move['target'])}/system"
                    virsh("h1", "migrate", *FLAGS, move["vm"], uri)

            bare.append(timed(by_hand))
        api.uncordon("h1")
        remove(api, spec.name)
    figures: dict[str, object] = {
        "shuishan drain, median s": round(median(ours), 2),
        "virsh migrate, median s": round(median(bare), 2),
        "ratio (1.10 is the goal)": round(median(ours) / median(bare), 2),
        "VMs": options.vms,
        "runs": options.runs,
    }
    show(f"evacuate {options.vms} VMs, one at a time", figures, options.json)


if __name__ == "__main__":
    main()
