# -*- test-case-name: tests.trust.test_authority -*-
"""
The local CA: certificates for the zero-configuration case.

Nobody signs `*.localhost`, and neither browsers nor curl nor OpenSSL accept
such a wildcard (too few dots), so a certificate is made for each name when a
visitor first asks for it. All of them share one key, which is kept, so that
the fingerprint people pin stays the same over restarts.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from attrs import field, frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from diglett.errors import UsageError
from diglett.state import PUBLIC, createPrivate, ensureFolder
from diglett.trust.credentials import Credentials, loadCertificates, loadKey, sameKey

CERTIFICATE = "ca.pem"
"""The file, in the state folder, that visitors and agents may trust."""

AUTHORITY_LIFE = timedelta(days=3652)

LEAF_LIFE = timedelta(days=90)
"""Well below the 397 days browsers allow; they are made anew by the running gateway."""

BACKDATED = timedelta(hours=1)
"""For clients whose clock is behind."""


@frozen
class LocalAuthority:
    """A CA of our own, and the key that all its leaves are for."""

    certificate: x509.Certificate
    certificateFile: Path
    _key: Any = field(repr=False)
    _leafKey: Any = field(repr=False)
    _clock: Callable[[], float] = field(default=time.time, repr=False)

    @classmethod
    def open(cls, folder: Path, clock: Callable[[], float] = time.time) -> LocalAuthority:
        """
        Take the CA in the folder (`ca.pem`, `ca.key`, `gateway.key`); make what is missing.

        Processes that start together end with the same files: the key comes
        first, only one process can create it, and whatever certificate wins
        afterwards was made with that key.

        `clock` gives seconds since the epoch. Raises UsageError when the files
        cannot be used, saying which.
        """
        try:
            return cls._open(ensureFolder(folder), clock)
        except OSError as error:
            raise UsageError(
                f"cannot keep a local CA in {folder}: {error.strerror or error}"
            ) from None

    @classmethod
    def _open(cls, folder: Path, clock: Callable[[], float]) -> LocalAuthority:
        certificateFile, keyFile = folder / CERTIFICATE, folder / "ca.key"
        # In this order: a certificate that is there has had its key before.
        if certificateFile.exists() and not keyFile.exists():
            raise UsageError(
                f"{keyFile} is missing although {certificateFile} is there:"
                " put it back, or remove the other one to get a new local CA"
            )
        key = _keptKey(keyFile)
        now = _moment(clock)
        if not certificateFile.exists():
            createPrivate(certificateFile, _pem(_selfSigned(key, now)), mode=PUBLIC)
        certificate = loadCertificates(certificateFile)[0]
        cure = f"remove both {certificateFile} and {keyFile} to get a new local CA"
        if not sameKey(certificate, key):
            raise UsageError(f"{keyFile} is not the key of {certificateFile}: {cure}")
        if now >= certificate.not_valid_after_utc:
            raise UsageError(
                f"{certificateFile} expired on {certificate.not_valid_after_utc:%Y-%m-%d}: {cure}"
            )
        leafKey = _keptKey(folder / "gateway.key")
        return cls(certificate, certificateFile, key, leafKey, clock)

    def issue(self, names: Sequence[str]) -> Credentials:
        """
        Make a server certificate for these DNS names and IP addresses, valid for 90 days.

        Raises ValueError for something that is neither.
        """
        now = _moment(self._clock)
        ends = min(now + LEAF_LIFE, self.certificate.not_valid_after_utc)
        key = self._leafKey.public_key()
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            _builder(_named("diglett gateway"), key, now, ends)
            .issuer_name(self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(issuer, critical=False)
            .add_extension(
                x509.SubjectAlternativeName([_general(n) for n in names]), critical=False
            )
        )
        # The CA itself is not sent: whoever trusts it has it already.
        return Credentials((builder.sign(self._key, hashes.SHA256()),), self._leafKey)


def _keptKey(path: Path) -> Any:
    """Read a key, or be the one process that makes it."""
    if not path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        createPrivate(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return loadKey(path)


def _selfSigned(key: Any, now: datetime) -> x509.Certificate:
    """Make the certificate of the CA, which may sign leaves but no further CA."""
    subject = _named(f"diglett local CA ({_whoWhere()})")
    return (
        _builder(subject, key.public_key(), now, now + AUTHORITY_LIFE)
        .issuer_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, key: Any, now: datetime, ends: datetime
) -> x509.CertificateBuilder:
    """Begin a certificate with what every one of ours has."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(**wanted: bool) -> x509.KeyUsage:
    """Allow a key these uses and no other."""
    uses = (
        "digital_signature content_commitment key_encipherment data_encipherment"
        " key_agreement key_cert_sign crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{use: wanted.get(use, False) for use in uses.split()})


def _general(name: str) -> x509.GeneralName:
    """Turn text into an address or a DNS name."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name.lower())


def _named(commonName: str) -> x509.Name:
    """Make a distinguished name of one common name, which X.509 limits to 64 characters."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, commonName[:64])])


def _whoWhere() -> str:
    """Say whose CA this is, for the list of authorities in a browser."""
    import getpass

    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # an account without a name, in a container
        user = "somebody"
    return f"{user}@{socket.gethostname()}"


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _moment(clock: Callable[[], float]) -> datetime:
    """Give the time in whole seconds, all that a certificate can hold."""
    return datetime.fromtimestamp(int(clock()), timezone.utc)
