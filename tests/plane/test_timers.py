"""Timers that connections share."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from diglett.plane.timers import SLACK, Deadlines, SharedTimers


class SharedTimersTests(SynchronousTestCase):
    """Calls come in time, from few timers, and leave none behind."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.timers = SharedTimers(self.clock)
        self.called: list[str] = []

    def note(self, what: str) -> Callable[[], None]:
        return lambda: self.called.append(what)

    def test_order(self) -> None:
        """Each call comes after its own delay, and not before."""
        self.timers.later(5.0, self.note("long"))
        self.timers.later(1.0, self.note("short"))
        self.clock.advance(0.9)
        self.assertEqual(self.called, [])
        self.clock.advance(0.1)
        self.assertEqual(self.called, ["short"])
        self.clock.advance(4.0)
        self.assertEqual(self.called, ["short", "long"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_shared(self) -> None:
        """A thousand calls need one timer, and none is more than the slack too late."""
        for _ in range(1_000):
            self.timers.later(5.0, self.note("x"))
            self.clock.advance(0.001)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        for _ in range(60):
            self.clock.advance(0.1)
        self.assertEqual(len(self.called), 1_000)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_again(self) -> None:
        """A call may ask for another one without delaying those that wait already."""
        self.timers.later(5.0, lambda: self.timers.later(5.0, self.note("again")))
        self.clock.advance(1.0)
        self.timers.later(5.0, self.note("second"))
        self.clock.advance(4.0)
        self.clock.advance(1.0 + SLACK)
        self.assertEqual(self.called, ["second"])
        self.clock.advance(5.0)
        self.assertEqual(self.called, ["second", "again"])

    def test_cancel(self) -> None:
        """Nothing comes after `cancel`, even when it is asked for in the middle of a sweep."""
        self.timers.later(1.0, self.timers.cancel)
        self.timers.later(1.0, self.note("never"))
        self.timers.later(2.0, self.note("never"))
        self.clock.advance(5.0)
        self.assertEqual(self.called, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_bug(self) -> None:
        """A call that raises takes no other with it."""
        self.timers.later(1.0, lambda: print(1 // 0))
        self.timers.later(1.0, self.note("next"))
        self.clock.advance(1.0)
        self.assertEqual(self.called, ["next"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class Item:
    """Something with a deadline."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.told = 0

    def expired(self) -> None:
        self.told += 1


class DeadlinesTests(SynchronousTestCase):
    """Deadlines of thousands, of which few pass."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)

    def test_expires(self) -> None:
        """Who has a deadline is told once, not before it and within a second after."""
        item = Item(3.5)
        self.deadlines.add(item)
        self.clock.advance(3.4)
        self.assertEqual(item.told, 0)
        for _ in range(20):
            self.clock.advance(0.5)
            if self.clock.seconds() >= 4.5:
                self.assertEqual(item.told, 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_discarded(self) -> None:
        """Who is done in time hears nothing, and in the end no timer is left."""
        items = [Item(10.0) for _ in range(1_000)]
        for item in items:
            self.deadlines.add(item)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        for item in items:
            self.deadlines.discard(item)
            self.deadlines.discard(item)
        self.clock.advance(1.0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(20.0)
        self.assertEqual({item.told for item in items}, {0})

    def test_bug(self) -> None:
        """One that raises keeps no other from being told."""
        bad, good = Item(1.0), Item(1.0)
        bad.expired = lambda: print(1 // 0)  # type: ignore[method-assign]
        self.deadlines.add(bad)
        self.deadlines.add(good)
        self.clock.advance(1.0)
        self.clock.advance(1.0)
        self.assertEqual(good.told, 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_cancel(self) -> None:
        """Nobody is told after `cancel`."""
        item = Item(1.0)
        self.deadlines.add(item)
        self.deadlines.cancel()
        self.clock.advance(5.0)
        self.assertEqual((item.told, self.clock.getDelayedCalls()), (0, []))
