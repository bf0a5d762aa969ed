"""Asking plugins: values, Deferreds, coroutines, exceptions, and no answer at all."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from diglett.asking import NoAnswer, ask


class AskTests(SynchronousTestCase):
    """`ask` with each kind of answer."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))

    def test_kinds(self) -> None:
        """A value, a Deferred and a coroutine are the same answer."""

        async def later() -> int:
            return await succeed(7)

        for call in (lambda: 7, lambda: succeed(7), later):
            self.assertEqual(self.successResultOf(ask(call, 5, self.clock)), 7)

    def test_exceptions(self) -> None:
        """An exception is a failure, raised at once or later."""

        async def later() -> None:
            raise KeyError("x")

        self.failureResultOf(ask(lambda: {}["x"], 5, self.clock), KeyError)
        self.failureResultOf(ask(later, 5, self.clock), KeyError)

    def test_tooLate(self) -> None:
        """After the limit the question is cancelled, and a late answer harms nobody."""
        silent: Deferred[int] = Deferred()
        silent.cancel = lambda: None  # type: ignore[method-assign]
        answer = ask(lambda: silent, 5, self.clock)
        self.clock.advance(4.9)
        self.assertNoResult(answer)
        self.clock.advance(0.1)
        self.failureResultOf(answer, NoAnswer)
        silent.callback(7)

    def test_lateFailureIsConsumed(self) -> None:
        """A late failure is not reported as unhandled."""
        silent: Deferred[int] = Deferred()
        silent.cancel = lambda: None  # type: ignore[method-assign]
        answer = ask(lambda: silent, 5, self.clock)
        self.clock.advance(5)
        self.failureResultOf(answer, NoAnswer)
        silent.errback(KeyError("late"))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_cancel(self) -> None:
        """Cancelling the answer cancels the question and its timer."""
        cancelled = []
        question: Deferred[int] = Deferred(cancelled.append)
        answer = ask(lambda: question, 5, self.clock)
        answer.cancel()
        self.failureResultOf(answer, CancelledError)
        self.assertEqual(cancelled, [question])
