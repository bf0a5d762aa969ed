"""The fast driver: every hot socket in one inner epoll."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.endpoints import AdoptedStreamServerEndpoint, serverFromString
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from diglett.plane.channel import Channel, Listener, Target
from diglett.plane.dial import connect
from diglett.plane.leaving import CLOSE_LIMIT
from diglett.plane.listener import Acceptor
from diglett.plane.poller import Poller, pollingPays
from diglett.plane.readiness import Readiness
from diglett.plane.resolve import known, resolve
from diglett.plane.sockets import SocketChannel
from diglett.plane.tls import TLSChannel
from diglett.plane.tuning import tuneLink
from diglett.wire.batch import BatchPool


class FastPlane:
    """`diglett.plane.channel.Plane` on epoll or kqueue."""

    def __init__(self, reactor: Any, readiness: Readiness | None = None) -> None:
        self.clock = reactor
        self.pool = BatchPool()
        self._poller = Poller(reactor, None if pollingPays() else 0.0, readiness)
        self.atBatchEnd = self._poller.atBatchEnd

    def listen(self, description: str, accepted: Callable[[Channel], None]) -> Deferred[Listener]:
        """Listen on any Twisted server endpoint that has a socket; its accepting is ours."""

        def takeOver(port: Any) -> Listener:
            port.stopReading()
            return _Taken(port, self.listenOn(socket.socket(fileno=os.dup(port.fileno())), accepted))

        endpoint = serverFromString(self.clock, description)
        if isinstance(endpoint, AdoptedStreamServerEndpoint):
            # Its socket may be other processes' too. Twisted would remove a Unix socket's path in the end.
            listening = socket.socket(fileno=endpoint.fileno)
            listening.set_inheritable(False)
            return succeed(self.listenOn(listening, accepted))
        opening: Deferred[Any] = endpoint.listen(_Silent())
        return opening.addCallback(takeOver)

    def listenOn(self, listening: socket.socket, accepted: Callable[[Channel], None]) -> Acceptor:
        return Acceptor(self._poller, listening, accepted)

    def connect(self, target: Target, timeout: float) -> Deferred[SocketChannel]:
        if target.path:
            if not hasattr(socket, "AF_UNIX"):
                return fail(OSError("this system has no Unix sockets"))
            return connect(self._poller, [(socket.AF_UNIX, target.path)], timeout)
        addresses = known(target.host, target.port)
        if addresses:
            return connect(self._poller, addresses, timeout)
        found: Deferred[Any] = resolve(self.clock, target.host, target.port)
        end = self.clock.seconds() + timeout
        found.addTimeout(timeout, self.clock, onTimeoutCancel=_unresolved)
        return found.addCallback(lambda addresses: connect(self._poller, addresses, end - self.clock.seconds()))

    def tls(self, below: Channel, connection: SSL.Connection) -> TLSChannel:
        """TLS over a channel of this plane."""
        return TLSChannel(below, connection, self._poller.again)

    def tuneLink(self, channel: Channel, timeout: float) -> None:
        """What a link's socket needs: little queued in the kernel, and the kernel's own watch for a dead peer."""
        tuneLink(channel, timeout)

    def close(self, limit: float = CLOSE_LIMIT) -> Deferred[None]:
        """Let go of everything; first, closed connections send what they have queued, for `limit` seconds at most."""
        return self._poller.leaving.done(limit).addCallback(lambda _: self._poller.close())


class _Silent(Factory):
    """Nobody is ever built by it, and nobody needs to read that it starts."""

    noisy = False

    def logPrefix(self) -> str:
        """For Twisted's own line about the port."""
        return "diglett"


def _unresolved(found: object, timeout: float) -> Failure:
    return Failure(TimeoutError(errno.ETIMEDOUT, "its name was not resolved in time"))


class _Taken:
    """A Twisted port whose socket we accept on."""

    def __init__(self, port: Any, acceptor: Acceptor) -> None:
        self._port = port
        self._acceptor = acceptor

    def address(self) -> Any:
        return self._acceptor.address()

    def pause(self) -> None:
        self._acceptor.pause()

    def resume(self) -> None:
        self._acceptor.resume()

    def close(self) -> Any:
        self._acceptor.close()
        return self._port.stopListening()
