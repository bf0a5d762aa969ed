"""Certificates that no decent authority would make."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from diglett.trust.credentials import Credentials


def certificateOf(ca: trustme.CA) -> x509.Certificate:
    """Give the certificate of a CA."""
    return x509.load_pem_x509_certificate(ca.cert_pem.bytes())


def signedByLeaf(issuer: Credentials, name: str) -> Credentials:
    """Make a certificate that a mere leaf signed."""
    alternative = x509.SubjectAlternativeName([x509.DNSName(name)])
    made = _sign([name], issuer.leaf.subject, issuer.key, [alternative])
    return Credentials((*made.chain, *issuer.chain), made.key)


def named(
    ca: trustme.CA, commonNames: list[str], alternatives: list[x509.GeneralName] | None = None
) -> Credentials:
    """Make a certificate with these common names, and alternative ones only if given."""
    signer = load_pem_private_key(ca.private_key_pem.bytes(), None)
    extensions = [x509.SubjectAlternativeName(alternatives)] if alternatives else []
    return _sign(commonNames, certificateOf(ca).subject, signer, extensions)


def _sign(
    commonNames: list[str], issuer: x509.Name, signer: Any, extensions: list[x509.ExtensionType]
) -> Credentials:
    now, key = datetime.now(timezone.utc), ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in commonNames]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(attributes))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return Credentials((builder.sign(signer, hashes.SHA256()),), key)
