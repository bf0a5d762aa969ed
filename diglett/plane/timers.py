"""Many calls after the same few delays: thousands of connections share one timer of the reactor's for each delay."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from twisted.logger import Logger

log = Logger()

SLACK = 0.5
"""Seconds between two sweeps at least: that much later a call may come than it was asked for."""


class SharedTimers:
    """Calls cannot be taken back one by one; whoever asks for one makes sure that it is harmless when it is late."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._queues: dict[float, deque[tuple[float, Callable[[], None]]]] = {}
        self._sweeps: dict[float, Any] = {}

    def later(self, delay: float, call: Callable[[], None]) -> None:
        """Call this after `delay` seconds."""
        self._queues.setdefault(delay, deque()).append((self._clock.seconds() + delay, call))
        if delay not in self._sweeps:
            self._sweeps[delay] = self._clock.callLater(delay, self._sweep, delay)

    def _sweep(self, delay: float) -> None:
        queue = self._queues[delay]
        now = self._clock.seconds()
        while queue and queue[0][0] <= now:
            try:
                queue.popleft()[1]()
            except Exception:
                log.failure("a bug in a timer")
        if queue:
            self._sweeps[delay] = self._clock.callLater(max(SLACK, queue[0][0] - now), self._sweep, delay)
        else:
            self._queues.pop(delay, None)
            self._sweeps.pop(delay, None)

    def cancel(self) -> None:
        """Call nothing any more."""
        for queue in self._queues.values():
            queue.clear()
        for sweep in self._sweeps.values():
            if sweep.active():
                sweep.cancel()
        self._queues.clear()
        self._sweeps.clear()


class Expiring(Protocol):
    """What has a deadline."""

    deadline: float
    """The clock's seconds."""

    def expired(self) -> None:
        """The deadline has passed."""


class Deadlines:
    """Things that rarely expire, thousands at a time: looked at once a second, and only while there are any."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._items: set[Expiring] = set()
        self._timer: Any = None

    def add(self, item: Expiring) -> None:
        """Tell it within a second of its deadline, unless it was discarded."""
        self._items.add(item)
        if self._timer is None:
            self._timer = self._clock.callLater(1.0, self._look)

    def discard(self, item: Expiring) -> None:
        """Its deadline does not matter any more."""
        self._items.discard(item)

    def _look(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        for item in [each for each in self._items if each.deadline <= now]:
            self._items.discard(item)
            try:
                item.expired()
            except Exception:
                log.failure("a bug at a deadline")
        if self._items and self._timer is None:
            self._timer = self._clock.callLater(1.0, self._look)

    def cancel(self) -> None:
        """Tell nobody any more."""
        self._items.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
