"""Whether a proxy really routes a name to us: a visit through its front door, seen arriving at our port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import field, frozen
from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IHandshakeListener, IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from zope.interface import implementer

from diglett.asking import ask
from diglett.errors import Refused, UsageError

if TYPE_CHECKING:
    from twisted.internet.interfaces import IStreamClientEndpoint

    from diglett.interfaces import Registration

_VISIT = 2.0
"""Seconds one visit may take."""


@frozen
class Probe:
    """Visits the proxy's front door at `where`, again and again for at most `timeout` seconds."""

    reactor: Any
    where: str
    tls: bool
    timeout: float
    door: IStreamClientEndpoint = field(repr=False)

    @classmethod
    def parse(cls, target: str, reactor: Any, timeout: float) -> Probe:
        """From `https://HOST:PORT` or `http://HOST:PORT`, where the proxy can be reached from here."""
        try:
            parts = urlsplit(target)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = None
        if host is None or parts.scheme not in ("http", "https") or parts.path not in ("", "/"):
            raise UsageError(f"probe={target} must be like https://127.0.0.1:443, the proxy's front door")
        tls = parts.scheme == "https"
        door = HostnameEndpoint(reactor, host, port or (443 if tls else 80), timeout=_VISIT)
        return cls(reactor, target, tls, timeout, door)

    async def confirm(self, registration: Registration, reached: Deferred[None]) -> None:
        """Return once `reached` fired, as visits to the name should make it do; `Refused` when it did not in time.

        It must have been asked for before the name was published: a proxy that
        has a connection from an earlier visitor uses that one again.
        """
        end = self.reactor.seconds() + self.timeout
        pause = 0.02
        while True:
            outcome: Deferred[str | None] = Deferred()
            reached.addCallback(_settle, outcome)
            visit = ask(lambda: self._visit(registration), _VISIT, self.reactor)
            visit.addErrback(_reason).addCallback(_settle, outcome)
            try:
                said = await outcome
            finally:
                visit.cancel()
            if said is None or reached.called:
                return
            if self.reactor.seconds() + pause > end:
                break
            await deferLater(self.reactor, pause)
            pause = min(pause * 2, 0.5)
        raise Refused(
            f"the proxy at {self.where} did not route {registration.fqdn} to the gateway "
            f"within {self.timeout:g} s: {said}",
            code="not-routed",
        )

    async def _visit(self, registration: Registration) -> str:
        """What came of one visit, in a few words."""
        tls = self.tls or registration.kind == "tls"
        door = wrapClientTLS(_AnyCertificate(registration.fqdn), self.door) if tls else self.door
        ended: Deferred[str] = Deferred(lambda _: visitor.leave())
        visitor: Any = await door.connect(Factory.forProtocol(lambda: _Visitor(registration, ended)))
        return await ended


def _reason(failure: Failure) -> str:
    return failure.getErrorMessage() or type(failure.value).__name__


def _settle(said: str | None, outcome: Deferred[str | None]) -> None:
    """The first of both counts: what the visitor was told, or (None) the arrival."""
    if not outcome.called:
        outcome.callback(said)


@implementer(IHandshakeListener)
class _Visitor(Protocol):
    """Asks for the name, and reads no more than the first line of the answer."""

    transport: Any

    def __init__(self, registration: Registration, ended: Deferred[str]) -> None:
        self._registration = registration
        self._ended = ended
        self._answer = b""

    def connectionMade(self) -> None:
        """Ask, unless the TLS is not ours to speak in: then the greeting is enough."""
        if self._registration.kind != "tls":
            self.transport.write(
                f"HEAD / HTTP/1.1\r\nHost: {self._registration.fqdn}\r\n"
                "User-Agent: diglett-probe\r\nConnection: close\r\n\r\n".encode()
            )

    def handshakeCompleted(self) -> None:
        """With whoever ends the TLS."""
        if self._registration.kind == "tls":
            self._end("TLS ended elsewhere")

    def dataReceived(self, data: bytes) -> None:
        """Some of the answer."""
        self._answer += data
        line, complete, _ = self._answer[:200].partition(b"\r\n")
        if complete or len(self._answer) > 200:
            self._end("the answer was " + line.decode("ascii", "replace"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Over without an answer."""
        if not self._ended.called:
            self._ended.callback("it closed the connection: " + reason.getErrorMessage())

    def leave(self) -> None:
        """Nobody waits for the answer any more."""
        self.transport.abortConnection()

    def _end(self, what: str) -> None:
        if not self._ended.called:
            self._ended.callback(what)
            self.leave()


@implementer(IOpenSSLClientConnectionCreator)
class _AnyCertificate:
    """TLS that verifies nothing: no secret is sent, and only the way is of interest."""

    def __init__(self, fqdn: str) -> None:
        self._fqdn = fqdn

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """A connection that asks for the name."""
        connection = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
        connection.set_tlsext_host_name(self._fqdn.encode("ascii"))
        return connection
