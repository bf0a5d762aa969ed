# -*- test-case-name: tests.trust.test_clients -*-
"""Client certificates (mTLS): who may sign them, and whose one is."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen
from cryptography import x509
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from diglett.trust.contexts import peerCertificate
from diglett.trust.credentials import loadCertificates, stampOf


@frozen
class ClientAuthorities:
    """Who may vouch for agents: a PEM file and what it held when it was read."""

    file: Path
    certificates: tuple[x509.Certificate, ...]
    stamp: tuple[int, ...] | None

    @classmethod
    def load(cls, file: Path) -> ClientAuthorities:
        """Read the file. Raises UsageError."""
        stamp = stampOf(file)
        return cls(file, tuple(loadCertificates(file)), stamp)

    def reloaded(self) -> ClientAuthorities:
        """Read the file again if it changed; give back the same object if not."""
        return self if stampOf(self.file) == self.stamp else self.load(self.file)


def clientNameOf(connection: SSL.Connection) -> str | None:
    """
    Give the name in the client certificate that the handshake verified: its only
    common name, else its first e-mail address, else its first DNS name.

    None when there was no certificate, or none of these in it.
    """
    certificate = peerCertificate(connection)
    if certificate is None:
        return None
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if common:
        return str(common[0].value) if len(common) == 1 else None
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return None
    mails = found.get_values_for_type(x509.RFC822Name)
    names = [*mails, *found.get_values_for_type(x509.DNSName)]
    return names[0] if names else None
