"""Tunnels for any program: what `diglett.api.deferred` does in the reactor's thread, for all other threads."""

from __future__ import annotations

import atexit
import os
import time
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from diglett.api.deferred import DRAIN, GRACE, PATIENCE, DeferredTunnel
from diglett.api.log import startPythonLogging
from diglett.api.loop import Question, runningReactor, stopReactor
from diglett.api.options import Options, Place, makeConfig
from diglett.status import RunningAgent

if TYPE_CHECKING:
    from typing_extensions import Unpack

EXIT = 2.0
"""Seconds that visitors' running connections have to finish when the program ends."""

_open: set[Tunnel] = set()
"""What is left to be closed when the program ends."""


def expose(backend: Place, *, timeout: float | None = PATIENCE, **options: Unpack[Options]) -> Tunnel:
    """
    Publish `backend` and wait until the gateway has confirmed it:

        with diglett.expose("localhost:9000") as tunnel:
            print(tunnel.url)

    `backend` is what the command takes, a port number or the path of a folder
    included. See `Options` for the rest: name, gateway, token, and so on.

    Raises UsageError, Refused (for good), or TimeoutError, which tells what
    stood in the way, after `timeout` seconds (None: never). Raises RuntimeError
    in the thread that runs Twisted's reactor: `connect` is for that.
    """
    config = makeConfig(backend, options)
    reactor = runningReactor()
    startPythonLogging()

    def open() -> Deferred[Tunnel]:
        opened = DeferredTunnel(reactor, config).open(timeout)
        return opened.addCallback(lambda inner: Tunnel(reactor, inner))

    question = Question(reactor, open)
    try:
        return question.answer()
    except BaseException:
        question.withdraw(lambda tunnel: tunnel._inner.close(0.0))
        raise


class Tunnel:
    """
    One published backend. It stays, and comes back after every outage, until
    it is closed, refused for good, or the program ends. Any thread may use it.
    """

    def __init__(self, reactor: Any, inner: DeferredTunnel) -> None:
        """For `expose`, in the reactor's thread."""
        self._reactor = reactor
        self._inner = inner
        self._process = os.getpid()
        _open.add(self)
        inner.wait().addBoth(lambda result: _open.discard(self))

    def __repr__(self) -> str:
        return repr(self._inner)

    @property
    def name(self) -> str:
        """Its public name, as the gateway writes it."""
        return self._inner.name

    @property
    def urls(self) -> tuple[str, ...]:
        """Where it is reached, the main one first, as the gateway has said last. None with protocol v1."""
        return self._inner.urls

    @property
    def url(self) -> str:
        """The first of `urls`; empty when there is none."""
        return self._inner.url

    @property
    def connected(self) -> bool:
        """Whether visitors come to the backend now; a network that died in silence is noticed within 30 s."""
        return self._inner.connected and not self._forked

    @property
    def closed(self) -> bool:
        """It is over, and will not come back; `wait` tells why."""
        return self._inner.closed

    def status(self) -> RunningAgent:
        """How it is after asking: the gateway and the backend have three seconds to answer."""
        return Question(self._reactor, self._inner.status).answer()

    def wait(self, timeout: float | None = None) -> bool:
        """
        Wait until it is over, at most so many seconds: whether it is.

        Raises Refused when it was refused for good.
        """
        question = Question(self._reactor, self._inner.wait)
        try:
            over = question.wait(timeout)
        except BaseException:
            question.withdraw()
            raise
        if over:
            question.answer()
        else:
            question.withdraw()
        return over

    def close(self, timeout: float = DRAIN) -> None:
        """
        Withdraw the name, let running connections finish for `timeout` seconds,
        and cut what is left. Again does no harm; interrupted, it cuts at once.
        """
        if self.closed or self._forked:
            return
        question = Question(self._reactor, lambda: self._inner.close(timeout))
        try:
            question.wait(timeout + 2 * GRACE)
        except KeyboardInterrupt:
            Question(self._reactor, lambda: self._inner.close(0.0)).wait(2 * GRACE)
            raise

    def __enter__(self) -> Tunnel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _forked(self) -> bool:
        """This process has only a copy of it."""
        return self._process != os.getpid()


@atexit.register
def _closeAll() -> None:
    """At the program's end nobody serves any more what is published."""
    live = [each for each in tuple(_open) if each._reactor.running and not each.closed and not each._forked]
    questions = [Question(each._reactor, partial(each._inner.close, EXIT)) for each in live]
    end = time.monotonic() + EXIT + 2 * GRACE
    try:
        for question in questions:
            question.wait(max(0.0, end - time.monotonic()))
    except RuntimeError:
        pass  # somebody has stopped the reactor, which has closed them
    stopReactor()
