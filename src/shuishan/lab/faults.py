"""Every hardware fault of the lab, by name: put it in, take it out."""

from dataclasses import dataclass

from shuishan.lab.fault_bmc import BMC_FAULTS
from shuishan.lab.fault_disk import DISK_FAULTS
from shuishan.lab.fault_kind import FaultKind, Target, Value
from shuishan.lab.fault_memory import MEMORY_FAULTS
from shuishan.lab.fault_system import SYSTEM_FAULTS
from shuishan.lab.layout import LabLayout
from shuishan.model.errors import NotFound

FAULTS: dict[str, FaultKind] = {
    kind.name: kind for kind in (*DISK_FAULTS, *MEMORY_FAULTS, *SYSTEM_FAULTS, *BMC_FAULTS)
}


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that was put in; enough to take it out again."""

    host: str
    fault: str
    params: dict[str, Value]


async def inject(layout: LabLayout, host: str, fault: str, **params: Value) -> Injected:
    """Break one host in one way.

    Raises NotFound for a fault or host that does not exist, BadInput for a parameter it does not
    have, Silent or EngineRefused when the chassis or its BMC is not there to be broken.
    """
    kind, target = _find(layout, host, fault)
    filled = kind.filled(params)
    await kind.inject(target, filled)
    return Injected(host, fault, filled)


async def heal(layout: LabLayout, injected: Injected) -> None:
    """Undo a fault; healing twice, or what was only half put in, is fine. Raises like inject."""
    kind, target = _find(layout, injected.host, injected.fault)
    await kind.heal(target, injected.params)


def _find(layout: LabLayout, host: str, fault: str) -> tuple[FaultKind, Target]:
    if host not in layout.hosts:
        raise NotFound(f"this lab has no host {host}", subject=f"host/{host}")
    if fault not in FAULTS:
        raise NotFound(
            f"the lab knows no fault {fault}; it knows: {', '.join(sorted(FAULTS))}", subject=f"fault/{fault}"
        )
    return FAULTS[fault], Target(layout, host)
