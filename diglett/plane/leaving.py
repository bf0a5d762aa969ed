"""Connections that are closed and still have something to send: whoever ends the process waits for them a little."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed

CLOSE_LIMIT = 5.0
"""Seconds that a plane which is being closed waits for them."""


class Leaving:
    """Which they are, and when the last one is done."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._channels: set[Any] = set()
        self._waiting: list[Deferred[None]] = []

    def add(self, channel: Any) -> None:
        """It has been closed with a queue."""
        self._channels.add(channel)

    def discard(self, channel: Any) -> None:
        """It is done."""
        self._channels.discard(channel)
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
