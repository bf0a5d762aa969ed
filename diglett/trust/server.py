# -*- test-case-name: tests.trust.test_server -*-
"""The gateway's side of TLS: which certificate, which protocol, and whose client certificates."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from OpenSSL import SSL

from diglett.errors import UsageError
from diglett.trust.authority import LocalAuthority
from diglett.trust.clients import ClientAuthorities, clientNameOf
from diglett.trust.contexts import DIGLETT, isResumed, makeContext, peerCertificate, protocolOf, serverNameOf, trust
from diglett.trust.credentials import Credentials
from diglett.trust.hosts import isHostName, ownNames
from diglett.trust.leaves import LIMIT, Leaves

__all__ = ["ServerContexts", "clientNameOf", "peerCertificate", "protocolOf", "serverNameOf"]

log = logging.getLogger(__name__)

RESUMABLE = 3600
"""Seconds for which a session can be resumed. In TLS 1.3 each resumption gives the client a new one."""

KEYS = 12 * 3600
"""Seconds for which tickets are encrypted with the same keys: with those, what visitors say in TLS 1.2 can be read."""


class ServerContexts:
    """
    What one listening port shows and accepts; `connection()` begins one visitor or agent.

    The certificate is chosen by SNI: the first of `credentials` that has the
    name, or a wildcard for it; else, with an `authority`, one made for the
    name when it is `domain`, below it, or a name of this machine; else the
    default, which is the first of `credentials` or the local certificate for
    `localNames`.

    ALPN is the first of `alpn` that the client offers. When it offers none of
    them the handshake goes on without ALPN, as it does for a client that
    offers nothing: what that means is for the caller to say (`protocolOf`), so
    that an old HTTP client is served and a stranger on the agents' port gets
    an answer in words.

    With `clientAuthorities` (a PEM file) a client certificate is asked for;
    one that they did not sign ends the handshake, and so does its absence when
    `clientsRequired`. With `clientProtocol` that holds only for connections
    that agreed on this ALPN protocol, so that a browser on the same port is
    never asked.

    With `resumes` who comes back within `RESUMABLE` seconds resumes its
    session, whatever certificate it saw, until the keys of its ticket are
    replaced: by `reload`, after `KEYS` seconds or with the certificates. A
    resumed session shows no client certificate, so agents (`DIGLETT`) get no
    tickets, and their handshake fails when they resume somebody's session.

    Raises UsageError when there is nothing to show.
    """

    def __init__(
        self,
        credentials: Sequence[Credentials] = (),
        authority: LocalAuthority | None = None,
        domain: str = "localhost",
        alpn: Sequence[bytes] = (),
        clientAuthorities: Path | str | None = None,
        clientsRequired: bool = False,
        clientProtocol: bytes | None = None,
        localNames: Sequence[str] | None = None,
        leafLimit: int = LIMIT,
        resumes: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not credentials and authority is None:
            raise UsageError("TLS needs a certificate: give --certificate and --private-key")
        self._credentials = tuple(credentials)
        self._domain = domain.lower().rstrip(".")
        self._alpn = tuple(alpn)
        self._clients = (
            ClientAuthorities.load(Path(clientAuthorities)) if clientAuthorities else None
        )
        self._clientMode = SSL.VERIFY_PEER
        if clientsRequired:
            self._clientMode |= SSL.VERIFY_FAIL_IF_NO_PEER_CERT
        self._clientProtocol = clientProtocol
        if resumes and clientAuthorities and clientProtocol != DIGLETT:
            raise ValueError("who is asked for a certificate must not resume a session, which shows none")
        self._resumes = resumes
        self._clock = clock
        self._leaves = Leaves(authority, leafLimit, clock) if authority else None
        self._localNames = tuple(localNames or ownNames(self._domain))
        self._build()

    @property
    def fingerprint(self) -> str:
        """The pin of the key that is shown to whoever asks for no name we know."""
        return self._default.pin

    @property
    def names(self) -> tuple[str, ...]:
        """The names the default certificate is for."""
        return self._default.names

    @property
    def credentials(self) -> tuple[Credentials, ...]:
        """The credentials from outside, the default first."""
        return self._credentials

    def connection(self) -> SSL.Connection:
        """Begin the server's side of one connection, over memory BIOs."""
        context = self._contexts[0] if self._contexts else self._localContext()
        connection = SSL.Connection(context, None)
        connection.set_accept_state()
        return connection

    def reload(self) -> bool:
        """
        Read files that changed again; True if there were any. Running connections keep theirs.

        The keys of tickets are replaced when it is time, too: this is to be
        called more often than that.

        Raises UsageError when a file cannot be used; what was read before stays.
        """
        if self._resumes and not 0 <= self._clock() - self._built < KEYS:  # nor if the clock was set back
            self._build()
        fresh = tuple(credentials.reloaded() for credentials in self._credentials)
        clients = self._clients.reloaded() if self._clients else None
        same = clients is self._clients and all(
            new is old for new, old in zip(fresh, self._credentials, strict=True)
        )
        if same:
            return False
        self._credentials, self._clients = fresh, clients
        self._build()
        return True

    @property
    def _default(self) -> Credentials:
        if self._credentials:
            return self._credentials[0]
        assert self._leaves is not None
        return self._leaves.of(*self._localNames)

    def _build(self) -> None:
        """
        Make the contexts of all credentials; the first that has a name gets it.

        Tickets are those of the context that a connection begins with,
        whatever certificate is chosen then: one rotation of its keys for all.
        """
        self._built = self._clock()
        self._contexts = [self._context(credentials) for credentials in self._credentials]
        self._byName: dict[str, SSL.Context] = {}
        for credentials, context in zip(self._credentials, self._contexts, strict=True):
            for name in credentials.names:
                self._byName.setdefault(name, context)
        self._local: tuple[Credentials, SSL.Context] | None = None

    def _context(self, credentials: Credentials) -> SSL.Context:
        context = makeContext(credentials, resumable=RESUMABLE if self._resumes else 0)
        # Every context has all the callbacks: after `set_context` OpenSSL asks
        # the new one, and the old one may be gone after a reload.
        context.set_tlsext_servername_callback(self._onServerName)
        if self._alpn:
            context.set_alpn_select_callback(self._onProtocols)
        if self._clients:
            trust(context, self._clients.certificates)
            for certificate in self._clients.certificates:
                context.add_client_ca(certificate)
            if self._clientProtocol is None:
                context.set_verify(self._clientMode)
        return context

    def _localContext(self) -> SSL.Context:
        """Give the context of the local CA's key, made anew with the certificate for this machine."""
        assert self._leaves is not None
        leaf = self._leaves.of(*self._localNames)
        if self._local is None or self._local[0] is not leaf:
            self._local = leaf, self._context(leaf)
        return self._local[1]

    def _onServerName(self, connection: SSL.Connection) -> None:
        """OpenSSL asks, perhaps twice in a handshake; it must always get an answer."""
        try:
            name = serverNameOf(connection)
            if name is not None:
                self._choose(connection, name)
        except Exception:
            log.exception("choosing a certificate by name failed, showing the default one")

    def _choose(self, connection: SSL.Connection, name: str) -> None:
        """Let the connection show what is best for the name."""
        context = self._byName.get(name) or self._byName.get("*." + name.partition(".")[2])
        if context is not None:
            connection.set_context(context)
        elif self._leaves is not None and self._isLocal(name):
            connection.set_context(self._localContext())
            if name not in self._localNames:
                # All leaves have the same key: only the certificate differs.
                connection.use_certificate(self._leaves.of(name).leaf)

    def _isLocal(self, name: str) -> bool:
        """True if the local CA vouches for the name."""
        if name in self._localNames:
            return True
        below = name == self._domain or name.endswith("." + self._domain)
        return below and isHostName(name)

    def _onProtocols(self, connection: SSL.Connection, offered: list[bytes]) -> Any:
        """Agree on the first of our protocols that the client offers."""
        known = set(offered)
        for protocol in self._alpn:
            if protocol in known:
                if protocol == DIGLETT:
                    self._beginLink(connection)
                if self._clients and protocol == self._clientProtocol:
                    connection.set_verify(self._clientMode)
                return protocol
        return SSL.NO_OVERLAPPING_PROTOCOLS

    @staticmethod
    def _beginLink(connection: SSL.Connection) -> None:
        """Raise SSL.Error, which ends the handshake, if this is somebody's session. A link's is nobody's."""
        if isResumed(connection):
            raise SSL.Error("an agent cannot resume a session")
        connection.set_options(SSL.OP_NO_TICKET)
