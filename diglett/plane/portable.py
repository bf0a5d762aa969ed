"""The portable driver: ordinary Twisted transports, on any reactor and any system."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from twisted.internet import error
from twisted.internet.defer import CancelledError, Deferred, fail, maybeDeferred
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, serverFromString
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from diglett.plane.channel import Channel, Listener, Target
from diglett.plane.leaving import CLOSE_LIMIT, Leaving
from diglett.plane.listener import BACKLOG
from diglett.plane.timers import SharedTimers
from diglett.plane.tls import TLSChannel
from diglett.plane.transport import TransportChannel, addressOf
from diglett.plane.tuning import tuneLink
from diglett.wire.batch import BatchPool

log = Logger()


class PortablePlane:
    """`diglett.plane.channel.Plane` on whatever the reactor offers."""

    def __init__(self, reactor: Any) -> None:
        self.clock = reactor
        self.pool = BatchPool()
        self.channels: set[TransportChannel] = set()
        """Those that are open."""
        self._timers = SharedTimers(reactor)
        self.linger = self._timers.later
        self.leaving = Leaving(reactor)
        self._again: list[Callable[[], None]] = []
        self._batchEnd: list[Callable[[], None]] = []
        self._scheduled: Any = None
        self._closed = False

    # ---- listening -----------------------------------------------------------------------------------------------

    def listen(self, description: str, accepted: Callable[[Channel], None]) -> Deferred[Listener]:
        """Listen on any Twisted server endpoint."""
        listening: Deferred[Any] = serverFromString(self.clock, description).listen(_Accepting(self, accepted))
        return listening.addCallback(_crowded).addCallback(_Port)

    def listenOn(self, listening: socket.socket, accepted: Callable[[Channel], None]) -> Listener:
        """Where the reactor cannot adopt the socket another one is opened at its address."""
        factory = _Accepting(self, accepted)
        listening.setblocking(False)
        listening.listen(BACKLOG)
        try:
            if hasattr(self.clock, "adoptStreamPort"):
                return _Port(self.clock.adoptStreamPort(listening.fileno(), listening.family, factory))
            host, port = listening.getsockname()[:2]
        finally:
            listening.close()
        return _Port(self.clock.listenTCP(port, factory, BACKLOG, interface=host))

    # ---- connecting ----------------------------------------------------------------------------------------------

    def connect(self, target: Target, timeout: float) -> Deferred[TransportChannel]:
        endpoint: Any
        if not target.path:
            # Names under localhost are loopback, whatever the resolver thinks.
            host = "localhost" if target.host.endswith(".localhost") else target.host
            try:
                host = host.encode("idna").decode("ascii")
            except UnicodeError:
                return fail(OSError(errno.EHOSTUNREACH, f"{host} cannot be the name of a host"))
            endpoint = HostnameEndpoint(self.clock, host, target.port, timeout)
        elif hasattr(socket, "AF_UNIX"):
            endpoint = UNIXClientEndpoint(self.clock, target.path, timeout)
        else:
            return fail(OSError("this system has no Unix sockets"))
        factory = Factory.forProtocol(lambda: TransportChannel(self, lambda channel: None))
        factory.noisy = False
        connecting: Deferred[TransportChannel] = endpoint.connect(factory)
        return connecting.addErrback(_explain)

    # ---- the rest ------------------------------------------------------------------------------------------------

    def tls(self, below: Channel, connection: SSL.Connection) -> TLSChannel:
        """TLS over a channel of this plane."""
        return TLSChannel(below, connection, self.again)

    def tuneLink(self, channel: Channel, timeout: float) -> None:
        """What a link's socket needs, where there is a socket."""
        tuneLink(channel, timeout)

    def again(self, call: Callable[[], None]) -> None:
        """Run this when the reactor has dealt with what it is at."""
        self._again.append(call)
        self._schedule()

    def atBatchEnd(self, call: Callable[[], None]) -> None:
        """The reactor's events of one turn are a batch."""
        self._batchEnd.append(call)
        self._schedule()

    def _schedule(self) -> None:
        if self._scheduled is None and not self._closed:
            self._scheduled = self.clock.callLater(0, self._run)

    def _run(self) -> None:
        self._scheduled = None
        for calls in (self._again, self._batchEnd):
            due, calls[:] = calls[:], []
            for call in due:
                try:
                    call()
                except Exception:
                    log.failure("a bug in a batch")

    def close(self, limit: float = CLOSE_LIMIT) -> Deferred[None]:
        """Let go of everything; first, closed connections send what they have queued, for `limit` seconds at most."""
        return self.leaving.done(limit).addCallback(lambda _: self._close())

    def _close(self) -> None:
        self._closed = True
        for channel in list(self.channels):
            channel.drop()
        self._timers.cancel()
        if self._scheduled is not None:
            self._scheduled.cancel()


def _crowded(port: Any) -> Any:
    """Let the kernel queue more than Twisted's 50 connections, unless it is something that has no queue."""
    try:
        port.socket.listen(BACKLOG)
    except (AttributeError, OSError):
        pass
    return port


class _Accepting(Factory):
    """Each connection becomes a channel, paused and without an owner."""

    noisy = False

    def __init__(self, plane: PortablePlane, accepted: Callable[[Channel], None]) -> None:
        self._plane = plane
        self._accepted = accepted

    def buildProtocol(self, addr: Any) -> TransportChannel:
        return TransportChannel(self._plane, self._accepted)


class _Port:
    """A Twisted port as a Listener."""

    def __init__(self, port: Any) -> None:
        self._port = port

    def address(self) -> Any:
        return addressOf(self._port.getHost())

    def pause(self) -> None:
        pause = getattr(self._port, "stopReading", None) or self._port.pauseProducing
        pause()

    def resume(self) -> None:
        resume = getattr(self._port, "startReading", None) or self._port.resumeProducing
        resume()

    def close(self) -> Deferred[Any]:
        return maybeDeferred(self._port.stopListening)


def _explain(failure: Failure) -> Failure:
    """Twisted's errors are no OSErrors; everything else here speaks of those."""
    found = failure.value
    if isinstance(found, error.ConnectingCancelledError):
        raise CancelledError()
    if isinstance(found, error.TimeoutError):
        raise TimeoutError(errno.ETIMEDOUT, "it did not answer in time")
    if isinstance(found, error.DNSLookupError):
        raise OSError(errno.EHOSTUNREACH, "the name is not known")
    if isinstance(found, error.ConnectError):
        number = found.osError or (errno.ECONNREFUSED if isinstance(found, error.ConnectionRefusedError) else errno.EIO)
        raise OSError(number, os.strerror(number))
    return failure
