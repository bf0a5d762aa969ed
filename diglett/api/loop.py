"""Twisted's reactor for programs that do not know of it: one background thread, and questions asked from others."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent import futures
from functools import partial
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure
from twisted.python.threadable import isInIOThread

T = TypeVar("T")

LOOK = 0.5
"""Seconds between two looks whether the reactor still runs; on Windows Ctrl-C waits as long, too."""
STOPPING = 1.0
"""Seconds that the reactor has to stop at the program's end."""

_lock = threading.Lock()
_thread: threading.Thread | None = None
_process: int | None = None
"""The process that has used the reactor; a fork of it has no thread that runs it."""


def runningReactor() -> Any:
    """
    The reactor: as the program runs it in another thread, else in one of ours.

    Raises RuntimeError: this is its own thread, or a fork, or it has ended.
    """
    global _process
    from twisted.internet import reactor

    running: Any = reactor
    with _lock:
        if _process not in (None, os.getpid()):
            raise RuntimeError("this process was forked from one that has tunnels: open tunnels after forking")
        if not running.running:
            _start(running)
        forbidOwnThread(running)
        _process = os.getpid()
    return running


def forbidOwnThread(reactor: Any) -> None:
    """Raises RuntimeError in the thread that runs the reactor: it would wait for itself."""
    if reactor.running and isInIOThread():  # type: ignore[no-untyped-call]
        raise RuntimeError(
            "diglett.expose and what it gives wait for the reactor, and this is the reactor's own thread: "
            "use diglett.connect(reactor, ...), which gives a Deferred"
        )


def _start(reactor: Any) -> None:
    """Run it in the background, from where it touches no signal and keeps no program from ending."""
    global _thread
    reactor.getThreadPool().threadFactory = partial(threading.Thread, daemon=True)
    started = threading.Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            reactor.run(installSignalHandlers=False)
        except BaseException as error:
            failed.append(error)
        finally:
            started.set()

    reactor.callWhenRunning(started.set)
    thread = threading.Thread(target=run, name="diglett", daemon=True)
    thread.start()
    started.wait()
    if failed:
        raise RuntimeError(f"the reactor cannot be run: {failed[0]!r}") from failed[0]
    _thread = thread


def stopReactor() -> None:
    """At the program's end: stop it, if it is run by us."""
    if _thread is None or not _thread.is_alive() or _process != os.getpid():
        return
    from twisted.internet import reactor

    stopping: Any = reactor
    stopping.callFromThread(stopping.stop)
    _thread.join(STOPPING)


class Question(Generic[T]):
    """Something that is done in the reactor's thread, and waited for in another."""

    def __init__(self, reactor: Any, ask: Callable[[], Deferred[T]]) -> None:
        """Begin. Raises RuntimeError in the reactor's own thread."""
        forbidOwnThread(reactor)
        self._reactor = reactor
        self._answer: futures.Future[T] = futures.Future()
        self._asked: Deferred[Any] | None = None
        reactor.callFromThread(self._begin, ask)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait, at most so many seconds: whether there is an answer. Raises RuntimeError: there will be none."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = LOOK if end is None else min(LOOK, max(0.0, end - time.monotonic()))
            if futures.wait([self._answer], left).done:
                return True
            if not self._reactor.running:
                raise RuntimeError("the reactor has been stopped")
            if end is not None and time.monotonic() >= end:
                return False

    def answer(self) -> T:
        """Wait as long as it takes. Raises what it failed with."""
        self.wait()
        return self._answer.result()

    def withdraw(self, undo: Callable[[T], Any] | None = None) -> None:
        """Nobody waits any more: cancel it, or `undo` what it gave if that came first."""
        self._reactor.callFromThread(self._withdraw, undo)

    def _begin(self, ask: Callable[[], Deferred[T]]) -> None:
        self._asked = maybeDeferred(ask).addCallbacks(self._succeeded, self._failed)

    def _succeeded(self, answer: T) -> T:
        self._answer.set_result(answer)
        return answer

    def _failed(self, failure: Failure) -> None:
        self._answer.set_exception(failure.value)

    def _withdraw(self, undo: Callable[[T], Any] | None) -> None:
        if self._asked is None:
            return
        if undo is not None:
            self._asked.addCallback(lambda answer: None if answer is None else undo(answer))
        self._asked.cancel()
