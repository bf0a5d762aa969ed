"""The data plane in memory: connections of limited capacity, pumped step by step, without sockets or real time."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from diglett.plane.channel import WOULD_BLOCK, Channel, Target
from diglett.plane.tls import TLSChannel
from diglett.plane.tuning import tuneLink
from diglett.wire.batch import BatchPool

CAPACITY = 65_536
"""Bytes that a direction of a connection holds, as a kernel's buffers would."""
ROUNDS = 100_000
"""Rounds after which a plane that does not come to rest is broken."""


class Pipe:
    """One direction of a connection."""

    __slots__ = ("capacity", "data", "dropping", "ended", "frozen")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.data = bytearray()
        self.ended = False
        """No more will be written."""
        self.dropping = False
        """Nobody reads any more: what is written is gone."""
        self.frozen = False
        """Nothing comes out: the network is gone."""

    @property
    def readable(self) -> bool:
        """Whether there is something to read, or the end."""
        return (bool(self.data) or self.ended) and not self.frozen

    def put(self, data: bytes | bytearray | memoryview) -> int:
        """Take as much as fits: how much."""
        if self.dropping:
            return len(data)
        size = min(len(data), self.capacity - len(self.data))
        self.data += data[:size]
        return size


class MemoryChannel:
    """A `diglett.plane.channel.Channel`. It calls its owner only while its plane is pumped.

    Beyond the interface: `freeze` and `reset` are what a network can do to it, and `chunk` bytes are the most that
    one `readInto` gives (0: no such limit).
    """

    def __init__(self, plane: MemoryPlane, incoming: Pipe, outgoing: Pipe, peer: Any, address: Any) -> None:
        self.owner: Any = None
        self.peer = peer
        self.chunk = 0
        self.closed = False
        """`close` or `abort` was called, or it broke."""
        self.options: dict[tuple[int, int], int | bytes] = {}
        """Socket options that were set: by level and name."""
        self._plane = plane
        self._incoming = incoming
        self._outgoing = outgoing
        self._address = address
        self._other: MemoryChannel | None = None
        self._queue = bytearray()
        self._reading = False
        self._finishing = False
        self._sawEnd = False
        self._error: OSError | None = None
        self._gone = False

    # ---- the channel ---------------------------------------------------------------------------------------------

    @property
    def queued(self) -> int:
        return len(self._queue)

    def readInto(self, view: memoryview) -> int:
        error, self._error = self._error, None
        if error is not None:
            self._end()
            raise error
        incoming = self._incoming
        if not incoming.readable or self._gone:
            return WOULD_BLOCK
        size = min(len(view), len(incoming.data), self.chunk or len(view))
        if not size:
            self._sawEnd = True
            self._reading = False
            return 0
        view[:size] = incoming.data[:size]
        del incoming.data[:size]
        return size

    def write(self, parts: Sequence[bytes | memoryview], size: int) -> int:
        data = b"".join(parts)
        if len(data) != size:
            raise ValueError(f"{len(data)} bytes were called {size}")
        if self._finishing and not self.closed:
            self._error = self._error or BrokenPipeError(errno.EPIPE, "written after the end")
        if self.closed or self._error is not None:
            return 0
        sent = 0 if self._queue else self._outgoing.put(data)
        self._queue += data[sent:]
        return sent

    def pauseReading(self) -> None:
        self._reading = False

    def resumeReading(self) -> None:
        self._reading = not self.closed and not self._sawEnd

    def finish(self) -> None:
        self._finishing = True

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._finishing = True
            self._reading = False

    def abort(self) -> None:
        if not self._gone:
            self._end()
            if self._other is not None:
                self._other.reset()

    def localAddress(self) -> Any:
        return self._address

    def option(self, level: int, name: int, value: int | bytes) -> None:
        self.options[level, name] = value

    # ---- what a network can do -----------------------------------------------------------------------------------

    def freeze(self) -> None:
        """Nothing that is sent here arrives any more, and nobody is told."""
        self._outgoing.frozen = True

    def thaw(self) -> None:
        """It arrives again."""
        self._outgoing.frozen = False

    def reset(self, number: int = errno.ECONNRESET, why: str = "the connection was reset") -> None:
        """The connection breaks, as this end sees it; what was not read yet is lost."""
        if not self._gone and self._error is None:
            self._incoming.data.clear()
            self._error = ConnectionResetError(number, why)

    # ---- pumping -------------------------------------------------------------------------------------------------

    def turn(self) -> bool:
        """Do what is possible now; whether that was anything."""
        if self._gone:
            return False
        if self._error is not None:
            return self._break()
        return self._flush() | self._read()

    def _break(self) -> bool:
        """The owner hears of it from the next `readInto` when it reads, else at once."""
        if self.closed or not self._reading:
            error, silent = self._error, self.closed
            self._end()
            if not silent:
                self.owner.broken(error)
        else:
            self.owner.readable()
        return True

    def _flush(self) -> bool:
        queue = self._queue
        sent = self._outgoing.put(queue) if queue else 0
        if sent:
            del queue[:sent]
            if not self.closed:
                self.owner.drained(sent)
        ends = self._finishing and not queue and not self._outgoing.ended
        if ends:
            self._outgoing.ended = True
        if self.closed and self._outgoing.ended and not self._gone:
            # Lingering: unread and later bytes are dropped, so that the other side never sees a reset.
            self._gone = True
            self._incoming.dropping = True
            self._incoming.data.clear()
        return bool(sent) or ends

    def _read(self) -> bool:
        if not self._reading or self._sawEnd or not self._incoming.readable:
            return False
        self.owner.readable()
        return True

    def _end(self) -> None:
        self.closed = self._gone = True
        self._reading = False
        self._error = None
        self._queue.clear()
        self._incoming.dropping = True
        self._incoming.data.clear()


class MemoryListener:
    """A `diglett.plane.channel.Listener`."""

    def __init__(self, plane: MemoryPlane, address: Any, accepted: Callable[[Channel], None]) -> None:
        self.accepted = accepted
        self.paused = False
        self.backlog: list[MemoryChannel] = []
        self._plane = plane
        self._address = address
        plane.listeners[keyOf(address)] = self

    def address(self) -> Any:
        return self._address

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def close(self) -> None:
        if self._plane.listeners.get(keyOf(self._address)) is self:
            del self._plane.listeners[keyOf(self._address)]
        for waiting in self.backlog:
            waiting.abort()
        self.backlog.clear()


class MemoryPlane:
    """A `diglett.plane.channel.Plane` whose time is a `Clock`, and which moves when it is told to.

    `pump` runs everything that is due until nothing moves any more; `advance` lets time pass as well. What an owner
    raises comes out there. Hosts are not looked at: whoever connects to a port finds whoever listens on it.
    """

    def __init__(self, clock: Clock | None = None, capacity: int = CAPACITY) -> None:
        self.clock: Any = Clock() if clock is None else clock
        self.pool = BatchPool()
        self.listeners: dict[Any, MemoryListener] = {}
        self.silent: set[Target] = set()
        """Where connecting gets no answer at all."""
        self._capacity = capacity
        self._channels: list[MemoryChannel] = []
        self._again: list[Callable[[], None]] = []
        self._batchEnd: list[Callable[[], None]] = []
        self._ports = 20_000

    # ---- the plane -----------------------------------------------------------------------------------------------

    def listen(self, description: str, accepted: Callable[[Channel], None]) -> Deferred[MemoryListener]:
        """`tcp:PORT…` (0: a free one) or `unix:PATH…`."""
        kind, _, place = description.partition(":")
        place = place.partition(":")[0]
        return succeed(MemoryListener(self, place if kind == "unix" else self._port(int(place)), accepted))

    def _port(self, wanted: int) -> tuple[str, int]:
        if not wanted:
            self._ports += 1
        return "127.0.0.1", wanted or self._ports

    def listenOn(self, socket: Any, accepted: Callable[[Channel], None]) -> MemoryListener:
        """Takes the address of the socket, and closes it."""
        address = socket.getsockname()
        socket.close()
        return MemoryListener(self, address, accepted)

    def connect(self, target: Target, timeout: float) -> Deferred[MemoryChannel]:
        """Answers when the plane is pumped: with a channel, a refusal when nobody listens, or not at all."""
        timer = self.clock.callLater(timeout, lambda: answer(TimeoutError(errno.ETIMEDOUT, "it did not answer")))
        done: Deferred[MemoryChannel] = Deferred(lambda _: timer.cancel())

        def answer(result: MemoryChannel | OSError) -> None:
            if timer.active():
                timer.cancel()
            done.errback(result) if isinstance(result, OSError) else done.callback(result)

        def attempt() -> None:
            listener = self.listeners.get(target.path or target.port)
            if done.called:
                return
            if listener is None:
                answer(ConnectionRefusedError(errno.ECONNREFUSED, "connection refused"))
                return
            here, there = self.pair()
            listener.backlog.append(there)
            answer(here)

        if target not in self.silent:
            self.again(attempt)
        return done

    def atBatchEnd(self, call: Callable[[], None]) -> None:
        self._batchEnd.append(call)

    def again(self, call: Callable[[], None]) -> None:
        """Run this in the next round."""
        self._again.append(call)

    def tls(self, below: Channel, connection: Any) -> TLSChannel:
        """TLS over a channel of this plane."""
        return TLSChannel(below, connection, self.again)

    def tuneLink(self, channel: Any, timeout: float) -> None:
        """The options of a link's socket; they are noted."""
        tuneLink(channel, timeout)

    def close(self, limit: float = 0) -> Deferred[None]:
        """Forget everything; nobody is told."""
        self.listeners.clear()
        self._channels.clear()
        self._again.clear()
        self._batchEnd.clear()
        return succeed(None)

    # ---- for tests -----------------------------------------------------------------------------------------------

    def pair(self, capacity: int | None = None) -> tuple[MemoryChannel, MemoryChannel]:
        """Two channels connected to each other, both paused and without an owner."""
        capacity = self._capacity if capacity is None else capacity
        one, two = Pipe(capacity), Pipe(capacity)
        self._ports += 2
        hither, thither = ("127.0.0.1", self._ports - 1), ("127.0.0.1", self._ports)
        here = MemoryChannel(self, one, two, thither, hither)
        there = MemoryChannel(self, two, one, hither, thither)
        here._other, there._other = there, here
        self._channels += here, there
        return here, there

    def pump(self) -> None:
        """Run until nothing moves any more."""
        for _ in range(ROUNDS):
            if not self.turn():
                return
        raise AssertionError("the plane does not come to rest: somebody neither reads nor pauses")

    def turn(self) -> bool:
        """One round: every channel gets one turn; whether anything has happened."""
        again, self._again = self._again, []
        for call in again:
            call()
        moved = bool(again)
        for listener in list(self.listeners.values()):
            while listener.backlog and not listener.paused:
                listener.accepted(listener.backlog.pop(0))
                moved = True
        self._channels = [each for each in self._channels if not each._gone]
        for channel in list(self._channels):
            moved |= channel.turn()
        calls, self._batchEnd = self._batchEnd, []
        for call in calls:
            call()
        return moved or bool(calls)

    def advance(self, seconds: float, step: float = 0.5) -> None:
        """Let time pass in steps, pumping after each."""
        self.pump()
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            seconds -= step
            self.pump()


def keyOf(address: Any) -> Any:
    """What a listener is found by: the port, or the path."""
    return address[1] if isinstance(address, tuple) else address
