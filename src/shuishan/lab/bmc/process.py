"""Start and stop the BMC process of a lab, with its password and certificate."""

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shuishan.base import shell
from shuishan.lab.bmc.control import control_socket
from shuishan.lab.layout import LabLayout
from shuishan.model.errors import Silent

START_DEADLINE_S = 30
_VALID_DAYS = 30


def password_file(layout: LabLayout) -> Path:
    """Password of user `admin` on every BMC of this lab (mode 0600)."""
    return layout.root / "bmc_password"


def certificate_files(layout: LabLayout) -> tuple[Path, Path]:
    """Certificate and key of the BMCs; whoever sets up the lab may put its own there first."""
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
    """Certificate and key of the BMCs; a self-signed pair for all their addresses if none is there."""
    certificate, key = certificate_files(layout)
    if certificate.exists() and key.exists():
        return certificate, key
    certificate.parent.mkdir(parents=True, exist_ok=True)
    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab BMC")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=_VALID_DAYS))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ip_address(layout.bmc_address(host))) for host in layout.hosts]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(secret, hashes.SHA256())
    )
    key.touch(mode=0o600)
    key.write_bytes(
        secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
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
        if time.monotonic() > deadline or bmc_pid(layout) is None:
            log = (layout.root / "bmc.log").read_text(errors="replace")[-600:]
            raise Silent(f"the BMC process did not come up: {log}", subject="bmc")
        await asyncio.sleep(0.1)


async def stop_bmc(layout: LabLayout) -> None:
    """End the BMC process; not running is fine."""
    pid = bmc_pid(layout)
    if pid is None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    while bmc_pid(layout) is not None:  # noqa: ASYNC110 - SIGKILL is not refused, only slow
        await asyncio.sleep(0.05)
