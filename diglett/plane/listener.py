"""Accepting in the poller: many connections a turn, straight from the socket."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from diglett.hushed import Hushed
from diglett.plane.channel import Channel
from diglett.plane.poller import Poller
from diglett.plane.readiness import IN
from diglett.plane.sockets import SocketChannel
from diglett.plane.tuning import tune

log = Logger()

PER_TURN = 32
BACKLOG = 4_096
"""What the kernel may queue; it caps this by net.core.somaxconn."""
PAUSE = 0.5
"""Seconds without accepting when descriptors or memory have run out."""
_INHERITED = sys.platform == "linux"
"""Whether accepted sockets have the options of the listening one."""
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Acceptor:
    """A listening socket; each connection becomes a channel, paused and without an owner."""

    def __init__(self, poller: Poller, listening: socket.socket, accepted: Callable[[Channel], None]) -> None:
        listening.setblocking(False)
        tune(listening)
        listening.listen(BACKLOG)
        self.fd = listening.fileno()
        self.mask = -1
        self.owner = self
        self._poller = poller
        self._socket = listening
        self._accepted = accepted
        self._paused = False
        self._hushed = Hushed(log, poller.seconds)
        poller.watch(self, IN)

    def readable(self) -> None:
        self._accept(PER_TURN)

    def _accept(self, most: int) -> None:
        for _ in range(most):
            try:
                connection, peer = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._hushed.warn(
                        "exhausted", "cannot accept connections now ({why}); trying again",
                        why=os.strerror(error.errno or 0),
                    )  # fmt: skip
                    self._poller.watch(self, 0)
                    self._poller.linger(PAUSE, self._resume)
                    return
                continue
            connection.setblocking(False)
            if not _INHERITED:
                tune(connection)
            channel = SocketChannel(self._poller, connection, peer, prepared=True)
            try:
                self._accepted(channel)
            except Exception:
                log.failure("a bug while accepting a connection; it is closed")
                channel.abort()

    def _resume(self) -> None:
        if self.fd != -1 and not self._paused:
            self._poller.watch(self, IN)

    def pause(self) -> None:
        self._paused = True
        if self.fd != -1:
            self._poller.watch(self, 0)

    def resume(self) -> None:
        self._paused = False
        self._resume()

    def close(self) -> None:
        if self.fd != -1 and not self._paused:
            self._accept(BACKLOG)  # else the kernel resets them, who believe that they are connected
        self.drop()

    def drop(self) -> None:
        if self.fd != -1:
            self._poller.forget(self)
            self.fd = -1
            self._socket.close()

    def address(self) -> Any:
        return self._socket.getsockname()

    def writable(self) -> None:
        """Listening sockets are never asked."""

    def hungUp(self) -> None:
        """Nor do they hang up."""

    def abort(self) -> None:
        """Whatever goes wrong, the listening goes on."""

    def broken(self, error: Exception) -> None:
        """See `abort`."""
