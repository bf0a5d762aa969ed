"""What a mux needs around it: who moves its bytes and hears what concerns the whole link."""

from __future__ import annotations

from typing import Protocol

from diglett.errors import Refused
from diglett.wire.opening import Opening
from diglett.wire.stream import Endpoint, Stream


class Carrier(Protocol):
    """Who moves the output."""

    def outputReady(self) -> None:
        """There is output; called once, until `outputTaken`."""

    def flush(self) -> None:
        """Take the output now, if the link is not blocked: the batch is full."""


class Driver(Carrier, Protocol):
    """Who carries a mux: it moves the bytes, owns the timers, and hears what concerns the whole link."""

    def accept(self, stream: Stream, opening: Opening) -> Endpoint:
        """The peer opened a stream: who shall have it."""

    def ponged(self, payload: bytes) -> None: ...

    def draining(self) -> None:
        """The peer wants no new streams."""

    def terminated(self) -> None:
        """The peer is about to close the connection."""

    def refused(self, error: Refused) -> None:
        """The peer ends the link and says why."""

    def emptied(self) -> None:
        """One side drains, and the last stream is over."""

    def relieved(self) -> None:
        """No stream is crowded any more; only version 1 says so."""

    def failed(self, stream: Stream) -> None:
        """An endpoint raised (called in the `except` block); the mux closes its stream."""
