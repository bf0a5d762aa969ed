"""Telling our own test visitor from all others, by what it says first: proof that a public URL leads to this agent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred

from diglett.link.greeting import timer
from diglett.wire.frames import Reason
from diglett.wire.mux import Mux
from diglett.wire.stream import Endpoint, Stream

FIRST = 2_048
"""Bytes of a visitor among which the marker must be."""
MARKER_MIN = 16
"""Bytes, random ones, that nobody says by chance."""
EXPECTED_MAX = 16
"""Visitors that may be waited for at the same time."""


@define(eq=False)
class Expected:
    """A visitor that will come. `answer` is sent to it; without one its stream is closed."""

    marker: bytes
    answer: bytes
    seen: Deferred[bool]
    cancel: Callable[[], None] = lambda: None


class Lookout:
    """Looks at the first bytes of visitors, but only while one is expected; everybody else goes on to the backend."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._expected: list[Expected] = []
        self._waiting: list[_Peek] = []

    @property
    def expects(self) -> bool:
        """Whether new streams are to be passed to `accept`."""
        return bool(self._expected)

    def expect(self, marker: bytes, answer: bytes, seconds: float) -> Deferred[bool]:
        """Whether a visitor says `marker` within this time. Raises ValueError: others might say it, or too many are
        expected already."""
        if len(marker) < MARKER_MIN:
            raise ValueError("the marker is too short")
        if len(self._expected) >= EXPECTED_MAX:
            raise ValueError("too many visitors are expected already")
        expected = Expected(marker, answer, Deferred(lambda _: self._forget(expected)))
        expected.cancel = timer(self._clock, seconds, lambda: self._settle(expected, False))
        self._expected.append(expected)
        return expected.seen

    def close(self) -> None:
        """Nobody is waited for any more."""
        for expected in list(self._expected):
            self._settle(expected, False)

    def accept(self, mux: Mux, stream: Stream, accept: Callable[[], Endpoint]) -> Endpoint:
        """Its endpoint until it is known who it is; `accept` takes it to its backend."""
        peek = _Peek(self, mux, stream, accept)
        self._waiting.append(peek)
        return peek

    def find(self, said: bytes) -> Expected | None:
        """Who says this, if it is one of ours."""
        for expected in self._expected:
            if expected.marker in said:
                return expected
        return None

    def forget(self, peek: _Peek) -> None:
        """It is known who this one is."""
        if peek in self._waiting:
            self._waiting.remove(peek)

    def found(self, expected: Expected) -> None:
        """It has come."""
        self._settle(expected, True)

    def _settle(self, expected: Expected, seen: bool) -> None:
        self._forget(expected)
        if not expected.seen.called:
            expected.seen.callback(seen)

    def _forget(self, expected: Expected) -> None:
        expected.cancel()
        if expected in self._expected:
            self._expected.remove(expected)
        if not self._expected:
            for peek in list(self._waiting):
                peek.passOn()


class _Peek:
    """The endpoint of a stream of which not enough is known yet."""

    def __init__(self, lookout: Lookout, mux: Mux, stream: Stream, accept: Callable[[], Endpoint]) -> None:
        self._lookout = lookout
        self._mux = mux
        self._stream = stream
        self._accept = accept
        self._held = b""
        self._finished = False
        self._ours = False

    def deliver(self, parts: Sequence[memoryview], size: int) -> int:
        if self._ours:
            return size
        self._held = b"".join((self._held, *parts))
        expected = self._lookout.find(self._held)
        if expected is not None:
            self._mux.delivered(self._stream, len(self._held) - size)
            self._answer(expected)
            return size
        if b"\n" in self._held or len(self._held) >= FIRST:
            return self.passOn(size)
        return 0

    def finished(self) -> None:
        self._finished = True
        if not self._ours:
            self.passOn()

    def closed(self, reason: Reason, text: str) -> None:
        self._lookout.forget(self)

    def resume(self) -> None:
        """The answer is shorter than any window."""

    def passOn(self, fresh: int = 0) -> int:
        """Not one of ours: it gets what it came for, and loses nothing of what it has said.

        How many of the `fresh` bytes at the end of that, which are just being delivered, have been delivered.
        """
        self._lookout.forget(self)
        stream, held = self._stream, self._held
        stream.endpoint = None
        endpoint = self._accept()
        if self._mux.streams.get(stream.id) is not stream:
            return 0  # the backend has refused it at once
        if stream.endpoint is None:  # else the connection was there at once, and stands in its place
            stream.endpoint = endpoint
        taken = stream.endpoint
        assert taken is not None
        sent = taken.deliver([memoryview(held)], len(held)) if held else 0
        before = min(sent, len(held) - fresh)
        self._mux.delivered(stream, before)
        if self._finished:
            (stream.endpoint or taken).finished()
        return sent - before

    def _answer(self, expected: Expected) -> None:
        self._ours = True
        self._lookout.forget(self)
        if expected.answer:
            self._mux.write(self._stream, expected.answer)
            self._mux.finish(self._stream)
        else:
            self._mux.close(self._stream, Reason.NONE)
        self._lookout.found(expected)
