"""Where visitors are taken: one connection to the backend for each stream."""

from __future__ import annotations

from typing import Any, Protocol

from OpenSSL import SSL
from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure

from diglett.errors import DiglettError
from diglett.hushed import Hushed
from diglett.link.greeting import timer
from diglett.link.link import reasonOf
from diglett.link.splice import PendingSplice
from diglett.plane.channel import Channel, Target
from diglett.plane.tls import describe
from diglett.wire.frames import Reason
from diglett.wire.mux import Mux
from diglett.wire.opening import Opening
from diglett.wire.stream import Endpoint, Stream

log = Logger()

CONNECT_TIMEOUT = 10.0
TLS_TIMEOUT = 10.0


class Backend(Protocol):
    """What stands behind a name."""

    def accept(self, mux: Mux, stream: Stream, opening: Opening) -> Endpoint:
        """A visitor has come; answers at once, connects as long as it takes."""


class DialledBackend:
    """A service at an address: a TCP or Unix socket."""

    def __init__(self, plane: Any, target: Target) -> None:
        self._plane = plane
        self._target = target
        self._hushed = Hushed(log, plane.clock.seconds)

    def accept(self, mux: Mux, stream: Stream, opening: Opening) -> Endpoint:
        pending = PendingSplice(mux, stream)
        connecting = self._plane.connect(self._target, CONNECT_TIMEOUT)
        pending.connecting(connecting.cancel)
        connecting.addCallbacks(self._connected, self._failed, callbackArgs=(pending,), errbackArgs=(pending,))
        connecting.addErrback(lambda failure: log.failure("a bug in reaching the backend", failure=failure))
        return pending

    def _connected(self, channel: Channel, pending: PendingSplice) -> None:
        pending.connected(channel)

    def _failed(self, failure: Failure, pending: PendingSplice) -> None:
        if failure.check(CancelledError):
            return
        error = failure.value
        reason = Reason.BACKEND_TIMEOUT if isinstance(error, TimeoutError) else Reason.BACKEND_UNREACHABLE
        why = reasonOf(error)
        self._hushed.warn(why, "the backend {target} cannot be reached: {why}", target=self._target, why=why)
        pending.failed(reason, why)  # where it is, is nobody's business at the gateway


class TLSBackend(DialledBackend):
    """A service that speaks TLS, verified unless the agent was told otherwise."""

    def __init__(self, plane: Any, target: Target, trust: Any) -> None:
        super().__init__(plane, target)
        self._trust = trust

    def _connected(self, channel: Channel, pending: PendingSplice) -> None:
        connection = self._trust.connection()
        tls = self._plane.tls(channel, connection)

        def giveUp(why: str) -> None:
            cancel()
            tls.abort()
            self._hushed.warn(why, "TLS with the backend {target} failed: {why}", target=self._target, why=why)
            pending.failed(Reason.BACKEND_TLS, why)

        def secured(error: Exception | None) -> None:
            if error is None:
                try:
                    self._trust.verify(connection)
                except DiglettError as refused:
                    giveUp(str(refused))
                    return
                cancel()
                pending.connected(tls)
                return
            explained = self._trust.explain(error) if isinstance(error, SSL.Error) else None
            giveUp(str(explained or (describe(error) if isinstance(error, SSL.Error) else reasonOf(error))))

        def stop() -> None:
            cancel()
            tls.abort()

        cancel = timer(self._plane.clock, TLS_TIMEOUT, lambda: giveUp("no answer in time"))
        pending.connecting(stop)
        tls.handshake(secured)
