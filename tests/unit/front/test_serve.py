"""The API on a real port with TLS: answers the site's CA, and ends when it is told to."""

import asyncio
import datetime
import ipaddress
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.unit.front.house import ValueHouse

from shuishan.front.api.serve import serve
from shuishan.model.errors import BadInput, Conflict

WAIT_S = 20.0


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shuishan test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert_file, key_file


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def test_it_serves_over_tls_and_stops_when_cancelled(pair: tuple[Path, Path]) -> None:
    port = free_port()
    running = asyncio.create_task(serve(ValueHouse(), "127.0.0.1", port, *pair))
    trust = ssl.create_default_context(cafile=str(pair[0]))
    async with asyncio.timeout(WAIT_S), httpx.AsyncClient(verify=trust, trust_env=False) as web:
        while True:
            with suppress(httpx.ConnectError):
                answer = await web.get(f"https://127.0.0.1:{port}/healthz")
                break
            await asyncio.sleep(0.05)
        assert answer.json()["status"] == "ok"
        assert "server" not in answer.headers
        with pytest.raises(Conflict, match="does a server run already"):
            await serve(ValueHouse(), "127.0.0.1", port, *pair)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, WAIT_S)
    assert free_port() > 0


async def test_a_certificate_that_is_none_is_named(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.pem"):
        await serve(ValueHouse(), "127.0.0.1", free_port(), tmp_path / "none.pem", pair[1])
    with pytest.raises(BadInput, match="cannot use certificate"):
        await serve(ValueHouse(), "127.0.0.1", free_port(), pair[1], pair[1])
