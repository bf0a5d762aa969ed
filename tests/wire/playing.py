"""What stands around a mux in these tests: endpoints and drivers that write down what they hear."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from diglett.errors import Refused
from diglett.wire.frames import CREDIT_MAX, HEADER, HEADER_SIZE, Kind, Reason, decodeClose
from diglett.wire.mux import Mux
from diglett.wire.opening import Opening
from diglett.wire.outbox import CONTROL_QUEUE_MAX, NO_ROOM, Outbox
from diglett.wire.stream import Stream
from diglett.wire.windows import GROWTH_CAP

Frames = list[tuple[int, int, bytes]]


class PlannedBug(Exception):
    """What an endpoint raises because a test wants it to."""


def parse(data: bytes | bytearray | memoryview) -> Frames:
    """Whole frames, as kind, id, payload."""
    frames: Frames = []
    position = 0
    while position < len(data):
        kind, id, size = HEADER.unpack_from(data, position)
        position += HEADER_SIZE + size
        assert position <= len(data), "half a frame"
        frames.append((kind, id, bytes(data[position - size : position])))
    return frames


class Reading:
    """A source with `size` bytes, all of the same `letter`, as often as it is asked."""

    room = 0
    """How much it could have put where it was told to the last time."""

    def __init__(self, size: int, letter: int = 0) -> None:
        self.size = size
        self.letter = letter

    def readInto(self, view: memoryview) -> int:
        self.room = len(view)
        taken = min(self.size, self.room)
        view[:taken] = bytes([self.letter]) * taken
        return taken


def room(outbox: Outbox, stream: Stream) -> int | None:
    """How many bytes of this stream's would be taken now; None: none, and its endpoint will be resumed."""
    asked = Reading(0)
    return None if outbox.pull(stream, asked) == NO_ROOM else asked.room


class Endpoint:
    """Delivers at once, or `takes` at most so many bytes and the rest when told."""

    def __init__(self, mux: Mux, stream: Stream | None = None, takes: int | None = None) -> None:
        self.mux = mux
        self.stream: Any = stream
        self.takes = takes
        self.queued = 0
        """Bytes not yet delivered."""
        self.heard = bytearray()
        self.ended = False
        self.ending: tuple[Reason, str] | None = None
        self.resumed = 0

    def deliver(self, parts: Sequence[memoryview], size: int) -> int:
        assert parts and all(parts), "an empty part"
        assert size == sum(map(len, parts))
        assert not self.ended and self.ending is None, "bytes after the end"
        for part in parts:
            self.heard += part
        taken = self.queued + size if self.takes is None else min(self.takes, self.queued + size)
        self.queued += size - taken
        return taken

    def drain(self, size: int | None = None) -> None:
        """The other socket takes so many of the bytes that are queued."""
        size = self.queued if size is None else min(size, self.queued)
        self.queued -= size
        if size:
            self.mux.delivered(self.stream, size)

    def finished(self) -> None:
        assert not self.ended and self.ending is None, "two ends"
        self.ended = True

    def closed(self, reason: Reason, text: str) -> None:
        assert self.ending is None, "closed twice"
        self.ending = (reason, text)
        self.queued = 0

    def resume(self) -> None:
        self.resumed += 1


class Side:
    """One end of a link: a mux, its driver, and what it has sent. `hold` keeps output from being taken."""

    def __init__(self, *, takes: int | None = None, **options: Any) -> None:
        self.now = 0.0
        self.takes = takes
        self.sent = bytearray()
        self.calls: list[Any] = []
        self.bugs: list[BaseException | None] = []
        """What endpoints raised: also their own complaints, which the mux has caught."""
        self.endpoints: dict[int, Any] = {}  # Endpoints: Any, so that tests may give them other manners
        """The newest endpoint of each id."""
        self.records: list[Any] = []
        """All there ever were."""
        options.setdefault("opens", False)
        self.mux = Mux(self, lambda: self.now, **options)

    # ---- the driver ----------------------------------------------------------------------------------------------

    def accept(self, stream: Stream, opening: Opening) -> Endpoint:
        self.calls.append(opening)
        return self._keep(Endpoint(self.mux, stream, self.takes))

    def ponged(self, payload: bytes) -> None:
        self.calls.append(("pong", payload))

    def draining(self) -> None:
        self.calls.append("draining")

    def terminated(self) -> None:
        self.calls.append("terminated")

    def refused(self, error: Refused) -> None:
        self.calls.append(error)

    def emptied(self) -> None:
        self.calls.append("emptied")

    def failed(self, stream: Stream) -> None:
        self.calls.append(("failed", stream.id))
        self.bugs.append(sys.exc_info()[1])

    def outputReady(self) -> None:
        self.ready = True

    def flush(self) -> None:
        if not self.mux.blocked:
            for part in self.mux.output():
                self.sent += part
            self.mux.outputTaken()

    # ---- what tests do -------------------------------------------------------------------------------------------

    def _keep(self, endpoint: Endpoint) -> Endpoint:
        self.endpoints[endpoint.stream.id] = endpoint
        self.records.append(endpoint)
        return endpoint

    def open(self, opening: Opening = Opening(1), takes: int | None = None) -> Any:
        """Begin a stream; its endpoint."""
        endpoint = Endpoint(self.mux, None, self.takes if takes is None else takes)
        endpoint.stream = self.mux.open(opening, endpoint)
        return self._keep(endpoint)

    def receive(self, *frames: bytes) -> int:
        """These came from the peer."""
        return self.mux.receive(memoryview(b"".join(frames)))

    def take(self) -> Frames:
        """What was sent since the last time."""
        self.flush()
        frames = parse(self.sent)
        self.sent.clear()
        return frames

    def closes(self) -> list[tuple[int, Reason]]:
        """The Close frames sent since the last time: stream and reason."""
        return [(id, decodeClose(payload)[0]) for kind, id, payload in self.take() if kind == Kind.CLOSE]


def check(side: Side) -> None:
    """What is true of a mux at any time between two calls."""
    mux = side.mux
    live = mux.streams
    for bug in side.bugs:
        assert isinstance(bug, PlannedBug), repr(bug)
    assert mux.undelivered == sum(each.stream.undelivered for each in side.records)
    grown = 0
    for id, stream in live.items():
        assert stream.id == id and id % 2 == 1
        assert 0 <= stream.credit <= CREDIT_MAX
        assert 0 <= stream.allowance and 0 <= stream.owed and 0 <= stream.undelivered
        if stream.finishedThere:
            assert stream.allowance == 0, "more may come after the end"
        else:
            assert stream.allowance + stream.undelivered + stream.owed == stream.window, "credit got lost"
        assert not (stream.finishedHere and stream.finishedThere), "over, and still there"
        assert stream.finishedThere or 2 * stream.owed < stream.window, "credit is kept back"
        grown += stream.window - stream.initial
    assert mux.growth.left + grown == GROWTH_CAP
    for each in side.records:
        assert each.stream.undelivered == each.queued
        if live.get(each.stream.id) is not each.stream:
            assert each.stream.credit == 0, "a stream that is over could send"
            assert each.stream.endpoint is None, "a circle of garbage"
    assert all(live.get(stream.id) is stream for stream in mux._waiting), "the dead are waiting"
    assert len(mux._control) <= CONTROL_QUEUE_MAX
