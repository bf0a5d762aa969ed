"""The mux of version 2, as a hostile peer sees it from either side. The first byte: which side, how many streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diglett.errors import ProtocolError
from diglett.wire.frames import HEADER_SIZE, PAYLOAD_MAX, Reason
from tests.fuzz.cutting import pieces
from tests.fuzz.seeds import VECTORS, said, single
from tests.wire.playing import Side, parse
from tests.wire.playing import check as checkSide

MODULES = ("diglett.wire.mux", "diglett.wire.inbox", "diglett.wire.outbox", "diglett.wire.stream")
WINDOW = 16_384
SEEDS = [
    *(b"\0" + said(each, "gateway") for each in VECTORS["streams"]),
    *(b"\4" + said(each, "agent") for each in VECTORS["streams"]),
    *(b"\0" + frames for frames in single("link errors")),
    *(b"\1" + frames for frames in single("ignored")),
]


def check(data: bytes) -> None:
    head, frames = data[:1], data[1:]
    count = head[0] % 8 if head else 0
    compare(lambda: build(count), frames)


def build(count: int) -> Side:
    """A side: 0 is an agent; a number is a gateway that has so many streams."""
    side = Side(opens=count > 0, takes=0, window=WINDOW, peerWindow=WINDOW, streamsMax=4, peerStreams=8)
    for _ in range(count):
        side.open()
    return side


def compare(make: Callable[[], Any], frames: bytes, look: Callable[[Any], None] = checkSide) -> None:
    """The same comes of the same bytes, whole or cut; and whatever comes, `look` finds all sound."""
    whole, cut = make(), make()
    errors = play(whole, [frames], look), play(cut, pieces(frames), look)
    assert errors[0] == errors[1], f"cutting matters: {errors}"
    assert repr(whole.calls) == repr(cut.calls), f"cutting matters: {whole.calls} {cut.calls}"
    assert list(whole.endpoints) == list(cut.endpoints)
    for id, one in whole.endpoints.items():
        other = cut.endpoints[id]
        assert (one.ended, one.ending) == (other.ended, other.ending), "another end"
        # Frames of one stream are judged together: of those that overrun, some may still be heard.
        if one.ending is None or one.ending[0] not in (Reason.CREDIT, Reason.BUFFER):
            assert one.heard == other.heard, "other bytes"
    assert parse(whole.sent) == parse(cut.sent), "other frames were sent"


def play(side: Any, parts: list[bytes], look: Callable[[Any], None]) -> str:
    """Give it these bytes as a link does; how it ended."""
    left = b""
    for part in parts:
        data = left + part
        try:
            taken = side.mux.receive(memoryview(data))
        except ProtocolError as error:
            side.flush()
            look(side)
            return str(error)
        side.flush()
        look(side)
        left = data[taken:]
        assert len(left) < HEADER_SIZE + PAYLOAD_MAX, "too much is kept"
    for end in list(side.endpoints.values()):
        end.drain()  # whoever was heard is delivered: credit goes back
    side.flush()
    look(side)
    return f"{len(left)} left"
