"""Certificates for one run: a small authority and what it signs, all ECDSA P-256."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import Sequence

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# No *.localhost: service-identity refuses a certificate with a wildcard that broad.
NAMES = ("localhost", "load.localhost", "web.localhost")


@frozen
class Certificates:
    """Files: the authority, the leaf with its key, both in one, and a folder with a self-signed pair."""

    authority: Path
    certificate: Path
    key: Path
    bundle: Path
    selfSigned: Path

    @classmethod
    def make(cls, folder: Path, addresses: Sequence[str]) -> Certificates:
        """Write all for the names above and these addresses."""
        ownKey = ec.generate_private_key(ec.SECP256R1())
        own = _certificate("diglett benchmark", ownKey, None, (), authority=True)
        leafKey = ec.generate_private_key(ec.SECP256R1())
        leaf = _certificate("localhost", leafKey, (own, ownKey), addresses)
        selfSigned = folder / "selfsigned"
        selfSigned.mkdir()
        loneKey = ec.generate_private_key(ec.SECP256R1())
        lone = _certificate("localhost", loneKey, None, addresses)
        (selfSigned / "cert.pem").write_bytes(_pem(lone))
        _writeKey(selfSigned / "key.pem", loneKey)
        made = cls(folder / "ca.pem", folder / "cert.pem", folder / "key.pem", folder / "bundle.pem", selfSigned)
        made.authority.write_bytes(_pem(own))
        made.certificate.write_bytes(_pem(leaf))
        _writeKey(made.key, leafKey)
        made.bundle.write_bytes(_pem(leaf) + made.key.read_bytes())
        made.bundle.chmod(0o600)
        return made


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _writeKey(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
    addresses: Sequence[str],
    authority: bool = False,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    signer = key if issuer is None else issuer[1]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if authority:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        return builder.add_extension(usage, critical=True).sign(signer, hashes.SHA256())
    names: list[x509.GeneralName] = [x509.DNSName(each) for each in NAMES]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    return (
        builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(signer, hashes.SHA256())
    )
