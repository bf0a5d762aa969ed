"""What has happened to an agent's link so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from diglett.errors import DiglettError


class Board:
    """A reporter that remembers. Times are seconds since the epoch, by `clock`."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.started = clock()
        self.since: float | None = None
        """When the link came up; None while there is none."""
        self.reconnects = 0
        self.lastDown: float | None = None
        self.lastReason = ""
        self.lastCode = ""
        self.trouble = ""
        """Why the last attempt failed."""
        self.due: float | None = None
        """When the next one begins."""

    def up(self, lines: Sequence[tuple[str, str]], again: bool) -> None:
        self.since = self._clock()
        self.reconnects += again
        self.trouble = ""
        self.due = None

    def retrying(self, error: DiglettError, delay: float) -> None:
        self.since = None
        self.trouble = str(error)
        self.due = self._clock() + delay

    def lost(self, error: DiglettError) -> None:
        self._down(str(error), getattr(error, "code", "link-lost"))

    def moving(self) -> None:
        self._down("the gateway is going away", "draining")

    def _down(self, reason: str, code: str) -> None:
        self.since = None
        self.lastDown = self._clock()
        self.lastReason = reason
        self.lastCode = code

    @property
    def now(self) -> float:
        """The time by which all of this is told."""
        return self._clock()
