"""Connections that are closed and still have something to send: whoever ends the process waits for them a little."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed

CLOSE_LIMIT = 5.0
"""Seconds that a plane which is being closed waits for them."""
HELD_MAX = 256 * 1_048_576
"""Bytes that all of them may hold together: beyond, those which were closed first are cut off."""


class Leaving:
    """Which they are, and when the last one is done."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._channels: dict[Any, int] = {}
        """With what each held when it was closed, the oldest first."""
        self._held = 0
        self._waiting: list[Deferred[None]] = []

    def add(self, channel: Any) -> None:
        """It has been closed with a queue."""
        self._held += channel.queued - self._channels.pop(channel, 0)
        self._channels[channel] = channel.queued
        while self._held > HELD_MAX:
            oldest = next(iter(self._channels))
            self.discard(oldest)
            oldest.abort()

    def discard(self, channel: Any) -> None:
        """It is done."""
        self._held -= self._channels.pop(channel, 0)
        if not self._channels and self._waiting:
            # Not from within the channel's own turn: what follows takes the poller apart.
            self._clock.callLater(0, self._answer)

    def done(self, limit: float) -> Deferred[None]:
        """Fires when none is left, after `limit` seconds at the latest."""
        if not self._channels or limit <= 0:
            return succeed(None)
        timer = self._clock.callLater(limit, self._answer)

        def stop(result: None) -> None:
            if timer.active():
                timer.cancel()

        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting.addCallback(stop)

    def _answer(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)
