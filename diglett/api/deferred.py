"""Tunnels for programs that run Twisted's reactor. Everything here is called in its thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail, succeed

from diglett.agent.agent import Agent
from diglett.agent.service import DRAIN_LIMIT
from diglett.api.log import LogReporter, log
from diglett.api.options import Options, Place, makeConfig
from diglett.config.agent import AgentConfig
from diglett.errors import DiglettError, LinkClosed, UsageError
from diglett.status import RunningAgent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Unpack

PATIENCE = 30.0
"""Seconds until the gateway must have confirmed the tunnel."""
DRAIN = DRAIN_LIMIT
"""Seconds that visitors' running connections have to finish when a tunnel is closed."""
GRACE = 1.0
"""Seconds more until `close` is over, whatever hangs."""


def connect(
    reactor: Any, backend: Place, *, timeout: float | None = PATIENCE, **options: Unpack[Options]
) -> Deferred[DeferredTunnel]:
    """
    Publish `backend`; fires when the gateway has confirmed it. See `Options`
    for the rest, and `diglett.expose` for programs without a reactor.

    Fails with UsageError, with Refused (for good), or with TimeoutError, which
    tells what stood in the way, after `timeout` seconds (None: never).
    Cancelling it ends the attempt. The names are withdrawn before the reactor
    stops.
    """
    try:
        tunnel = DeferredTunnel(reactor, makeConfig(backend, options))
    except UsageError as error:
        return fail(error)
    return tunnel.open(timeout)


class DeferredTunnel:
    """One published backend. It stays, and comes back after every outage, until it is closed or refused for good."""

    def __init__(self, reactor: Any, config: AgentConfig) -> None:
        """Nothing happens until `open`. Raises UsageError."""
        self._reactor = reactor
        self._gateway = str(config.gateway)
        self._agent = Agent(reactor, config, LogReporter(reactor.seconds, self._gateway), self)
        self._opening: Deferred[DeferredTunnel] | None = None
        self._late: Any = None
        self._trouble: DiglettError | None = None
        self._stopping: Any = None
        """The reactor's trigger, while it may still fire."""
        self._waiting: set[Deferred[None]] = set()
        self._closing: list[Deferred[None]] = []
        self._error: DiglettError | None = None
        self.closed = False
        """It is over, and will not come back."""
        for warning in config.warnings:
            log.warn("{warning}", warning=warning)

    def __repr__(self) -> str:
        state = "closed" if self.closed else "connected" if self.connected else "not connected"
        return f"<{self.url or self.name} -> {self._agent.service.tunnels[0].shown}, {state}>"

    # ---- how it is -----------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Its public name, as the gateway writes it."""
        registered = self._agent.service.registered
        return registered[0].name if registered else self._agent.service.tunnels[0].register.name

    @property
    def urls(self) -> tuple[str, ...]:
        """Where it is reached, the main one first, as the gateway has said last. None with protocol v1."""
        registered = self._agent.service.registered
        return registered[0].urls if registered else ()

    @property
    def url(self) -> str:
        """The first of `urls`; empty when there is none."""
        return next(iter(self.urls), "")

    @property
    def connected(self) -> bool:
        """Whether visitors come to the backend now; a network that died in silence is noticed within 30 s."""
        return not self.closed and self._agent.connected

    def status(self) -> Deferred[RunningAgent]:
        """How it is after asking: the gateway and the backend have three seconds to answer."""
        return self._agent.status()

    def wait(self) -> Deferred[None]:
        """Fires when it was closed; fails with Refused when it is refused for good."""
        if self.closed:
            return succeed(None) if self._error is None else fail(self._error)
        waiting: Deferred[None] = Deferred(self._waiting.discard)
        self._waiting.add(waiting)
        return waiting

    # ---- its life ------------------------------------------------------------------------------------------------

    def open(self, timeout: float | None = PATIENCE) -> Deferred[DeferredTunnel]:
        """Begin; once only. See `connect`."""
        opening: Deferred[DeferredTunnel] = Deferred(self._cancelled)
        self._opening = opening
        self._agent.done.addCallback(self._over)
        self._stopping = self._reactor.addSystemEventTrigger("before", "shutdown", self._reactorStops)
        if timeout is not None:
            self._late = self._reactor.callLater(timeout, self._tooLate, timeout)
        self._agent.start()
        return opening

    def close(self, timeout: float = DRAIN) -> Deferred[None]:
        """
        Withdraw the name, let running connections finish for `timeout` seconds,
        and cut what is left. Fires when that is done; never fails.
        """
        if self.closed:
            return succeed(None)
        finished: Deferred[None] = Deferred()
        self._closing.append(finished)
        cut = self._reactor.callLater(timeout, self._agent.service.abandon)
        given = self._reactor.callLater(timeout + GRACE, self._finish, finished)

        def cancel(result: None) -> None:
            for call in (cut, given):
                if call.active():
                    call.cancel()

        finished.addCallback(cancel)
        self._agent.service.stopService(timeout)
        return finished

    def _reactorStops(self) -> Deferred[None]:
        self._stopping = None
        return self.close()

    def _cancelled(self, opening: Deferred[DeferredTunnel]) -> None:
        self._opened()
        self.close(0.0)

    def _tooLate(self, timeout: float) -> None:
        opening = self._opened()
        self.close(0.0)
        reason = f": {self._trouble}" if self._trouble is not None else ": no answer"
        error = TimeoutError(f"not connected to {self._gateway} within {timeout:g} s{reason}")
        error.__cause__ = self._trouble
        if opening is not None:
            opening.errback(error)

    def _opened(self) -> Deferred[DeferredTunnel] | None:
        """It is known what became of the opening: who waits for it, if that was not known before."""
        opening, self._opening = self._opening, None
        if self._late is not None and self._late.active():
            self._late.cancel()
        return opening

    def _over(self, error: DiglettError | None) -> None:
        self.closed = True
        self._error = error
        if self._stopping is not None:
            self._reactor.removeSystemEventTrigger(self._stopping)
            self._stopping = None
        opening = self._opened()
        if opening is not None:
            opening.errback(error or LinkClosed("closed before the gateway had confirmed it"))
        elif error is not None:
            log.error("{name} is not published any more: {reason}", name=self.name, reason=str(error))
        for finished in list(self._closing):
            self._finish(finished)
        while self._waiting:
            waiting = self._waiting.pop()
            waiting.callback(None) if error is None else waiting.errback(error)

    def _finish(self, finished: Deferred[None]) -> None:
        self._closing.remove(finished)
        finished.callback(None)

    # ---- what its agent tells ------------------------------------------------------------------------------------

    def up(self, lines: Sequence[tuple[str, str]], again: bool) -> None:
        """See Reporter."""
        opening = self._opened()
        if opening is not None:
            opening.callback(self)

    def retrying(self, error: DiglettError, delay: float) -> None:
        """See Reporter."""
        self._trouble = error

    def lost(self, error: DiglettError) -> None:
        """See Reporter."""

    def moving(self) -> None:
        """See Reporter."""
