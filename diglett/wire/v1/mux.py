"""The streams of a link of version 1: the same interface and frames, and only two words, Payload and Close.

What this wire lacks, and what we do instead:

* *Open*: the first Payload of a new id opens a stream; an empty one, so that the agent connects at once.
* *Credit*: nobody can be told to wait. A stream of which too much is undelivered is closed; before that its link is
  told (`crowded`), which may read a little more slowly.
* *Finish*: a Close ends both directions. The agent sends it when its backend has finished; a visitor who has finished
  is kept for the answer, for a while.
* *Reasons*: a received Close may be a good end, so what came before it is delivered (`Reason.ENDED`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from diglett.errors import ProtocolError, Refused
from diglett.wire.frames import HEADER, Kind, Reason
from diglett.wire.mux import Mux
from diglett.wire.opening import Opening
from diglett.wire.stream import Stream
from diglett.wire.v1.words import decodeError

UNDELIVERED_MAX = 16 * 1_048_576
"""Bytes received on one stream and not yet delivered."""
CROWDED = 1_048_576
"""The same, from which on it would be good to wait."""
LINGER = 60.0
"""Seconds without a byte for a visitor who has finished, or is gone, which looks the same."""
LINGERING_MAX = 256
"""Visitors of a link who may wait in that way; with one more the one that waits longest is closed."""
REMEMBER = 10.0
"""Seconds for which late Payload of a stream that was closed here is known to be late, and opens no new one."""
REMEMBERED_MAX = 4_096
_COUNT = 0xFFFF


class V1Mux(Mux):
    """`Mux` for version 1. Nothing is sent on a stream after its Close, and nothing about the link as a whole."""

    payloadMax = 0xFFFF

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._counter = 0
        self._lingering: OrderedDict[Stream, float] = OrderedDict()
        """Visitors who have finished, and when the last byte came for them."""
        self._closed: OrderedDict[int, float] = OrderedDict()
        """Streams that were closed here, and when."""
        self.crowded: set[Stream] = set()
        """Streams that were given more while they were crowded; when the last one is not any more, the driver is told.
        Clear it to be told anew."""

    # ---- streams -------------------------------------------------------------------------------------------------

    def _freeId(self, opening: Opening) -> int:
        """They count up: the original's ids are visitors' ports, which come again too soon."""
        number = opening.registration << 16
        while True:
            self._counter = self._counter % _COUNT + 1
            if number | self._counter not in self.streams:
                return number | self._counter

    def _openFrame(self, id: int, opening: Opening) -> bytes:
        return HEADER.pack(Kind.PAYLOAD, id, 0)

    def _closeFrame(self, id: int, reason: Reason, text: str) -> bytes:
        if not self._opens:
            self._closed[id] = self._clock()
            if len(self._closed) > REMEMBERED_MAX:
                self._closed.popitem(last=False)
        return HEADER.pack(Kind.CLOSE, id, 0)

    def finish(self, stream: Stream) -> None:
        """Our side of this stream sends no more: at the agent that is the end, at the gateway the answer may come."""
        if stream.finishedHere or self.streams.get(stream.id) is not stream:
            return
        stream.finishedHere = True
        stream.credit = 0
        if not self._opens:
            self._fail(stream, Reason.ENDED, "")
            return
        self._lingering[stream] = self._clock()
        if len(self._lingering) > LINGERING_MAX:
            self._expire(next(iter(self._lingering)))

    def tick(self, now: float) -> None:
        for stream, since in list(self._lingering.items()):
            if stream.undelivered:
                self._lingering[stream] = now
            elif now - since >= LINGER:
                self._expire(stream)
        while self._closed and now - next(iter(self._closed.values())) >= REMEMBER:
            self._closed.popitem(last=False)

    def _expire(self, stream: Stream) -> None:
        self._fail(stream, Reason.IDLE, f"nothing came for {LINGER:.0f} s")

    def _forget(self, stream: Stream) -> None:
        self._lingering.pop(stream, None)
        self._relieve(stream)
        super()._forget(stream)

    def delivered(self, stream: Stream, size: int) -> None:
        super().delivered(stream, size)
        if self.crowded and stream.undelivered < CROWDED:
            self._relieve(stream)

    def _relieve(self, stream: Stream) -> None:
        if stream in self.crowded:
            self.crowded.remove(stream)
            if not self.crowded:
                self._driver.relieved()

    # ---- the link as a whole -------------------------------------------------------------------------------------

    def ping(self, payload: bytes) -> None:
        """There is no such question; TCP's keep-alive asks."""

    def drain(self) -> None:
        """Refuse new streams; the peer finds out when it opens one."""
        self.drainingHere = True

    def terminate(self, error: Refused | ProtocolError | None = None) -> None:
        """The peer sees that the connection is closed."""

    # ---- receiving -----------------------------------------------------------------------------------------------

    def _onEmpty(self, id: int) -> None:
        if id not in self.streams:
            self._welcome(id)

    def _welcome(self, id: int) -> None:
        """Payload for a stream that is not there: it is new, unless it was closed here a moment ago."""
        if not self._opens and not self.silent and id not in self._closed:
            self._admit(id, Opening(registration=(id >> 16) + 1))  # people, and the agent, count from one

    def _deliver(self, id: int, parts: Sequence[memoryview], size: int) -> None:
        if id not in self.streams:
            self._welcome(id)
        super()._deliver(id, parts, size)
        stream = self.streams.get(id)
        if stream is None:
            return
        if stream.undelivered >= CROWDED:
            self.crowded.add(stream)
            if stream.undelivered > UNDELIVERED_MAX:
                self._fail(stream, Reason.BUFFER, "too much is buffered on this stream")
                return
        if stream.finishedHere:
            self._lingering[stream] = self._clock()
            self._lingering.move_to_end(stream)

    def _handle(self, kind: int, id: int, payload: bytes) -> None:
        if kind == Kind.CLOSE:
            self._onClose(id, payload)
        elif kind == Kind.ERROR:
            self._driver.refused(decodeError(payload))
        elif kind == Kind.TERMINATE:
            self._driver.terminated()
        elif kind in (Kind.OK, Kind.REGISTER, Kind.FINISH_REGISTER, Kind.LOGIN):
            self.ignored += 1  # as the original does
        else:
            raise ProtocolError(f"a frame of kind {kind}")

    def _onClose(self, id: int, payload: bytes) -> None:
        stream = self.streams.get(id)
        if stream is None:
            self._closed.pop(id, None)  # nothing late can come any more
            self.ignored += 1
            return
        self._forget(stream)
        self._tellClosed(stream, Reason.ENDED, "")
