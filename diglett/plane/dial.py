"""Connecting: several addresses, both families, the first that answers wins (happy eyeballs, RFC 8305)."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred

from diglett.plane.poller import Poller
from diglett.plane.readiness import OUT
from diglett.plane.sockets import SocketChannel

STAGGER = 0.25
"""Seconds that an address has for itself before the next is tried beside it."""
_NONBLOCK = getattr(socket, "SOCK_NONBLOCK", 0)
_UNIX = getattr(socket, "AF_UNIX", None)
Address = tuple[int, Any]
"""A family and a socket address."""


def interleave(addresses: Sequence[Address]) -> list[Address]:
    """Alternate the families, beginning with the resolver's first."""
    families: dict[int, list[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    queues = list(families.values())
    ordered: list[Address] = []
    while queues:
        for queue in queues:
            ordered.append(queue.pop(0))
        queues = [queue for queue in queues if queue]
    return ordered


class Dial:
    """One attempt over several addresses. `done` fires with a paused channel, or fails with the last OSError."""

    def __init__(self, poller: Poller, addresses: Sequence[Address], timeout: float) -> None:
        self._poller = poller
        self._left = list(addresses)
        self._trying: list[_Attempt] = []
        self._error: OSError = OSError(errno.EHOSTUNREACH, "no address to connect to")
        self._stagger: Any = None
        self._over = False
        self.deadline = 0.0
        self.done: Deferred[SocketChannel] = Deferred(self._cancelled)
        self._next()
        if not self._over:
            self.deadline = poller.seconds() + timeout
            poller.deadlines.add(self)

    def _next(self) -> None:
        self._calm()
        while self._left and not self._over:
            family, address = self._left.pop(0)
            try:
                attempt = _Attempt(self, self._poller, family, address)
            except OSError as error:
                self._error = error
                continue
            if not self._over and attempt.pending:
                self._trying.append(attempt)
                if self._left:
                    self._stagger = self._poller.later(STAGGER, self._next)
                return
        if not self._trying and not self._over:
            self._fail(self._error)

    def failed(self, attempt: _Attempt, error: OSError) -> None:
        """One address did not answer."""
        self._error = error
        if attempt in self._trying:
            self._trying.remove(attempt)
        self._next()

    def succeeded(self, attempt: _Attempt, connection: socket.socket, address: Any) -> None:
        """One did; the others are dropped."""
        if attempt in self._trying:
            self._trying.remove(attempt)
        self._end()
        channel = SocketChannel(self._poller, connection, address, prepared=True)
        if attempt.fd != -1:
            self._poller.handOver(attempt, channel)
        self.done.callback(channel)

    def expired(self) -> None:
        """The time is over."""
        self._fail(TimeoutError(errno.ETIMEDOUT, "it did not answer in time"))

    def _cancelled(self, done: Deferred[SocketChannel]) -> None:
        self._end()

    def _calm(self) -> None:
        """The next attempt is not due any more at the time it was."""
        if self._stagger is not None and self._stagger.active():
            self._stagger.cancel()

    def _fail(self, error: OSError) -> None:
        self._end()
        self.done.errback(error)

    def _end(self) -> None:
        self._over = True
        self._poller.deadlines.discard(self)
        self._calm()
        for attempt in self._trying:
            attempt.giveUp()
        self._trying.clear()


class _Attempt:
    """A socket that is connecting."""

    def __init__(self, dial: Dial, poller: Poller, family: int, address: Any) -> None:
        self.mask = -1
        self.fd = -1
        self.owner = self
        self.pending = False
        self._dial = dial
        self._poller = poller
        self._address = address
        self._socket = socket.socket(family, socket.SOCK_STREAM | _NONBLOCK)
        try:
            if not _NONBLOCK:
                self._socket.setblocking(False)
            if family != _UNIX:
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            code = self._socket.connect_ex(address)
            if code and code not in (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN):
                raise OSError(code, os.strerror(code))
            if code == errno.EAGAIN and family == _UNIX:
                raise OSError(code, "the backend's queue of connections is full")
        except OSError:
            self._socket.close()
            raise
        if not code:
            dial.succeeded(self, self._socket, address)
            return
        self.pending = True
        self.fd = self._socket.fileno()
        poller.watch(self, OUT)

    def writable(self) -> None:
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._poller.forget(self)
            self._socket.close()
            self._dial.failed(self, OSError(code, os.strerror(code)))
        else:
            self._dial.succeeded(self, self._socket, self._address)

    def hungUp(self) -> None:
        self.writable()

    def readable(self) -> None:
        """Not asked for."""

    def giveUp(self) -> None:
        self._poller.forget(self)
        self._socket.close()

    abort = drop = giveUp

    def broken(self, error: Exception) -> None:
        """A bug, already logged."""


def connect(poller: Poller, addresses: Sequence[Address], timeout: float) -> Deferred[SocketChannel]:
    """Connect to the first of these that answers within `timeout` seconds."""
    return Dial(poller, addresses if len(addresses) == 1 else interleave(addresses), timeout).done


