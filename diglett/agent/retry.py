"""When to dial again."""

from __future__ import annotations

import random
from collections.abc import Callable

LONGEST = 15.0
"""Seconds between two attempts, at the most."""
EAGER = 60.0
"""Seconds after a loss during which attempts come within a second of each other: most outages are restarts, and half of
this a gateway may take to let the streams of others run out."""


class RetryPolicy:
    """Full jitter, so that many agents that lost one gateway do not come back as one.

    Just after a loss at once, then for a minute every second at the latest, then exponentially up to `LONGEST`.
    One that was never up, or was refused, starts with the exponential part.
    """

    def __init__(self, clock: Callable[[], float], random: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._random = random
        self._lostAt: float | None = None
        self._failures = 0

    def lost(self) -> float:
        """An established link is gone: seconds to wait."""
        self._lostAt = self._clock()
        self._failures = 0
        return self._random() * 0.2

    def failed(self, refused: bool = False) -> float:
        """An attempt has failed, or was refused for now: seconds to wait."""
        if not refused and self._lostAt is not None and self._clock() - self._lostAt < EAGER:
            return 0.1 + self._random() * 0.8
        delay = min(LONGEST, float(2 ** min(self._failures, 10)))
        self._failures += 1
        return (0.5 if refused else 0.1) + self._random() * (delay - (0.5 if refused else 0.1))
