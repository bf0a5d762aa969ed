"""Whether a proxy really routes a name to us: a visit through its front door, seen arriving at our port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import field, frozen
from OpenSSL import SSL
from twisted.internet.defer import Deferred, gatherResults
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
"""Seconds that connecting may take, and that a visit has at least."""

_NAMED = 3
"""Doors that are named in a message."""


@frozen
class Door:
    """A place to knock at: with TLS, without, or (None) in both ways."""

    where: str
    tls: bool | None
    endpoint: IStreamClientEndpoint = field(repr=False)

    @classmethod
    def parse(cls, target: str, reactor: Any) -> Door:
        """From `https://HOST:PORT`, `http://HOST:PORT`, or `//HOST:PORT` if it is not known which."""
        try:
            parts = urlsplit(target)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = None
        if host is None or parts.scheme not in ("http", "https", "") or parts.path not in ("", "/"):
            raise UsageError(f"{target} must be like https://127.0.0.1:443, the proxy's front door")
        tls = {"https": True, "http": False, "": None}[parts.scheme]
        endpoint = HostnameEndpoint(reactor, host, port or (80 if tls is False else 443), timeout=_VISIT)
        return cls(target.lstrip("/"), tls, endpoint)


@frozen
class Probe:
    """Visits the proxy at its doors, again and again for at most `timeout` seconds.

    `sure` is whether these are the doors. If not, and nobody is there at the first
    visit, they are somewhere else, and nothing can be proven.
    """

    reactor: Any
    timeout: float
    doors: tuple[Door, ...]
    sure: bool = True

    @property
    def where(self) -> str:
        """The doors, for people."""
        more = len(self.doors) - _NAMED
        named = " or ".join(door.where for door in self.doors[:_NAMED])
        return named + (f" or {more} more" if more > 0 else "")

    async def confirm(self, registration: Registration, reached: Deferred[None]) -> bool:
        """Return once `reached` fired, as visits to the name should make it do; `Refused` when it did not in time.

        It must have been asked for before the name was published: a proxy that
        has a connection from an earlier visitor uses that one again. False if
        nobody is at home at doors that are not sure.
        """
        end = self.reactor.seconds() + self.timeout
        pause = 0.02
        connected = self.sure
        while True:
            outcome: Deferred[list[_Visit] | None] = Deferred()
            reached.addCallback(_settle, outcome)
            visits = self._visitAll(registration, max(_VISIT, end - self.reactor.seconds()))
            visits.addCallback(_settle, outcome)
            try:
                said = await outcome
            finally:
                visits.cancel()
            if said is None or reached.called:
                return True
            connected = connected or any(visit.connected for visit in said)
            if not connected:
                return False
            if self.reactor.seconds() + pause > end:
                break
            await deferLater(self.reactor, pause)
            pause = min(pause * 2, 0.5)
        hint = "" if self.sure else "; if its front door is elsewhere, tell the gateway by probe=URL"
        raise Refused(
            f"the proxy at {self.where} did not route {registration.fqdn} to the gateway "
            f"within {self.timeout:g} s: {_summary(said)}{hint}",
            code="not-routed",
        )

    def _visitAll(self, registration: Registration, limit: float) -> Deferred[list[_Visit]]:
        """All doors at once."""
        visits = []
        for door in self.doors:
            both = door.tls is None and registration.kind != "tls"
            for tls in (True, False) if both else (door.tls is not False or registration.kind == "tls",):
                visits.append(_Visit(registration, door, tls))
        made = gatherResults([ask(visit.make, limit, self.reactor).addErrback(visit.failed) for visit in visits])
        return made.addCallback(lambda _: visits)


class _Visit:
    """One visit; afterwards `said` is what came of it, in a few words."""

    def __init__(self, registration: Registration, door: Door, tls: bool) -> None:
        self.connected = False
        self.said = ""
        self.door = door
        self._registration = registration
        self._tls = tls

    async def make(self) -> None:
        """Go there, ask, listen to the first words."""
        fqdn = self._registration.fqdn
        door = wrapClientTLS(_AnyCertificate(fqdn), self.door.endpoint) if self._tls else self.door.endpoint
        ended: Deferred[str] = Deferred(lambda _: visitor.leave())
        visitor: Any = await door.connect(Factory.forProtocol(lambda: _Visitor(self._registration, ended)))
        self.connected = True
        self.said = await ended

    def failed(self, failure: Failure) -> None:
        """Something came in between."""
        self.said = failure.getErrorMessage() or type(failure.value).__name__


def _summary(visits: Sequence[_Visit]) -> str:
    """What was heard, first from doors where somebody was."""
    told = sorted(visits, key=lambda visit: not visit.connected)
    if len(visits) == 1:
        return told[0].said
    return "; ".join(f"{visit.door.where}: {visit.said}" for visit in told[:_NAMED])


def _settle(said: list[_Visit] | None, outcome: Deferred[list[_Visit] | None]) -> None:
    """The first of both counts: what the visitors were told, or (None) the arrival."""
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
