"""TLS with a peer that is not the gateway of our link: backends, and what the doctor looks at."""

from __future__ import annotations

from typing import Any, Protocol

from OpenSSL import SSL
from twisted.internet.defer import Deferred

from diglett.errors import DiglettError
from diglett.link.greeting import timer
from diglett.link.link import reasonOf
from diglett.plane.channel import Channel
from diglett.plane.tls import TLSChannel, describe

TLS_TIMEOUT = 10.0


class Trust(Protocol):
    """Whom to believe: one of `diglett.trust.client`."""

    def connection(self) -> SSL.Connection: ...

    def verify(self, connection: SSL.Connection) -> None: ...

    def explain(self, error: Exception) -> DiglettError | None: ...


class TLSFailed(DiglettError):
    """The peer was reached, and TLS with it failed. `refused` is why, when it was about trust."""

    def __init__(self, why: str, refused: DiglettError | None = None) -> None:
        super().__init__(why)
        self.refused = refused


def secure(
    plane: Any, channel: Channel, trust: Trust, connection: SSL.Connection | None = None
) -> Deferred[TLSChannel]:
    """Shake hands and verify; `connection` is one that `trust` has begun. Fails with TLSFailed, the channel aborted."""
    if connection is None:
        connection = trust.connection()
    tls: TLSChannel = plane.tls(channel, connection)

    def stop(done: object = None) -> None:
        cancel()
        tls.abort()

    def giveUp(why: str, refused: DiglettError | None = None) -> None:
        stop()
        secured.errback(TLSFailed(why, refused))

    def shaken(error: Exception | None) -> None:
        if error is None:
            try:
                trust.verify(tls.connection)
            except DiglettError as refused:
                giveUp(str(refused), refused)
            else:
                cancel()
                secured.callback(tls)
            return
        explained = trust.explain(error) if isinstance(error, SSL.Error) else None
        giveUp(str(explained or (describe(error) if isinstance(error, SSL.Error) else reasonOf(error))), explained)

    secured: Deferred[TLSChannel] = Deferred(stop)
    cancel = timer(plane.clock, TLS_TIMEOUT, lambda: giveUp("no answer in time"))
    tls.handshake(shaken)
    return secured
