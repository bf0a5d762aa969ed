"""What a link is about to send: one small batch of frames, and who waits for room in it.

Outgoing frames stand in one batch, in order, each payload received right behind the space of its header. While the link
is *blocked* (what was given out earlier has not gone into the socket yet) nobody is given room, so data waits in the
kernel's buffers of the streams' own sockets, which is what slows their senders; endpoints that were refused queue up
and are resumed in order. Control frames that come up meanwhile stand in a bounded queue and go first. So a ping is
never behind more than one batch.
"""

from __future__ import annotations

from collections import OrderedDict

from diglett.wire.batch import FLUSH_AT, Batch, BatchPool
from diglett.wire.driver import Carrier
from diglett.wire.frames import HEADER, HEADER_SIZE, PAYLOAD_MAX, Kind, encodeFrame
from diglett.wire.stream import Source, Stream

CONTROL_QUEUE_MAX = 1_048_576
"""Unsent control frames, bytes; a link on which we owe more is given up."""

NO_ROOM = -2
"""What `Outbox.pull` answers instead of asking."""
_PAYLOAD = int(Kind.PAYLOAD)
_pack = HEADER.pack_into


class Outbox:
    """The sending half of a mux: it says where payload may be received and what is ready to be written."""

    def __init__(self, carrier: Carrier, pool: BatchPool) -> None:
        self._carrier = carrier
        self._pool = pool
        self.blocked = False
        self.silent = False
        """Nothing is sent any more, nor kept: the link is over."""
        self.overflowed = False
        """It is over because the peer did not take the control frames that we owe it."""
        self._batch: Batch | None = None
        self._position = 0
        self._control = bytearray()
        self._announced = False
        self._waiting: OrderedDict[Stream, None] = OrderedDict()
        """In the order they asked; a stream leaves it when it ends."""

    def pull(self, stream: Stream, source: Source) -> int:
        """Have `source` put this stream's next payload where it is sent from: how much it says that was.

        NO_ROOM: it was not asked, and the endpoint will be resumed. What it says of 0 or less is handed on, and
        nothing is sent. It must ask nothing of this mux meanwhile, or of another on the same pool.
        """
        credit = stream.credit
        if credit <= 0 or self.blocked:
            self._putOff(stream)
            return NO_ROOM
        batch = self._batch
        view = self._pool.spare().view if batch is None else batch.view
        position = self._position
        start = position + HEADER_SIZE
        size = source.readInto(view[start : start + (credit if credit < PAYLOAD_MAX else PAYLOAD_MAX)])
        if size <= 0:
            return size
        if batch is None:
            batch = self._batch = self._pool.acquire()
        _pack(batch.buffer, position, _PAYLOAD, stream.id, size)
        stream.credit = credit - size
        self._position = position = start + size
        if position >= FLUSH_AT:
            self._carrier.flush()
        elif not self._announced:
            self._announced = True
            self._carrier.outputReady()
        return size

    def write(self, stream: Stream, data: bytes | memoryview) -> int:
        """Copy in as much of this as may be sent now; how much that was. When less, the endpoint will be resumed."""
        done = 0
        size = len(data)
        credit = stream.credit
        if 0 < size <= PAYLOAD_MAX and size <= credit and not self.blocked:  # as nearly always
            stream.credit = credit - size
            self.append(encodeFrame(_PAYLOAD, stream.id, data))
            return size
        while done < size:
            credit = stream.credit
            if credit <= 0 or self.blocked:
                self._putOff(stream)
                break
            step = min(size - done, credit, PAYLOAD_MAX)
            stream.credit = credit - step
            self.append(encodeFrame(_PAYLOAD, stream.id, memoryview(data)[done : done + step]))
            done += step
        return done

    def _putOff(self, stream: Stream) -> None:
        """Not now: when there is credit, or when the link goes on, whichever it lacks."""
        if stream.credit <= 0:
            stream.starved = True
        elif not self.silent:
            self._waiting[stream] = None

    def append(self, frame: bytes) -> None:
        """Put a whole frame in its place: in the batch, or, one of control, first in line when the link is blocked.

        A queue that grows too long ends the link: `Mux.receive` says so, at its next call.
        """
        size = len(frame)
        if self.silent:
            return
        if self.blocked:
            self._control += frame
            if len(self._control) > CONTROL_QUEUE_MAX:
                self.overflowed = True
                self._discard()
            return
        batch = self._batch
        if batch is None:
            batch = self._batch = self._pool.acquire()
        position = self._position
        batch.buffer[position : position + size] = frame
        self._position = position = position + size
        if position >= FLUSH_AT:  # so that there is always room for a whole payload
            self._carrier.flush()
        elif not self._announced:
            self._announced = True
            self._carrier.outputReady()

    def output(self) -> list[memoryview]:
        """What is ready to be written, in order; valid until `outputTaken`."""
        output = []
        if self._control:
            output.append(memoryview(bytes(self._control)))
            self._control.clear()
        if self._position:
            output.append(self._batch.view[: self._position])  # type: ignore[union-attr]
        return output

    def outputTaken(self) -> None:
        """All of `output` was written or copied."""
        self._announced = False
        self._position = 0
        if self._batch is not None:
            self._pool.release(self._batch)
            self._batch = None

    def block(self) -> None:
        """What was taken has not all gone out: give nobody room."""
        self.blocked = True

    def unblock(self) -> None:
        """It has: those who were refused may go on, in their order, until the link blocks again."""
        if self.silent:
            return
        self.blocked = False
        waiting = self._waiting
        while waiting and not self.blocked:
            self._resume(waiting.popitem(last=False)[0])

    def _discard(self) -> None:
        """The link is over: nothing is sent any more."""
        self.silent = True
        self.blocked = True
        self._waiting.clear()
        self._control.clear()
        self.outputTaken()

    def _resume(self, stream: Stream) -> None:
        raise NotImplementedError
