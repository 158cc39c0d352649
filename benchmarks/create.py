"""Creating and starting a VM: through Shuishan, and by bare `virsh define && virsh start`, in turn.

    python benchmarks/create.py [--runs 7] [--json]        needs a lab that is up: shuishan lab up

Both make the disk, define the domain and start it, with the same XML over the same TLS connection. Ours
is timed from the API request to the end of the start step, with placement, premises and durable journal.
"""

import argparse
import asyncio

from on_the_lab import LAYOUT, connect, ended, idle_system, median, remove, show, timed, virsh
from shuishan.app.settings import read_site_file
from shuishan.base.compute.libvirt_xml import domain_xml
from shuishan.base.storage.qcow2 import Qcow2Pool
from shuishan.lab.control import site_path
from shuishan.model.site import VmSpec
from shuishan.model.status import PlanStatus


def by_virsh(vm: VmSpec, host: str) -> float:
    """Seconds for disk, define and start."""
    site = read_site_file(site_path(LAYOUT))
    pool = Qcow2Pool(site.compute.pool_dir, site.compute.images)
    file = LAYOUT.root / f"{vm.name}.xml"

    def work() -> None:
        disk = asyncio.run(pool.make(vm.name, vm.disks[0]))
        image = pool.image(vm.disks[0].image)
        xml = domain_xml(vm, "bench", image, [disk], accelerator=site.compute.accelerator, bridge="br0")
        file.write_text(xml)
        virsh(host, "define", str(file))
        virsh(host, "start", vm.name)

    took_s = timed(work)
    virsh(host, "destroy", vm.name)
    virsh(host, "undefine", vm.name)
    pool.delete(vm.name)
    file.unlink()
    return took_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ours: list[float] = []
    bare: list[float] = []
    with connect() as api:
        for run in range(options.runs):
            spec = idle_system(f"bench{run}", 1, 150)
            plans: list[PlanStatus] = []
            ours.append(timed(lambda: plans.append(ended(api, api.apply_system(spec)))))  # noqa: B023  run at once
            host = next(step.params["host"] for step in plans[0].plan.steps if "host" in step.params)
            remove(api, spec.name)
            bare.append(by_virsh(spec.vms[0], host))
    figures: dict[str, object] = {
        "shuishan, median s": round(median(ours), 2),
        "virsh define && start, median s": round(median(bare), 2),
        "ratio (1.10 is the goal)": round(median(ours) / median(bare), 2),
        "runs": options.runs,
    }
    show("create and start one VM", figures, options.json)


if __name__ == "__main__":
    main()
