# -*- test-case-name: tests.trust.test_credentials -*-
"""A certificate chain with its private key, as values and as PEM files."""

from __future__ import annotations

import os
import stat
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from attrs import field, frozen
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from diglett.errors import UsageError
from diglett.trust.pins import parsePin, pinOf

__all__ = ["Credentials", "loadCertificates", "loadCredentials", "parsePin", "pinOf"]

MAX_FILE = 1024 * 1024
"""Bytes of a PEM file that are read; a larger one is surely something else."""

SOON = timedelta(days=7)
"""An expiry nearer than this earns a warning."""


@frozen
class Source:
    """The files some credentials came from, and what they looked like just before."""

    certificateFile: Path
    privateKeyFile: Path
    stamp: tuple[Any, ...] = field(repr=False)

    @classmethod
    def of(cls, certificateFile: Path, privateKeyFile: Path) -> Source:
        """Look at the files as they are now."""
        stamp = (stampOf(certificateFile), stampOf(privateKeyFile))
        return cls(certificateFile, privateKeyFile, stamp)


@frozen
class Credentials:
    """Whoever has these can prove to be `names`: certificates, the leaf first, and its key."""

    chain: tuple[x509.Certificate, ...]
    key: Any = field(repr=False)
    source: Source | None = None

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate of the key itself."""
        return self.chain[0]

    @property
    def pin(self) -> str:
        """The fingerprint of the key."""
        return pinOf(self.leaf)

    @property
    def names(self) -> tuple[str, ...]:
        """The DNS names of the certificate in lower case, wildcards among them; no addresses."""
        try:
            found = self.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except (x509.ExtensionNotFound, ValueError):
            return ()
        return tuple(name.lower() for name in found.value.get_values_for_type(x509.DNSName))

    def warnings(self, now: datetime | None = None) -> list[str]:
        """Say what is wrong with them without being an error, a sentence for each."""
        now = now or datetime.now(timezone.utc)
        where = self.source.certificateFile if self.source else "the certificate"
        starts, ends = self.leaf.not_valid_before_utc, self.leaf.not_valid_after_utc
        found = []
        if now >= ends:
            found.append(f"{where} expired on {ends:%Y-%m-%d}: nobody will trust it")
        elif now + SOON >= ends:
            found.append(f"{where} expires soon, on {ends:%Y-%m-%d %H:%M} UTC")
        if now < starts:
            found.append(f"{where} is not valid before {starts:%Y-%m-%d %H:%M} UTC")
        if self.source and _isOpen(self.source.privateKeyFile):
            keyFile = self.source.privateKeyFile
            found.append(f"everybody on this machine can read {keyFile}: chmod 600 {keyFile}")
        return found

    def reloaded(self) -> Credentials:
        """
        Read the files again if they changed; give back the same object if not.

        Raises UsageError, for instance when only one of the two was replaced yet.
        """
        source = self.source
        if source is None or Source.of(source.certificateFile, source.privateKeyFile) == source:
            return self
        return loadCredentials(source.certificateFile, source.privateKeyFile)


def loadCredentials(
    certificateFile: str | os.PathLike[str], privateKeyFile: str | os.PathLike[str] | None = None
) -> Credentials:
    """
    Read a PEM chain and its PEM key, which may be in the same file.

    Raises UsageError, naming the file and what is wrong with it.
    """
    certificatePath = Path(certificateFile).expanduser()
    keyPath = Path(privateKeyFile).expanduser() if privateKeyFile else certificatePath
    source = Source.of(certificatePath, keyPath)
    certificates = loadCertificates(certificatePath)
    key = loadKey(keyPath)
    own = [c for c in certificates if sameKey(c, key)]
    if not own:
        raise UsageError(f"the private key in {keyPath} is not that of {certificatePath}")
    # Some tools write the chain upside down; TLS wants the leaf first.
    rest = [c for c in certificates if c is not own[0]]
    return Credentials((own[0], *rest), key, source)


def loadCertificates(path: Path) -> list[x509.Certificate]:
    """Read every certificate of a PEM file, at least one. Raises UsageError."""
    data = readFile(path)
    if b"-----BEGIN CERTIFICATE-----" not in data:
        raise UsageError(f"there is no PEM certificate in {path}")
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise UsageError(f"cannot understand the certificate in {path}: {error}") from None


def loadKey(path: Path) -> Any:
    """Read the private key of a PEM file. Raises UsageError."""
    data = readFile(path)
    if b"PRIVATE KEY-----" not in data:
        raise UsageError(f"there is no PEM private key in {path}")
    try:
        return load_pem_private_key(data, password=None)
    except TypeError:
        raise UsageError(
            f"the private key in {path} is protected by a pass phrase, and nobody is there to"
            f" type it: store one without (openssl pkey -in {path} -out FILE)"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError(f"cannot understand the private key in {path}") from None


def readFile(path: Path) -> bytes:
    """Read a small file. Raises UsageError with the reason in words."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if len(data) > MAX_FILE:
        raise UsageError(f"{path} is too large to be a certificate or a key")
    return data


def sameKey(certificate: x509.Certificate, key: Any) -> bool:
    """True if `key` is the private key of the certificate."""
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    try:
        own = certificate.public_key().public_bytes(*form)
        return bool(own == key.public_key().public_bytes(*form))
    except (ValueError, UnsupportedAlgorithm):
        return False  # a kind of key in the chain that this cryptography does not know


def stampOf(path: Path) -> tuple[int, ...] | None:
    """Give something that differs once the file has been written or replaced."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev


def _isOpen(path: Path) -> bool:
    """True if everybody may read the file."""
    try:
        return os.name == "posix" and bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False
