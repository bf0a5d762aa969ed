"""Many streams over one link: frames in, calls on endpoints; calls of endpoints, frames out.

Sans-IO and buffer-shaped; `diglett.wire.outbox` is its sending half, `diglett.wire.inbox` its receiving one. The mux
never owns a socket. Credit is returned on delivery, never on receipt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from diglett.errors import ProtocolError, Refused
from diglett.wire.batch import BatchPool
from diglett.wire.driver import Driver
from diglett.wire.frames import (
    CONTROL_MAX,
    CREDIT_MAX,
    EXTENSIONS,
    HEADER,
    ID_MAX,
    Kind,
    Reason,
    decodeClose,
    encodeClose,
    encodeFrame,
)
from diglett.wire.inbox import Inbox
from diglett.wire.messages import WINDOW_DEFAULT, decodeRefusal, encodeRefusal
from diglett.wire.opening import Opening
from diglett.wire.outbox import Outbox
from diglett.wire.stream import Endpoint, Stream
from diglett.wire.windows import Growth

STREAMS_MAX = 10_000
"""Live streams of a link, whatever the peer allows."""
UNDELIVERED_MAX = 64 * 1_048_576
"""Bytes received and not yet delivered, of all streams of a link."""


class Mux(Outbox, Inbox):
    """The streams of one established link.

    `opens` is true for the gateway, the only side that opens streams. `peerWindow` and `peerStreams` are what the
    peer's hello granted, `window` and `streamsMax` what ours did. `clock` tells seconds; it is asked only when credit
    is returned.
    """

    def __init__(
        self,
        driver: Driver,
        clock: Callable[[], float],
        *,
        opens: bool,
        pool: BatchPool | None = None,
        window: int = WINDOW_DEFAULT,
        peerWindow: int = WINDOW_DEFAULT,
        streamsMax: int = STREAMS_MAX,
        peerStreams: int = STREAMS_MAX,
        undeliveredMax: int = UNDELIVERED_MAX,
    ) -> None:
        super().__init__(driver, pool if pool is not None else BatchPool())
        self._driver = driver
        self._clock = clock
        self._opens = opens
        self._window = window
        self._peerWindow = peerWindow
        self._streamsMax = streamsMax
        self._peerStreams = min(peerStreams, STREAMS_MAX)
        self._undeliveredMax = undeliveredMax
        self.streams: dict[int, Stream] = {}
        self.growth = Growth()
        self.undelivered = 0
        self.ignored = 0
        """Late frames for streams that were over: counted and dropped."""
        self.drainingHere = False
        self.drainingThere = False
        self._lastId = ID_MAX

    # ---- streams -------------------------------------------------------------------------------------------------

    def open(self, opening: Opening, endpoint: Endpoint) -> Stream:
        """Begin a stream; payload may follow at once.

        Raises Refused: the peer drains or its limit is reached.
        """
        if self.drainingThere or self.drainingHere or self.silent:
            raise Refused("the agent is going away", code="draining")
        if len(self.streams) >= self._peerStreams:
            raise Refused("too many streams on this link", code="limit")
        stream = Stream(self._freeId(opening), endpoint, self._peerWindow, self._window)
        stream.since = self._clock()
        self.streams[stream.id] = stream
        self.append(self._openFrame(stream.id, opening))
        return stream

    def finish(self, stream: Stream) -> None:
        """Our side of this stream sends no more."""
        if stream.finishedHere or self.streams.get(stream.id) is not stream:
            return
        stream.finishedHere = True
        stream.credit = 0
        self.append(HEADER.pack(Kind.FINISH, stream.id, 0))
        if stream.finishedThere:
            self._forget(stream)
            stream.endpoint = None

    def close(self, stream: Stream, reason: Reason = Reason.NONE, text: str = "") -> None:
        """End both directions now; the endpoint is not told. Nothing happens to a stream that is over."""
        if self.streams.get(stream.id) is stream:
            self.append(self._closeFrame(stream.id, reason, text))
            self._forget(stream)
            stream.endpoint = None
        self.abandon(stream)

    def abandon(self, stream: Stream) -> None:
        """What was received for this stream and not delivered never will be."""
        self.undelivered -= stream.undelivered
        stream.undelivered = 0

    def lost(self, text: str) -> None:
        """The link is gone: every stream is closed, and nothing is sent any more."""
        streams = list(self.streams.values())
        self.streams.clear()
        self._discard()
        for stream in streams:
            stream.credit = 0
            self._tellClosed(stream, Reason.LOST, text)

    # ---- what version 1 says in another way ----------------------------------------------------------------------

    def _freeId(self, opening: Opening) -> int:
        """An id that no live stream has, and none had for as long as possible."""
        id = self._lastId
        while True:
            id = id + 2 if id < ID_MAX else 1
            if id not in self.streams:
                self._lastId = id
                return id

    def _openFrame(self, id: int, opening: Opening) -> bytes:
        """What tells the peer of a new stream."""
        return encodeFrame(Kind.OPEN, id, opening.encode())

    def _closeFrame(self, id: int, reason: Reason, text: str) -> bytes:
        """What tells the peer that a stream is over."""
        return encodeClose(id, reason, text)

    def tick(self, now: float) -> None:
        """It is so late, seconds: a link says so now and then. Here nothing depends on it."""

    # ---- the link as a whole -------------------------------------------------------------------------------------

    def ping(self, payload: bytes) -> None:
        """Ask for a sign of life; 8 bytes that come back with `ponged`."""
        self.append(encodeFrame(Kind.PING, 0, payload))

    def drain(self) -> None:
        """Tell the peer to open no more streams, and refuse those it opens all the same."""
        if not self.drainingHere:
            self.drainingHere = True
            self.append(HEADER.pack(Kind.DRAIN, 0, 0))

    def terminate(self, error: Refused | ProtocolError | None = None) -> None:
        """The last frame: why the link ends, or that it does."""
        if error is None:
            self.append(HEADER.pack(Kind.TERMINATE, 0, 0))
        else:
            self.append(encodeFrame(Kind.ERROR, 0, encodeRefusal(error)))

    # ---- receiving -----------------------------------------------------------------------------------------------

    def delivered(self, stream: Stream, size: int) -> None:
        """So many bytes were really written to the other socket: they are owed as credit.

        Each byte is to be reported once, or given up by `abandon`; what is reported later has no meaning.
        """
        if size > stream.undelivered:
            size = stream.undelivered
        stream.undelivered -= size
        self.undelivered -= size
        owed = stream.owed = stream.owed + size
        if owed * 2 >= stream.window and not stream.finishedThere and self.streams.get(stream.id) is stream:
            self._return(stream, owed)

    def _return(self, stream: Stream, owed: int) -> None:
        """Give the peer this much credit, and more when the window was the bottleneck."""
        stream.owed = 0
        now = self._clock()
        grown = self.growth.grow(stream.window, now - stream.since)
        stream.since = now
        stream.window += grown
        stream.allowance += owed + grown
        self.append(encodeFrame(Kind.WINDOW, stream.id, (owed + grown).to_bytes(4, "big")))

    def _deliver(self, id: int, parts: Sequence[memoryview], size: int) -> None:
        stream = self.streams.get(id)
        if stream is None:
            self.ignored += len(parts)
            return
        allowance = stream.allowance - size
        if allowance < 0:
            if stream.finishedThere:
                self._fail(stream, Reason.PROTOCOL, "payload after Finish")
            else:
                self._fail(stream, Reason.CREDIT, "more was sent than credit allowed")
            return
        stream.allowance = allowance
        try:
            sent = stream.endpoint.deliver(parts, size)  # type: ignore[union-attr]
        except Exception:
            self._failed(stream)
            return
        # Nearly always that was all of it, and less is owed than is worth a frame.
        owed = stream.owed = stream.owed + sent
        if sent == size and owed * 2 < stream.window or self.streams.get(id) is not stream:
            return
        if owed * 2 >= stream.window:
            self._return(stream, owed)
        left = size - sent
        stream.undelivered += left
        self.undelivered += left
        if self.undelivered > self._undeliveredMax:
            self._fail(self._stalled(), Reason.BUFFER, "too much is buffered on this link")

    def _stalled(self) -> Stream:
        """Who keeps much for long: a reader that is only behind has had credit returned a moment ago."""
        now = self._clock()
        return max(self.streams.values(), key=lambda each: (each.undelivered * (now - each.since), each.undelivered))

    def _handle(self, kind: int, id: int, payload: bytes) -> None:
        handler = _HANDLERS.get(kind)
        if handler is not None:
            handler(self, id, payload)
        elif kind not in EXTENSIONS:
            raise ProtocolError(f"a frame of kind {kind}")

    def _onWindow(self, id: int, payload: bytes) -> None:
        credit = int.from_bytes(payload, "big")
        if len(payload) != 4 or not credit:
            raise ProtocolError("malformed Window")
        stream = self.streams.get(id)
        if stream is None or stream.finishedHere:
            self.ignored += 1
            return
        stream.credit += credit
        if stream.credit > CREDIT_MAX:
            self._fail(stream, Reason.PROTOCOL, "credit beyond 2^31-1")
        elif stream.starved:
            stream.starved = False
            self._resume(stream)

    def _onFinish(self, id: int, payload: bytes) -> None:
        if payload:
            raise ProtocolError("malformed Finish")
        stream = self.streams.get(id)
        if stream is None or stream.finishedThere:
            self.ignored += 1
            return
        stream.finishedThere = True
        stream.allowance = 0
        endpoint = stream.endpoint
        if stream.finishedHere:
            self._forget(stream)
            stream.endpoint = None
        try:
            endpoint.finished()  # type: ignore[union-attr]
        except Exception:
            self._failed(stream)

    def _onClose(self, id: int, payload: bytes) -> None:
        if len(payload) == 1 or len(payload) > CONTROL_MAX:
            raise ProtocolError("malformed Close")
        stream = self.streams.get(id)
        if stream is None:
            self.ignored += 1
            return
        self._forget(stream)
        self._tellClosed(stream, *decodeClose(payload))

    def _onOpen(self, id: int, payload: bytes) -> None:
        if self._opens:
            raise ProtocolError("Open from the agent")
        if id % 2 == 0 or id in self.streams or len(payload) > CONTROL_MAX:
            raise ProtocolError("malformed Open")
        self._admit(id, Opening.decode(payload))

    def _admit(self, id: int, opening: Opening) -> None:
        """The peer opens a stream."""
        if self.drainingHere or self.drainingThere or len(self.streams) >= self._streamsMax:
            self.append(self._closeFrame(id, Reason.REFUSED, ""))
            return
        stream = Stream(id, None, self._peerWindow, self._window)
        stream.since = self._clock()
        self.streams[id] = stream
        try:
            endpoint = self._driver.accept(stream, opening)
            if self.silent:  # the link was ended within that call
                endpoint.closed(Reason.LOST, "the link is over")
            elif stream.endpoint is None and self.streams.get(id) is stream:
                # Else it is over already, or its connection was there at once, and stands in its place.
                stream.endpoint = endpoint
        except Exception:
            self._failed(stream)

    def _onPing(self, id: int, payload: bytes) -> None:
        if id or len(payload) != 8:
            raise ProtocolError("malformed Ping")
        self.append(encodeFrame(Kind.PONG, 0, payload))

    def _onPong(self, id: int, payload: bytes) -> None:
        if id or len(payload) != 8:
            raise ProtocolError("malformed Pong")
        self._driver.ponged(payload)

    def _onDrain(self, id: int, payload: bytes) -> None:
        if id or payload:
            raise ProtocolError("malformed Drain")
        if not self.drainingThere:
            self.drainingThere = True
            self._driver.draining()

    def _onTerminate(self, id: int, payload: bytes) -> None:
        if id or payload:
            raise ProtocolError("malformed Terminate")
        self._driver.terminated()

    def _onError(self, id: int, payload: bytes) -> None:
        self._driver.refused(decodeRefusal(payload))

    # ---- ends of streams -----------------------------------------------------------------------------------------

    def _forget(self, stream: Stream) -> None:
        """It is over. Whoever calls this also parts stream and endpoint, which know each other: circles of garbage are
        not collected before there are many."""
        del self.streams[stream.id]
        self._waiting.pop(stream, None)
        stream.credit = 0
        self.growth.release(stream.window - stream.initial)
        if not self.streams and (self.drainingHere or self.drainingThere):
            self._driver.emptied()

    def _fail(self, stream: Stream, reason: Reason, text: str) -> None:
        """End a stream for a reason of our own, and tell both sides."""
        self.append(self._closeFrame(stream.id, reason, text))
        self._forget(stream)
        self._tellClosed(stream, reason, text)

    def _tellClosed(self, stream: Stream, reason: Reason, text: str) -> None:
        self.abandon(stream)
        endpoint, stream.endpoint = stream.endpoint, None
        if endpoint is None:  # it is just being accepted
            return
        try:
            endpoint.closed(reason, text)
        except Exception:
            self._driver.failed(stream)

    def _resume(self, stream: Stream) -> None:
        try:
            stream.endpoint.resume()  # type: ignore[union-attr]
        except Exception:
            self._failed(stream)

    def _failed(self, stream: Stream) -> None:
        """An endpoint raised: its stream ends, the link does not."""
        self._driver.failed(stream)
        self.close(stream, Reason.INTERNAL)


_HANDLERS = {
    int(Kind.ERROR): Mux._onError,
    int(Kind.CLOSE): Mux._onClose,
    int(Kind.TERMINATE): Mux._onTerminate,
    int(Kind.OPEN): Mux._onOpen,
    int(Kind.FINISH): Mux._onFinish,
    int(Kind.WINDOW): Mux._onWindow,
    int(Kind.PING): Mux._onPing,
    int(Kind.PONG): Mux._onPong,
    int(Kind.DRAIN): Mux._onDrain,
}
