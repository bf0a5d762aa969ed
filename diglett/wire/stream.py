"""One stream's record: halves, credit, and who gets its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from diglett.wire.frames import Reason


class Endpoint(Protocol):
    """What stands at our end of a stream: a visitor's or a backend's connection.

    None of these may raise; none may touch the views after returning.
    """

    def deliver(self, parts: Sequence[memoryview], size: int) -> int:
        """Bytes from the peer, in order; how many were really written at once. The others are to be reported to
        `Mux.delivered` when they are, not from within this."""

    def finished(self) -> None:
        """The peer sends no more."""

    def closed(self, reason: Reason, text: str) -> None:
        """The stream is over before both sides had finished."""

    def resume(self) -> None:
        """`Mux.pull` or `Mux.write`, having refused, would take something now."""


class Source(Protocol):
    """Where payload comes from; a channel is one."""

    def readInto(self, view: memoryview) -> int:
        """Receive at most as much as fits: how much; 0 or less: nothing now, or the end."""


class Stream:
    """Slots only: thousands of these stand idle.

    The stream is over when both halves are done; only `diglett.wire.mux` writes here.
    """

    __slots__ = (
        "id",
        "endpoint",
        "credit",
        "allowance",
        "window",
        "initial",
        "owed",
        "undelivered",
        "since",
        "finishedHere",
        "finishedThere",
        "starved",
    )

    def __init__(self, id: int, endpoint: Endpoint | None, credit: int, window: int) -> None:
        self.id = id
        self.endpoint = endpoint
        self.credit = credit
        """Bytes we may still send; none once our half is over."""
        self.allowance = window
        """Bytes the peer may still send; none once its half is over."""
        self.window = window
        self.initial = window
        self.owed = 0
        """Bytes delivered here and not yet returned as credit."""
        self.undelivered = 0
        """Bytes received and not yet delivered."""
        self.since = 0.0
        """When credit was last returned, for judging whether the window is the bottleneck."""
        self.finishedHere = False
        self.finishedThere = False
        self.starved = False
        """Its endpoint wants to send and has no credit."""
