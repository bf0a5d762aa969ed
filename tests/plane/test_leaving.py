"""Closed connections that still have something to send."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from diglett.plane.leaving import HELD_MAX, Leaving


class Channel:
    """A connection that has been closed with a queue."""

    def __init__(self, leaving: Leaving, queued: int) -> None:
        self.queued = queued
        self.aborted = False
        self._leaving = leaving
        leaving.add(self)

    def sent(self) -> None:
        """Its queue has gone out."""
        self.queued = 0
        self._leaving.discard(self)

    def abort(self) -> None:
        """It is cut off, and says once more that it is done."""
        self.aborted = True
        self.sent()


class LeavingTests(SynchronousTestCase):
    """`Leaving`."""

    def setUp(self) -> None:
        """Nobody leaves yet."""
        self.leaving = Leaving(Clock())

    def test_bounded(self) -> None:
        """Together they hold no more than the limit: those that were closed first have to go."""
        share = HELD_MAX // 4
        first, second, third, fourth = (Channel(self.leaving, share) for _ in range(4))
        self.assertFalse(first.aborted)
        fifth = Channel(self.leaving, share + 1)
        self.assertEqual([each.aborted for each in (first, second, third, fourth, fifth)], [True, True] + [False] * 3)

    def test_gone(self) -> None:
        """Those that are done do not count, whether they were sent or cut off."""
        for _ in range(10):
            channel = Channel(self.leaving, HELD_MAX)
            channel.sent()
            self.leaving.discard(channel)
            self.assertFalse(channel.aborted)
        self.assertTrue(Channel(self.leaving, HELD_MAX + 1).aborted)
        self.assertFalse(Channel(self.leaving, HELD_MAX).aborted)

    def test_done(self) -> None:
        """Whoever waits hears when the last one is done, or the time is over."""
        clock = Clock()
        leaving = Leaving(clock)
        self.successResultOf(leaving.done(5.0))
        first, second = Channel(leaving, 1), Channel(leaving, 1)
        waiting = leaving.done(5.0)
        first.sent()
        clock.advance(1)
        self.assertNoResult(waiting)
        second.sent()
        clock.advance(0)
        self.successResultOf(waiting)
        Channel(leaving, 1)
        waiting = leaving.done(5.0)
        clock.advance(5)
        self.successResultOf(waiting)
        self.assertEqual(clock.getDelayedCalls(), [])
