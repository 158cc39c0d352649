"""From the fault to the first migration, on the real lab with the hospital system running.

    python benchmarks/reaction.py [--runs 20] [--json]     needs a lab that is up, with its system: ./run

Each run breaks the PCIe link of the host that carries the database (an uncorrectable error in the kernel
log), waits for the first move to start, then repairs. The clock starts when the kernel writes the line
(its own timestamp); the part that is ours ends when the plan is made.
"""

import argparse
import asyncio
import time

from on_the_lab import LAYOUT, connect, ended, median, percentile, show
from shuishan.front.api.client import Client
from shuishan.lab.faults import heal, inject
from shuishan.model.plan import StepState
from shuishan.model.status import PlanStatus

FAULT = "pcie_uncorrectable_nonfatal"
ISSUE = "pcie.uncorrectable_error"


def answer_to(api: Client, host: str, known: set[str], deadline_s: float = 60) -> tuple[float, PlanStatus]:
    """(when the kernel logged it, the plan that answers it) as soon as its first move has started."""
    end_s = time.monotonic() + deadline_s
    while time.monotonic() < end_s:
        site = api.site()
        for status in site.plans:
            started = any(
                receipt.state is not StepState.PENDING
                for receipt in status.receipts
                for step in status.plan.steps
                if step.id == receipt.step and step.action == "vm.move"
            )
            signs = [
                evidence.at_s
                for finding in site.diagnosis.findings
                if finding.id in status.plan.because and finding.issue == ISSUE
                for evidence in finding.evidence
            ]
            if status.plan.subject == f"host/{host}" and status.plan.id not in known and started and signs:
                return min(signs), status
        time.sleep(0.05)
    raise TimeoutError(f"no move off {host} within {deadline_s:g} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    to_plan: list[float] = []
    to_move: list[float] = []
    with connect() as api:
        for _ in range(options.runs):
            site = api.site()
            host = next(vm.host for system in site.systems for vm in system.vms if vm.name == "his-db")
            assert host is not None
            known = {status.plan.id for status in site.plans}
            injected = asyncio.run(inject(LAYOUT, host, FAULT))
            logged_s, plan = answer_to(api, host, known)
            move = next(step.id for step in plan.plan.steps if step.action == "vm.move")
            started_s = next(r.started_at_s for r in plan.receipts if r.step == move)
            assert started_s is not None
            to_plan.append(plan.plan.at_s - logged_s)
            to_move.append(started_s - logged_s)
            ended(api, plan)
            asyncio.run(heal(LAYOUT, injected))
            time.sleep(2.0)  # the proof looks once more
            api.repaired(host)
            api.uncordon(host)
    figures: dict[str, object] = {
        "kernel line to plan, median s": round(median(to_plan), 2),
        "kernel line to plan, p95 s (goal 2.0)": round(percentile(to_plan, 0.95), 2),
        "kernel line to first move, median s": round(median(to_move), 2),
        "kernel line to first move, p95 s": round(percentile(to_move, 0.95), 2),
        "runs": options.runs,
    }
    show("reaction", figures, options.json)


if __name__ == "__main__":
    main()
