"""Credit: how much a peer may still send on a stream, and when more is given back (`docs/wire.md`, section 7).

Arithmetic only. Credit is returned in steps of half the window, so a reader that stalls costs one window at the
most, and a window larger than the step can never stall for ever.

A window grows when it was the bottleneck: when half of it was delivered in less than two round trips, its reader is
fast and the sender must have been waiting. It doubles then, up to a cap for the stream and one for the sum of all
growth on the link.
"""

from __future__ import annotations

WINDOW_START = 524_288
"""What a stream begins with on our side, bytes: enough when a scheduler comes late; what a stalled reader costs."""
WINDOW_CAP = 8 * 1_048_576
"""What one stream's window may grow to, bytes."""
GROWTH_CAP = 64 * 1_048_576
"""What all windows of a link may have grown by together, bytes."""


ROUND_TRIP_MIN = 0.002
"""Seconds; where the way is shorter than this, the first window is no bottleneck, and a larger one only costs memory
when a reader stalls."""


class Growth:
    """What the windows of one link have grown by, and the round trip they are judged by."""

    __slots__ = ("roundTrip", "left")

    def __init__(self, left: int = GROWTH_CAP) -> None:
        self.roundTrip = 0.0
        """Seconds; 0 until measured, and then nothing grows."""
        self.left = left

    def grow(self, window: int, elapsed: float) -> int:
        """How much a window of this size gains, when half of it was delivered in `elapsed` seconds."""
        if self.roundTrip < ROUND_TRIP_MIN or elapsed >= 2 * self.roundTrip:
            return 0
        more = min(window, WINDOW_CAP - window, self.left)
        if more <= 0:
            return 0
        self.left -= more
        return more

    def release(self, grown: int) -> None:
        """A stream that had grown by this much is over."""
        self.left += grown
