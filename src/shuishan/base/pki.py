"""The site's own certificate authority: who may speak to whom inside the data centre.

Certificates are made as PEM text; only `write_pair` touches the disk. Serves the API, libvirt's TLS
transport and the BMCs alike, so the keys are ECDSA P-256, which GnuTLS and OpenSSL both take.
"""

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_VALID_DAYS = 3650
LEAF_VALID_DAYS = 825
_BACKDATED = dt.timedelta(hours=1)  # clocks inside a data centre differ


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, both PEM. The key is unencrypted: keep files at 0600."""

    certificate: str
    key: str

    def __repr__(self) -> str:
        return "KeyPair(…)"  # never a key in a log


def new_ca(name: str) -> KeyPair:
    """A self-signed authority called `name`, valid for CA_VALID_DAYS."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _named(name)
    usage = _key_usage(digital_signature=True, key_cert_sign=True, crl_sign=True)
    builder = (
        _builder(subject, subject, key.public_key(), CA_VALID_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _pair(builder.sign(key, hashes.SHA256()), key)


def new_leaf(
    ca: KeyPair, name: str, *, dns_names: Sequence[str] = (), addresses: Sequence[str] = ()
) -> KeyPair:
    """A certificate for one server or client, signed by `ca`; usable as either.

    name:      common name, e.g. "h1"; libvirt may admit clients by it
    addresses: IP addresses, put into the certificate beside the DNS names
    Raises ValueError when an address is none.
    """
    authority = x509.load_pem_x509_certificate(ca.certificate.encode())
    signer = serialization.load_pem_private_key(ca.key.encode(), password=None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise ValueError("the authority's key is not an elliptic-curve key")
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives = [
        *(x509.DNSName(each) for each in dns_names),
        *(x509.IPAddress(ipaddress.ip_address(each)) for each in addresses),
    ]
    # libvirt's live migration makes each daemon the client of the next: one certificate, both purposes.
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = (
        _builder(_named(name), authority.subject, key.public_key(), LEAF_VALID_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True, key_encipherment=True), critical=True)
        .add_extension(purposes, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return _pair(builder.sign(signer, hashes.SHA256()), key)


def write_pair(pair: KeyPair, certificate: Path, key: Path) -> None:
    """Write both files, readable by their owner only; each is replaced whole or not at all."""
    for path, text in ((certificate, pair.certificate), (key, pair.key)):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        fresh.unlink(missing_ok=True)
        # Created 0600: a chmod afterwards would leave a moment in which others can read the key.
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        fresh.replace(path)


def read_pair(certificate: Path, key: Path) -> KeyPair:
    """What `write_pair` wrote. Raises OSError when a file is missing."""
    return KeyPair(certificate.read_text("ascii"), key.read_text("ascii"))


def _named(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Shuishan"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, valid_days: int
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + dt.timedelta(days=valid_days))
    )


def _key_usage(
    *,
    digital_signature: bool,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
    pem = serialization.Encoding.PEM
    return KeyPair(
        certificate.public_bytes(pem).decode(),
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode(),
    )
