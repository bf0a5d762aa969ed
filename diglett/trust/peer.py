# -*- test-case-name: tests.trust.test_client -*-
"""The dialling side of TLS: a peer is verified during the handshake, and again after it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from cryptography import x509
from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_ip_address
from service_identity.hazmat import DNS_ID, DNSPattern, verify_service_identity

from diglett.errors import Refused
from diglett.trust.contexts import makeContext, peerCertificate, trust, trustSystem
from diglett.trust.credentials import Credentials, loadCertificates, stampOf
from diglett.trust.hosts import hostIdentity
from diglett.trust.pins import isPinned, parsePin, pinOf
from diglett.trust.reasons import alertReason, chainReason, failedVerification, namesIn


class PeerTrust:
    """
    Whom to believe that it is `host` (a DNS name or an IP address).

    With `pins` the peer's key must be one of them, and nothing else counts.
    Otherwise its certificate must be for `host` and come from an authority:
    those in the file `ca` alone when that is given, else the system's and
    those in the file `localCa`, if it exists by then. Both files are read
    again when they changed.

    All of it is judged inside the handshake, so a peer that is not trusted
    gets neither data nor our client certificate (`credentials`). With
    `verifies` off everybody is believed.

    Raises UsageError for a host or a pin that cannot be one.
    """

    def __init__(
        self,
        host: str,
        *,
        ca: str | Path | None = None,
        pins: Sequence[str] = (),
        localCa: str | Path | None = None,
        credentials: Credentials | None = None,
        alpn: Sequence[bytes] | None = None,
        verifies: bool = True,
        modern: bool = True,
    ) -> None:
        self.host = host
        self._address, self._name = hostIdentity(host)
        self._ca = Path(ca).expanduser() if ca else None
        self._pins = tuple(parsePin(pin) for pin in pins)
        self._localCa = Path(localCa).expanduser() if localCa else None
        self._credentials = credentials
        self._alpn = list(alpn or ())
        self._verifies = verifies
        self._modern = modern
        self._made: tuple[object, SSL.Context] | None = None
        self._chainProblems: WeakKeyDictionary[SSL.Connection, str] = WeakKeyDictionary()
        self._accepted: WeakSet[SSL.Connection] = WeakSet()
        self._failure: Refused | None = None

    def refusal(self, why: str, pin: str | None) -> Refused:
        """Make the error that says why the peer is not trusted; `pin` is what it showed."""
        raise NotImplementedError

    def clientRefusal(self, why: str) -> Refused:
        """Make the error that says why the peer does not trust us."""
        raise NotImplementedError

    def connection(self) -> SSL.Connection:
        """Begin the client's side of one connection, over memory BIOs. Raises UsageError."""
        connection = SSL.Connection(self._context(), None)
        connection.set_connect_state()
        if self._address is None:
            connection.set_tlsext_host_name(self._name.encode("ascii"))
        return connection

    def verify(self, connection: SSL.Connection) -> None:
        """
        Raise what `refusal` makes unless the peer was found trustworthy.

        To be called after the handshake and before anything is sent.
        """
        if not self._verifies:
            return
        leaf = peerCertificate(connection)
        if leaf is None:
            raise self.refusal("it showed no certificate", None)
        why = self._judge(leaf)
        if why is None and connection not in self._accepted:
            why = "its certificate was not verified"
        if why is not None:
            raise self.refusal(why, pinOf(leaf))

    def explain(self, error: Exception) -> Refused | None:
        """
        Say what an error of `do_handshake` (or of the first read) means for trust.

        None when it was about something else, such as a connection that was
        cut. To be asked at once, before the next handshake.
        """
        failure, self._failure = self._failure, None
        if failedVerification(error):
            return failure or self.refusal("its certificate was not accepted", None)
        alert = alertReason(error)
        return None if alert is None else self.clientRefusal(alert)

    def _context(self) -> SSL.Context:
        """Give the context, made anew when the files of authorities changed."""
        looks = [stampOf(file) if file else None for file in (self._ca, self._localCa)]
        if self._made is None or self._made[0] != looks:
            self._made = looks, self._build()
        return self._made[1]

    def _build(self) -> SSL.Context:
        context = makeContext(self._credentials, modern=self._modern)
        if self._alpn:
            context.set_alpn_protos(self._alpn)
        if not self._verifies:
            return context
        context.set_verify(SSL.VERIFY_PEER, self._onCertificate)
        if self._pins:
            return context
        if self._ca:
            trust(context, loadCertificates(self._ca))
            # What the user names is the anchor, even if it is no root.
            store: Any = context.get_cert_store()
            store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
            return context
        trustSystem(context)
        if self._localCa and self._localCa.exists():
            trust(context, loadCertificates(self._localCa))
        return context

    def _onCertificate(
        self, connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int
    ) -> bool:
        """
        OpenSSL asks for every certificate, from the root down, and for every problem.

        A problem further up is only noted, so that OpenSSL goes on to the
        leaf: there it ends, and the message can say which key was seen.
        """
        self._accepted.discard(connection)
        if not ok and not self._pins:
            self._chainProblems.setdefault(connection, chainReason(error, depth))
        if depth > 0:
            return True
        pin = None
        try:
            leaf = certificate.to_cryptography()
            pin = pinOf(leaf)
            why = self._chainProblems.get(connection) or self._judge(leaf)
        except Exception as trouble:  # whatever a hostile certificate can do to a parser
            why = f"its certificate cannot be understood ({trouble})"
        if why is None:
            self._accepted.add(connection)
            return True
        self._failure = self.refusal(why, pin)
        return False

    def _judge(self, leaf: x509.Certificate) -> str | None:
        """Say what is wrong with the leaf itself, None if nothing is."""
        if self._pins:
            if isPinned(pinOf(leaf), self._pins):
                return None
            return "its key is not the pinned one"
        try:
            if self._address is None:
                verify_service_identity(_hostNames(leaf), [DNS_ID(self._name)], [])
            else:
                verify_certificate_ip_address(leaf, self._address)
        except VerificationError:
            return f"its certificate is for {namesIn(leaf)}, not for {self.host}"
        except CertificateError:
            return "its certificate is for no host name that can be compared"
        return None


def _hostNames(leaf: x509.Certificate) -> list[DNSPattern]:
    """Give the host names in a certificate, without those that nothing may be compared with, such as `*.com`."""
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    patterns = []
    for name in found.get_values_for_type(x509.DNSName):
        try:
            patterns.append(DNSPattern.from_bytes(name.encode("utf-8")))
        except CertificateError:
            pass
    return patterns
