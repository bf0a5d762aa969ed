"""A Twisted transport as a channel."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from diglett.plane.channel import WOULD_BLOCK, Owner
from diglett.plane.tuning import tune

log = Logger()

LINGER = 5.0
"""Seconds that a closed connection may still be read from, so that its last bytes are not lost to a reset."""
STUCK = 120.0
"""Seconds in which a closed connection must have taken what it was still to be sent."""
_UNWANTED_MAX = 4 * 1_048_576


@implementer(IHalfCloseableProtocol, IPushProducer)
class TransportChannel(Protocol):
    """Both the protocol of a transport and a channel. Starts paused.

    Bytes that the transport takes without asking for a pause count as sent (it may keep some 64 KiB of them), the
    others as queued until it is ready for more. One chunk that was received and not read yet is kept, and the
    transport is paused as long as there is one.
    """

    transport: Any

    def __init__(self, plane: Any, connected: Callable[[TransportChannel], None]) -> None:
        self.owner: Owner | Any = None
        self.peer: Any = ""
        self.queued = 0
        self._plane = plane
        self._connected = connected
        self._pending: memoryview | None = None
        self._reading = False
        self._flowing = True
        """The transport is not paused."""
        self._full = False
        """It has asked for a pause, or can take no more at all."""
        self._announced = False
        self._ended = False
        self._toldEnd = False
        self._finishing = False
        self._shut = False
        """Everything was sent, the end included."""
        self._closing = False
        self._gone = False
        self._unwanted = 0
        self._error: OSError | None = None
        """It broke, and there is something to be read before that is told."""

    # ---- the channel ---------------------------------------------------------------------------------------------

    def readInto(self, view: memoryview) -> int:
        pending = self._pending
        if pending is None:
            if self._error is not None:
                error, self._error = self._error, None
                self._leave()
                raise error
            if not self._ended or self._gone:
                return WOULD_BLOCK
            self._toldEnd = True
            self._reading = False
            return 0
        size = min(len(view), len(pending))
        view[:size] = pending[:size]
        self._pending = pending[size:] if size < len(pending) else None
        return size

    def write(self, parts: Sequence[bytes | memoryview], size: int) -> int:
        if self._closing or self._gone or self._error is not None:
            return 0
        if self._finishing:
            self._plane.again(lambda: self._break(BrokenPipeError(errno.EPIPE, "written after the end")))
            return 0
        self.transport.write(b"".join(parts))
        if self._full:
            self.queued += size
            return 0
        return size

    def pauseReading(self) -> None:
        self._reading = False
        self._flow()

    def resumeReading(self) -> None:
        if self._closing or self._toldEnd:
            return
        self._reading = True
        self._flow()
        self._announce()

    def finish(self) -> None:
        if not self._finishing and not self._gone:
            self._finishing = True
            self._endWriting()

    def close(self) -> None:
        if self._closing or self._gone:
            return
        self._closing = True
        self._reading = False
        self._pending = None
        if self._error is not None:
            self._leave()
            return
        self._plane.linger(STUCK, self.abort)
        self._plane.leaving.add(self)
        if not self._finishing:
            self._finishing = True
            self._endWriting()
        elif self._shut:
            self._linger()
        elif not self._halfCloses:
            self.transport.loseConnection()
        self._flow()

    def abort(self) -> None:
        self._closing = True
        if not self._gone:
            self._leave()
            self.transport.abortConnection()

    def drop(self) -> None:
        """Close it as it is; the owner is not told."""
        self._closing = True
        if not self._gone:
            takesNoMore = self._full and not self._shut
            self._leave()
            self.transport.abortConnection() if takesNoMore else self.transport.loseConnection()

    def localAddress(self) -> Any:
        return addressOf(self.transport.getHost())

    def option(self, level: int, name: int, value: int | bytes) -> None:
        """Set a socket option where there is a socket that knows it."""
        try:
            self.transport.getHandle().setsockopt(level, name, value)
        except (AttributeError, OSError):
            pass

    # ---- the protocol --------------------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        transport = self.transport
        self.peer = addressOf(transport.getPeer())
        try:
            tune(transport.getHandle())
        except AttributeError:
            pass  # it has no socket
        transport.registerProducer(self, True)
        self._plane.channels.add(self)
        self._flow()
        try:
            self._connected(self)
        except Exception:
            log.failure("a bug while accepting a connection; it is closed")
            self.abort()

    def dataReceived(self, data: bytes) -> None:
        if self._closing:
            self._unwanted += len(data)
            if self._unwanted > _UNWANTED_MAX:
                self._doneUnwanted()
            return
        pending = self._pending
        # Some transports deliver what they had read already when they were paused.
        self._pending = memoryview(data if pending is None else bytes(pending) + data)
        self._offer()
        self._flow()

    def readConnectionLost(self) -> None:
        self._ended = True
        if self._closing:
            self._doneUnwanted()
        else:
            self._offer()

    def writeConnectionLost(self) -> None:
        self._shut = True
        self._plane.leaving.discard(self)
        self._drained()
        if self._closing:
            self._linger()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._gone:
            return
        if self._closing:
            self._leave()
        elif self._ended or not reason.check(ConnectionDone):
            self._lost(_asOSError(reason.value))
        else:
            # A transport that knows no half-close: this is its way to say that the other side has ended.
            self._ended = self._finishing = self._full = True
            self._offer()

    def _lost(self, error: OSError) -> None:
        if self._pending is None:
            self._break(error)
        else:
            self._error = error
            self._offer()

    # ---- the producer --------------------------------------------------------------------------------------------

    def pauseProducing(self) -> None:
        self._full = True

    def resumeProducing(self) -> None:
        self._full = False
        self._drained()

    def stopProducing(self) -> None:
        self._full = True

    # ---- inside --------------------------------------------------------------------------------------------------

    def _flow(self) -> None:
        """Let the transport read exactly while somebody would read it."""
        wanted = (self._reading and self._pending is None) or self._closing
        if wanted != self._flowing and not self._gone and not self._ended:
            self._flowing = wanted
            self.transport.resumeProducing() if wanted else self.transport.pauseProducing()

    @property
    def _unread(self) -> bool:
        """There are bytes, an error or the end to be read."""
        return self._pending is not None or self._error is not None or (self._ended and not self._toldEnd)

    def _offer(self) -> None:
        """Have what there is read, as long as somebody does."""
        while self._reading and self._unread:
            before = self._pending
            try:
                self.owner.readable()
            except Exception:
                log.failure("a bug while serving a connection; it is closed")
                self._break(ConnectionAbortedError(errno.ECONNABORTED, "internal error"))
            if before is not None and self._pending is before:
                self._announce()
                return

    def _announce(self) -> None:
        if not self._announced and self._unread:
            self._announced = True
            self._plane.again(self._offerAgain)

    def _offerAgain(self) -> None:
        self._announced = False
        self._offer()
        self._flow()

    def _drained(self) -> None:
        size, self.queued = self.queued, 0
        if size and not self._closing:
            self.owner.drained(size)

    def _endWriting(self) -> None:
        transport = self.transport
        transport.unregisterProducer()
        if self._halfCloses:
            transport.loseWriteConnection()
        elif self._closing:
            transport.loseConnection()

    @property
    def _halfCloses(self) -> bool:
        return hasattr(self.transport, "loseWriteConnection")

    def _linger(self) -> None:
        """Everything was sent. Read and drop until the other side is done, for a while, else a reset could overtake
        the last bytes."""
        if self._ended:
            self.drop()
        else:
            self._plane.linger(LINGER, self.drop)

    def _doneUnwanted(self) -> None:
        """The other side has ended, or will not stop to send; what is queued still goes out."""
        if self._shut:
            self.drop()
        elif not self._ended:
            self.transport.pauseProducing()

    def _break(self, error: OSError) -> None:
        silent = self._closing or self._gone
        if not self._gone:
            self.abort()
        if not silent:
            self.owner.broken(error)

    def _leave(self) -> None:
        self._gone = True
        self._reading = False
        self._pending = None
        self._error = None
        self.queued = 0
        self._plane.channels.discard(self)
        self._plane.leaving.discard(self)


def addressOf(address: Any) -> Any:
    """A Twisted address as a socket would say it."""
    host = getattr(address, "host", None)
    if host is not None:
        return host, address.port
    name = getattr(address, "name", None) or ""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _asOSError(error: BaseException | None) -> OSError:
    if isinstance(error, OSError):
        return error
    return ConnectionResetError(errno.ECONNRESET, "the connection was reset")
