"""The table of what is published: one writer, changes that go together, failures to whom they belong."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from diglett.asking import NoAnswer
from diglett.registrar.table import Table


class TableTests(SynchronousTestCase):
    """`Table` with a writer that does as told."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.written = []
        self.outcome = lambda: None
        self.table: Table[int] = Table(self.write, self.clock, timeout=10)
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))

    def write(self, entries):
        self.written.append(entries)
        return self.outcome()

    def test_putAndRemove(self) -> None:
        """Every change is written, as a whole."""
        self.successResultOf(self.table.put("a", 1))
        self.successResultOf(self.table.put("b", 2))
        self.successResultOf(self.table.remove("a"))
        self.assertEqual(self.written, [{"a": 1}, {"a": 1, "b": 2}, {"b": 2}])

    def test_together(self) -> None:
        """Changes made during a write wait, and are then one write."""
        first: Deferred[None] = Deferred()
        self.outcome = lambda: first
        a = self.table.put("a", 1)
        self.outcome = lambda: None
        rest = [self.table.put(key, 2) for key in "bcd"] + [self.table.remove("b")]
        self.assertNoResult(a)
        self.assertEqual(self.written, [{"a": 1}])
        first.callback(None)
        for one in [a, *rest]:
            self.successResultOf(one)
        self.assertEqual(self.written, [{"a": 1}, {"a": 1, "c": 2, "d": 2}])

    def test_fails(self) -> None:
        """A failed write fails the changes that went with it, and not the next."""

        def fails():
            raise OSError("disk full")

        self.outcome = fails
        self.failureResultOf(self.table.put("a", 1), OSError)
        self.outcome = lambda: None
        self.successResultOf(self.table.remove("a"))
        self.assertEqual(self.written[-1], {})

    def test_hangs(self) -> None:
        """A write that hangs fails in its time, and lets the next one through."""
        self.outcome = lambda: Deferred()
        a = self.table.put("a", 1)
        self.outcome = lambda: None
        b = self.table.put("b", 2)
        self.clock.advance(10)
        self.failureResultOf(a, NoAnswer)
        self.successResultOf(b)

    def test_stop(self) -> None:
        """The write under way is given up, and so is what waits behind it."""
        cancelled = []
        self.outcome = lambda: Deferred(cancelled.append)
        one, two = self.table.put("a", 1), self.table.put("b", 2)
        self.table.stop()
        for each in (one, two, self.table.put("c", 3)):
            self.failureResultOf(each, CancelledError)
        self.assertEqual((self.written, len(cancelled)), ([{"a": 1}], 1))

    def test_cancelled(self) -> None:
        """Who does not wait any more changes nothing for the others."""
        first: Deferred[None] = Deferred()
        self.outcome = lambda: first
        a, b = self.table.put("a", 1), self.table.put("b", 2)
        self.outcome = lambda: None
        a.addErrback(lambda _: None)
        a.cancel()
        first.callback(None)
        self.successResultOf(b)
