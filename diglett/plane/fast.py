"""The fast driver: every hot socket in one inner epoll."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory

from diglett.plane.channel import Channel, Listener, Target
from diglett.plane.dial import connect
from diglett.plane.listener import Acceptor
from diglett.plane.poller import Poller, pollingPays
from diglett.plane.resolve import resolve
from diglett.plane.sockets import SocketChannel
from diglett.plane.tls import TLSChannel
from diglett.wire.batch import BatchPool

_TCP_USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", None)
_TCP_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)
NOTSENT_LOWAT = 131_072
"""Bytes a link lets wait in the kernel unsent: more would stand between a ping and a slow line."""


class FastPlane:
    """`diglett.plane.channel.Plane` on epoll."""

    def __init__(self, reactor: Any) -> None:
        self.clock = reactor
        self.pool = BatchPool()
        self._poller = Poller(reactor, None if pollingPays() else 0.0)
        self.atBatchEnd = self._poller.atBatchEnd

    def listen(self, description: str, accepted: Callable[[Channel], None]) -> Deferred[Listener]:
        """Listen on any Twisted server endpoint that has a socket; its accepting is ours."""

        def takeOver(port: Any) -> Listener:
            port.stopReading()
            return _Taken(port, self.listenOn(socket.socket(fileno=os.dup(port.fileno())), accepted))

        return serverFromString(self.clock, description).listen(_Silent()).addCallback(takeOver)

    def listenOn(self, listening: socket.socket, accepted: Callable[[Channel], None]) -> Acceptor:
        return Acceptor(self._poller, listening, accepted)

    def connect(self, target: Target, timeout: float) -> Deferred[SocketChannel]:
        if target.path:
            if not hasattr(socket, "AF_UNIX"):
                return fail(OSError("this system has no Unix sockets"))
            found = succeed([(socket.AF_UNIX, target.path)])
        else:
            found = resolve(self.clock, target.host, target.port)
        return found.addCallback(lambda addresses: connect(self._poller, addresses, timeout))

    def tls(self, below: Channel, connection: SSL.Connection) -> TLSChannel:
        """TLS over a channel of this plane."""
        return TLSChannel(below, connection, self._poller.again)

    def tuneLink(self, channel: SocketChannel, timeout: float) -> None:
        """What a link's socket needs: little queued in the kernel, and the kernel's own watch for a dead peer."""
        channel.option(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        channel.option(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, NOTSENT_LOWAT)
        if _TCP_USER_TIMEOUT is not None:
            channel.option(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, int(timeout * 1000))

    def close(self) -> None:
        self._poller.close()


class _Silent(Factory):
    """Nobody is ever built by it, and nobody needs to read that it starts."""

    noisy = False


class _Taken:
    """A Twisted port whose socket we accept on."""

    def __init__(self, port: Any, acceptor: Acceptor) -> None:
        self._port = port
        self._acceptor = acceptor

    def address(self) -> Any:
        return self._acceptor.address()

    def pause(self) -> None:
        self._acceptor.pause()

    def close(self) -> Any:
        self._acceptor.close()
        return self._port.stopListening()
