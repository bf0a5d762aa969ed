"""Asking a plugin: whatever it answers with, and however long it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime


class NoAnswer(Exception):
    """The plugin did not answer within the time it had."""


def ask(call: Callable[[], Any], timeout: float, clock: IReactorTime) -> Deferred[Any]:
    """The answer of `call()`: a result, a Deferred of one, or a coroutine; an exception is its failure.

    After `timeout` seconds the question is cancelled and `NoAnswer` the
    outcome, even if it does not care about being cancelled; cancelling what
    this returns likewise. Whatever comes later is dropped.
    """
    from twisted.internet.defer import Deferred, maybeDeferred

    question = maybeDeferred(call)
    answer: Deferred[Any] = Deferred(lambda _: over())

    def over() -> None:
        if limit.active():
            limit.cancel()
        question.cancel()

    def expired() -> None:
        question.cancel()
        if not answer.called:
            answer.errback(NoAnswer(f"no answer within {timeout:g} s"))

    def settle(outcome: Any) -> None:
        if limit.active():
            limit.cancel()
            answer.callback(outcome)  # a Failure makes this an errback

    limit = clock.callLater(timeout, expired)
    question.addBoth(settle)
    return answer
