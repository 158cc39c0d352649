"""Start and stop the BMC process of a lab, with its password and certificate."""

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import time
from pathlib import Path

from shuishan.base import pki, shell
from shuishan.lab.bmc.control import control_socket
from shuishan.lab.layout import LabLayout
from shuishan.model.errors import Silent

START_DEADLINE_S = 30


def password_file(layout: LabLayout) -> Path:
    """Password of user `admin` on every BMC of this lab (mode 0600)."""
    return layout.root / "bmc_password"


def certificate_files(layout: LabLayout) -> tuple[Path, Path]:
    """Certificate (with its authority's) and key of the BMCs."""
    return layout.pki_dir / "bmc.crt", layout.pki_dir / "bmc.key"


def ensure_password(layout: LabLayout) -> str:
    """The lab's BMC password, made now if there is none yet."""
    path = password_file(layout)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(18))
    return path.read_text().strip()


def ensure_certificate(layout: LabLayout) -> tuple[Path, Path]:
    """Certificate and key of the BMCs, made now if there are none yet.

    Signed by the lab's authority (by one of their own where the lab has none), whose certificate is in
    the same file: it serves as chain and as what clients trust.
    """
    certificate, key = certificate_files(layout)
    if not (certificate.exists() and key.exists()):
        authority = layout.pki_dir / "ca.crt", layout.pki_dir / "ca.key"
        ca = pki.read_pair(*authority) if authority[1].exists() else pki.new_ca("lab BMC")
        leaf = pki.new_leaf(ca, "bmc", addresses=[layout.bmc_address(host) for host in layout.hosts])
        certificate.parent.mkdir(parents=True, exist_ok=True)
        pki.write_pair(pki.KeyPair(leaf.certificate + ca.certificate, leaf.key), certificate, key)
    return certificate, key


def bmc_pid(layout: LabLayout) -> int | None:
    """Process id of the lab's BMC process, or None when it does not run."""
    try:
        pid = int((layout.root / "bmc.pid").read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if b"shuishan.lab.bmc" in words and str(layout.root).encode() in words else None


async def start_bmc(layout: LabLayout) -> None:
    """Start the BMC process and return once it serves; running already is fine.

    The fabric and the BMCs' addresses must be up. Raises Silent when it does not come up.
    """
    if bmc_pid(layout) is not None:
        return
    ensure_password(layout)
    ensure_certificate(layout)
    control_socket(layout).unlink(missing_ok=True)
    pid = shell.spawn(
        [
            *(sys.executable, "-m", "shuishan.lab.bmc", "--root", layout.root, "--cache", layout.cache),
            *("--prefix", layout.prefix, "--subnet", layout.subnet, "--hosts", ",".join(layout.hosts)),
        ],
        log=layout.root / "bmc.log",
    )
    (layout.root / "bmc.pid").write_text(str(pid))
    deadline = time.monotonic() + START_DEADLINE_S
    while not control_socket(layout).exists():
        # Before the look, not after: for an instant after its start a process has no command line.
        await asyncio.sleep(0.1)
        if time.monotonic() > deadline or bmc_pid(layout) is None:
            log = (layout.root / "bmc.log").read_text(errors="replace")[-600:]
            raise Silent(f"the BMC process did not come up: {log}", subject="bmc")


async def stop_bmc(layout: LabLayout) -> None:
    """End the BMC process; not running is fine."""
    pid = bmc_pid(layout)
    if pid is None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    while bmc_pid(layout) is not None:  # noqa: ASYNC110 - SIGKILL is not refused, only slow
        await asyncio.sleep(0.05)
