"""The site CA, tried by real TLS handshakes."""

import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest

from shuishan.base import pki


def handshake(folder: Path, server: pki.KeyPair, client: pki.KeyPair | None, ca: pki.KeyPair) -> str:
    """Common name that a server demanding certificates saw; raises ssl.SSLError when either refused."""
    (folder / "ca.pem").write_text(ca.certificate)
    there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    there.verify_mode = ssl.CERT_REQUIRED
    here = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    there.load_verify_locations(folder / "ca.pem")
    for context, pair, name in ((there, server, "server"), (here, client, "client")):
        if pair:
            pki.write_pair(pair, folder / f"{name}.crt", folder / f"{name}.key")
            context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    near, far = socket.socketpair()
    seen: list[str] = []

    def serve() -> None:
        try:
            with there.wrap_socket(far, server_side=True) as wrapped:
                subject = (wrapped.getpeercert() or {})["subject"]
                seen.extend(value for field in subject for key, value in field if key == "commonName")
                wrapped.send(b"x")
        except ssl.SSLError:
            far.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with here.wrap_socket(near, server_hostname="10.0.0.1") as wrapped:
            wrapped.recv(1)
    finally:
        thread.join()
    if not seen:
        raise ssl.SSLError("the server refused the client")
    return seen[0]


CA = pki.new_ca("site CA")
SERVER = pki.new_leaf(CA, "h1", addresses=["10.0.0.1"])


def test_leaf_serves_and_asks(tmp_path: Path) -> None:
    assert handshake(tmp_path, SERVER, pki.new_leaf(CA, "control"), CA) == "control"


@pytest.mark.parametrize(
    ("server", "client"),
    [
        (pki.new_leaf(CA, "h1", addresses=["10.0.0.2"]), pki.new_leaf(CA, "control")),
        (pki.new_leaf(pki.new_ca("site CA"), "h1", addresses=["10.0.0.1"]), pki.new_leaf(CA, "control")),
        (SERVER, pki.new_leaf(pki.new_ca("site CA"), "control")),
        (SERVER, None),
    ],
    ids=["other address", "server of another CA", "client of another CA", "no client certificate"],
)
def test_strangers_are_refused(tmp_path: Path, server: pki.KeyPair, client: pki.KeyPair | None) -> None:
    with pytest.raises(OSError):  # ssl.SSLError and resets of the connection are both OSError
        handshake(tmp_path, server, client, CA)


def test_address_must_be_one() -> None:
    with pytest.raises(ValueError, match="h1"):
        pki.new_leaf(CA, "h1", addresses=["h1"])


def test_files_are_for_their_owner_only_and_replaced(tmp_path: Path) -> None:
    certificate, key = tmp_path / "deep/a.crt", tmp_path / "deep/a.key"
    pki.write_pair(CA, certificate, key)
    pki.write_pair(SERVER, certificate, key)
    assert pki.read_pair(certificate, key) == SERVER
    assert {stat.S_IMODE(path.stat().st_mode) for path in (certificate, key)} == {0o600}
    assert sorted(path.name for path in certificate.parent.iterdir()) == ["a.crt", "a.key"]


def test_key_is_not_shown() -> None:
    assert "PRIVATE" not in repr(CA)
