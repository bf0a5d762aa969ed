"""Where visitors are taken: one connection to the backend for each stream."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from diglett.agent.securing import TLS_TIMEOUT, TLSFailed, secure
from diglett.hushed import Hushed
from diglett.link.link import reasonOf
from diglett.link.splice import PendingSplice
from diglett.plane.channel import Channel, Target
from diglett.wire.frames import Reason
from diglett.wire.mux import Mux
from diglett.wire.opening import Opening
from diglett.wire.stream import Endpoint, Stream

log = Logger()

__all__ = ["CONNECT_TIMEOUT", "TLS_TIMEOUT", "Backend", "DialledBackend", "TLSBackend"]

CONNECT_TIMEOUT = 10.0


class Backend(Protocol):
    """What stands behind a name."""

    def accept(self, mux: Mux, stream: Stream, opening: Opening) -> Endpoint:
        """A visitor has come; answers at once, connects as long as it takes."""

    def reach(self) -> Deferred[Channel]:
        """A connection as a visitor would get it, paused.

        Fails with OSError, or with a DiglettError about TLS; cancelling ends the attempt.
        """


class DialledBackend:
    """A service at an address: a TCP or Unix socket."""

    def __init__(self, plane: Any, target: Target) -> None:
        self._plane = plane
        self._target = target
        self._hushed = Hushed(log, plane.clock.seconds)

    def reach(self) -> Deferred[Channel]:
        connecting: Deferred[Channel] = self._plane.connect(self._target, CONNECT_TIMEOUT)
        return connecting

    def accept(self, mux: Mux, stream: Stream, opening: Opening) -> Endpoint:
        pending = PendingSplice(mux, stream)
        connecting = self.reach()
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
        why = reasonOf(error)
        if isinstance(error, TLSFailed):
            self._tell("TLS with the backend {target} failed: {reason}", str(error))
            pending.failed(Reason.BACKEND_TLS, str(error))
            return
        reason = Reason.BACKEND_TIMEOUT if isinstance(error, TimeoutError) else Reason.BACKEND_UNREACHABLE
        self._tell("the backend {target} cannot be reached: {reason}", why)
        pending.failed(reason, why)  # where it is, is nobody's business at the gateway

    def _tell(self, format: str, why: str) -> None:
        self._hushed.warn(why, format, event="backend-failed", target=str(self._target), reason=why)


class TLSBackend(DialledBackend):
    """A service that speaks TLS, verified unless the agent was told otherwise."""

    def __init__(self, plane: Any, target: Target, trust: Any) -> None:
        super().__init__(plane, target)
        self._trust = trust

    def reach(self) -> Deferred[Channel]:
        return super().reach().addCallback(lambda channel: secure(self._plane, channel, self._trust))
