"""The mux of version 1, as a hostile peer sees it from either side. The first byte: which side, how many streams."""

from __future__ import annotations

from typing import Any

from diglett.wire.v1.mux import LINGERING_MAX, REMEMBERED_MAX, UNDELIVERED_MAX
from tests.fuzz.targets.mux import compare
from tests.wire.v1.recorded import AGENT, GATEWAY
from tests.wire.v1.test_mux import V1Side, close, payload

MODULES = ("diglett.wire.v1.mux", "diglett.wire.inbox", "diglett.wire.outbox")
SEEDS = [
    b"\0" + b"".join(frame.plain for frame in GATEWAY.frames),
    b"\2" + b"".join(frame.plain for frame in AGENT.frames),
    b"\0" + payload(7, b"GET / HTTP/1.0\r\n\r\n") + payload(7) + close(7) + payload(7, b"late"),
    b"\3" + payload(1, b"HTTP/1.0 200 OK\r\n\r\n") + close(1) + close(1) + payload(2, b"a"),
]


def build(count: int) -> V1Side:
    """A side: 0 is an agent; a number is a gateway that has so many streams, the last of a visitor who has finished."""
    side = V1Side(opens=count > 0, takes=0)
    ends = [side.open() for _ in range(count)]
    if ends:
        side.mux.finish(ends[-1].stream)
    return side


def check(data: bytes) -> None:
    head, frames = data[:1], data[1:]
    count = head[0] % 8 if head else 0
    compare(lambda: build(count), frames, look)


def look(side: Any) -> None:
    """What is true at any time: nothing is kept without a bound, and nothing of what is over."""
    mux = side.mux
    assert all(bug is None for bug in side.bugs), repr(side.bugs)
    assert mux.undelivered == sum(each.stream.undelivered for each in side.records)
    assert all(stream.undelivered <= UNDELIVERED_MAX for stream in mux.streams.values())
    assert len(mux._lingering) <= LINGERING_MAX and len(mux._closed) <= REMEMBERED_MAX
    live = set(mux.streams.values())
    assert mux._lingering.keys() <= live and mux.crowded <= live, "the dead are waiting"
    for each in side.records:
        if each.stream not in live:
            assert each.stream.credit == 0 and each.stream.endpoint is None
