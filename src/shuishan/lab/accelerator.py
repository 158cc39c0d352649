"""How guests run on this machine: by its processor (KVM) or emulated (TCG)."""

from pathlib import Path
from typing import Literal

from shuishan.base import shell
from shuishan.model.errors import Silent

Accelerator = Literal["kvm", "tcg"]

# A kernel under KVM is through in about a second; one that hangs costs this much of `lab up`.
PROBE_TIMEOUT_S = 6.0


async def best_accelerator(kernel: Path) -> Accelerator:
    """ "kvm" if a guest really runs under it here, else "tcg".

    A present /dev/kvm proves nothing, and a few instructions of a guest do not either: where nested
    virtualization is broken, real mode runs and a kernel hangs. So a kernel is booted.
    """
    if not Path("/dev/kvm").exists():
        return "tcg"
    return "kvm" if await boots(kernel, "kvm", timeout_s=PROBE_TIMEOUT_S) else "tcg"


async def boots(kernel: Path, accelerator: Accelerator, *, timeout_s: float) -> bool:
    """Does `kernel` come up as far as looking for its root disk, of which there is none?"""
    try:
        done = await shell.run(
            [
                *("qemu-system-x86_64", "-accel", accelerator, "-machine", "q35", "-cpu", "Nehalem"),
                *("-m", "256", "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"),
                # The missing root disk makes the kernel panic, the panic a reboot, and that ends QEMU.
                *("-kernel", kernel, "-append", "console=ttyS0 panic=-1"),
            ],
            timeout_s=timeout_s,
            check=False,
        )
    except (Silent, OSError):
        return False
    return done.returncode == 0 and "Unable to mount root fs" in done.stdout
