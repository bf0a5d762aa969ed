"""A non-blocking socket in the poller, as a channel."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence
from typing import Any

from diglett.plane.channel import WOULD_BLOCK, Owner
from diglett.plane.poller import Poller
from diglett.plane.readiness import IN, OUT
from diglett.plane.tuning import tune

PARTS_MAX = 64
"""More parts than this are joined rather than given to the kernel one by one."""
LINGER = 5.0
"""Seconds that a closed connection may still be read from, so that its last bytes are not lost to a reset."""
STUCK = 30.0
"""Seconds that a closed connection with bytes to send may take none of them."""
_ABORT = struct.pack("ii", 1, 0)


class SocketChannel:
    """Sends at once and asks for writability only when refused. Starts paused."""

    __slots__ = ("owner", "peer", "fd", "mask", "queued", "_poller", "_socket", "_queue", "_state")

    def __init__(
        self, poller: Poller, connection: socket.socket, peer: Any, owner: Owner | None = None, prepared: bool = False
    ) -> None:
        """`prepared`: the socket does not block, and is tuned, already."""
        if not prepared:
            connection.setblocking(False)
            tune(connection)
        self.owner: Any = owner
        self.peer = peer
        self.fd = connection.fileno()
        self.mask = -1
        self.queued = 0
        self._poller = poller
        self._socket = connection
        self._queue: bytearray | None = None
        self._state = 0

    def readInto(self, view: memoryview) -> int:
        try:
            size = self._socket.recv_into(view)
        except (BlockingIOError, InterruptedError):
            return WOULD_BLOCK
        if not size:
            self._state |= _ENDED
            self.pauseReading()
        return size

    def write(self, parts: Sequence[bytes | memoryview], size: int) -> int:
        queue = self._queue
        if queue is not None:
            if self._state & _CLOSING:
                return 0
            for part in parts:
                queue += part
            self.queued += size
            return 0
        try:
            if len(parts) == 1:
                sent = self._socket.send(parts[0])
            elif len(parts) <= PARTS_MAX:
                sent = self._socket.sendmsg(parts)
            else:
                sent = self._socket.send(b"".join(parts))
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self._breakLater(error)
            return 0
        if sent < size:
            queue = bytearray().join(parts)
            del queue[:sent]
            self._queue = queue
            self.queued = size - sent
            self._poller.watch(self, (self.mask if self.mask > 0 else 0) | OUT)
        return sent

    def writable(self) -> None:
        """The poller says that the socket takes more."""
        queue = self._queue
        if queue is None:
            self._poller.watch(self, self.mask & ~OUT)
            return
        try:
            sent = self._socket.send(queue)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._break(error)
            return
        self.queued -= sent
        if self.queued:
            del queue[:sent]
        else:
            self._queue = None
            self._poller.watch(self, self.mask & ~OUT)
            if self._state & _FINISHING:
                self._shutdown()
        if self._state & _CLOSING:
            if not self.queued:
                self._poller.leaving.discard(self)
                self._linger()
        else:
            self.owner.drained(sent)

    def hungUp(self) -> None:
        """The peer is gone, reset or in good order. What it sent before may be waiting behind a pause, and that it
        takes no more is told to whoever writes: so look away until something is wanted of this socket."""
        try:
            if self._state & _ENDED:
                number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if number:
                    raise OSError(number, os.strerror(number))
            else:
                self._socket.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self._break(error)
            return
        self._poller.forget(self)

    def pauseReading(self) -> None:
        if self.mask > 0 and not self._state & _CLOSING:
            self._poller.watch(self, self.mask & ~IN)

    def resumeReading(self) -> None:
        if not self._state & (_ENDED | _CLOSING):
            self._poller.watch(self, IN if self._queue is None else IN | OUT)

    def finish(self) -> None:
        if not self._state & _FINISHING:
            self._state |= _FINISHING
            if self._queue is None:
                self._shutdown()

    def close(self) -> None:
        if self._state & _CLOSING:
            return
        self._state |= _CLOSING | _FINISHING
        self.owner = _Lingering(self)
        if self._queue is None:
            if self._state & _ENDED:
                self.drop()  # closing says all that shutting down would
                return
            self._shutdown()
            self._linger()
        else:
            self._poller.watch(self, OUT if self._state & _ENDED else OUT | IN)
            self._poller.leaving.add(self)
            self._watchQueue()

    def abort(self) -> None:
        self._state |= _CLOSING
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        except OSError:
            pass
        self.drop()

    def localAddress(self) -> Any:
        try:
            return self._socket.getsockname()
        except OSError:
            return ""

    def option(self, level: int, name: int, value: int | bytes) -> None:
        """Set a socket option where the system knows it."""
        try:
            self._socket.setsockopt(level, name, value)
        except OSError:
            pass

    # ---- ends ----------------------------------------------------------------------------------------------------

    def _shutdown(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _linger(self) -> None:
        """Everything was sent. A socket closed with unread bytes resets the connection, and that can overtake what
        we sent: so read and drop until the peer is done, for a while."""
        if self._state & _ENDED:
            self.drop()
            return
        self._poller.watch(self, IN)
        self._poller.linger(LINGER, self.drop)

    def _watchQueue(self) -> None:
        """Closing, and the peer must take the rest: give up when it has taken nothing for so long."""
        queued = self.queued

        def look() -> None:
            if self.queued == queued:
                self.abort()
            elif self.queued:
                self._watchQueue()

        self._poller.linger(STUCK, look)

    def drop(self) -> None:
        """Close the socket as it is; the owner is not told."""
        if self.fd == -1:
            return
        self._state |= _CLOSING
        self._poller.forget(self)
        self.fd = -1
        self.owner = _NOBODY  # a circle of garbage would keep TLS and all the rest of it for long
        self._socket.close()
        if self._queue is not None:
            self._queue = None
            self.queued = 0
            self._poller.leaving.discard(self)

    def _breakLater(self, error: OSError) -> None:
        """From within a call of the owner's: tell it when it is done."""
        self._poller.atBatchEnd(lambda: self._break(error))

    def _break(self, error: OSError) -> None:
        if self.fd == -1:
            return
        silent = self._state & _CLOSING
        self._state |= _CLOSING
        owner = self.owner
        self.drop()
        if not silent:
            owner.broken(error)


_ENDED = 1
_FINISHING = 2
_CLOSING = 4
_scrap = memoryview(bytearray(65_536))


class _Nobody:
    """Owns connections that are over."""

    def readable(self) -> None:
        """There is nothing to read."""

    def drained(self, size: int) -> None:
        """Nobody counts any more."""

    def broken(self, error: Exception) -> None:
        """It is over anyway."""


_NOBODY = _Nobody()


class _Lingering:
    """Owns a closed connection: drops what still comes, at most 4 MiB, until all is sent and the peer done."""

    def __init__(self, channel: SocketChannel) -> None:
        self._channel = channel
        self._left = 4 * 1_048_576

    def readable(self) -> None:
        channel = self._channel
        try:
            size = channel._socket.recv_into(_scrap)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            size = 0
        self._left -= size
        if size and self._left > 0:
            return
        if not size:
            channel._state |= _ENDED
        if channel.queued:
            channel._poller.watch(channel, OUT)
        else:
            channel.drop()

    def drained(self, size: int) -> None:
        """Nobody counts any more."""

    def broken(self, error: Exception) -> None:
        """It is closed anyway."""
