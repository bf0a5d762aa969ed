"""The agent as a service: keeps a link up, takes its streams to the backends, and says how things are."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from attrs import frozen
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from diglett import __version__
from diglett.agent.backend import Backend
from diglett.agent.connecting import newConnecting
from diglett.agent.lookout import Lookout
from diglett.agent.retry import RetryPolicy
from diglett.errors import DiglettError, LinkLost, Refused
from diglett.link.dialling import Dialling, Trust
from diglett.link.greeting import timer
from diglett.link.link import Link
from diglett.plane.channel import Target
from diglett.wire.frames import Reason
from diglett.wire.handshake.agent import Outcome
from diglett.wire.messages import Hello, Login, Register, Registered
from diglett.wire.opening import Opening
from diglett.wire.stream import Endpoint, Stream
from diglett.wire.windows import WINDOW_START

log = Logger()

STREAMS_MAX = 10_000
UNCONFIRMED = 0.2
"""Seconds until a link that the gateway does not confirm (version 1) is called up: visitors find it ready then."""
DRAIN_LIMIT = 10.0
"""Seconds that running streams have to finish when the agent is stopped."""


@frozen
class Tunnel:
    """One name and what stands behind it."""

    register: Register
    backend: Backend
    shown: str
    """The backend as people wrote it."""


class Reporter(Protocol):
    """Who tells people how things are."""

    def up(self, lines: Sequence[tuple[str, str]], again: bool) -> None:
        """Confirmed by the gateway: pairs of a URL and a backend. `again`: it had been up before."""

    def retrying(self, error: DiglettError, delay: float) -> None:
        """An attempt has failed; the next comes after so many seconds."""

    def lost(self, error: DiglettError) -> None:
        """The link is gone; another is being made."""

    def moving(self) -> None:
        """The gateway asked us to connect anew."""


class AgentService(Service):
    """Runs until it is stopped, or refused for good; `done` fires with None or that error then."""

    def __init__(
        self,
        plane: Any,
        target: Target,
        trust: Trust,
        token: Callable[[], str | None],
        tunnels: Sequence[Tunnel],
        reporter: Reporter,
        once: bool = False,
        dialling: Callable[..., Dialling] = Dialling,
    ) -> None:
        self.done: Deferred[DiglettError | None] = Deferred()
        self._plane = plane
        self._target = target
        self._dialling = dialling
        self._trust = trust
        self._token = token
        self._tunnels = tunnels
        self._reporter = reporter
        self._once = once
        self._agent = secrets.token_hex(16)
        self._policy = RetryPolicy(plane.clock.seconds)
        self._machine = newConnecting(self)
        self._link: Link | None = None
        self._old: set[Link] = set()
        """Links that were left behind, with streams that still run."""
        self._wasUp = False
        self._stopped = False
        self._error: DiglettError | None = None
        self._cancelDrain: Callable[[], None] | None = None
        self._drainLimit = DRAIN_LIMIT
        self.lookout = Lookout(plane.clock)
        self.registered: Sequence[Registered] = ()
        """What the gateway said of our names when it was last reached, in the order of `tunnels`."""
        self.streamsTotal = 0
        """Visitors so far."""
        self._carried = (0, 0)
        """Bytes received and sent by links that are over."""

    # ---- how it is -----------------------------------------------------------------------------------------------

    @property
    def link(self) -> Link | None:
        """The link that visitors come by, while there is one."""
        return self._link

    @property
    def clock(self) -> Any:
        """The time it lives by."""
        return self._plane.clock

    @property
    def tunnels(self) -> Sequence[Tunnel]:
        """What it was asked to publish."""
        return self._tunnels

    @property
    def streams(self) -> int:
        """Live streams, those of links that were left behind included."""
        return sum(len(link.mux.streams) for link in self._links())

    @property
    def carried(self) -> tuple[int, int]:
        """Bytes of frames received and sent so far."""
        links = self._links()
        return (
            self._carried[0] + sum(link.received for link in links),
            self._carried[1] + sum(link.sent for link in links),
        )

    def _links(self) -> list[Link]:
        return [*([self._link] if self._link is not None else []), *self._old]

    # ---- the service ---------------------------------------------------------------------------------------------

    def startService(self) -> None:
        super().startService()
        self._machine.start()

    def stopService(self, limit: float = DRAIN_LIMIT) -> Deferred[DiglettError | None]:
        """Withdraw, let running streams finish for so many seconds at most, and end."""
        super().stopService()
        self._drainLimit = limit
        self._machine.stop()
        finished: Deferred[DiglettError | None] = Deferred()
        if self.done.called:
            return succeed(None)
        self.done.addBoth(lambda result: (finished.callback(None), result)[1])
        return finished

    def abandon(self) -> None:
        """Asked to stop twice: do not wait for running streams."""
        for link in self._links():
            link.close()

    # ---- what the machine makes happen ---------------------------------------------------------------------------

    def dial(self) -> Deferred[Any]:
        hello = Hello(software=f"diglett/{__version__}", window=WINDOW_START, streams=STREAMS_MAX)
        try:
            token = self._token() or ""
        except DiglettError as error:
            self._machine.refused(error)
            return succeed(None)
        attempt = self._dialling(
            self._plane,
            self._target,
            self._trust,
            self,
            hello,
            Login(token=token, agent=self._agent),
            [tunnel.register for tunnel in self._tunnels],
        ).done
        attempt.addCallbacks(self._established, self._failed)
        attempt.addErrback(lambda failure: log.failure("a bug in connecting", failure=failure))
        return attempt

    def _established(self, result: tuple[Link, Outcome]) -> None:
        link, outcome = result
        self._link = link
        self.registered = outcome.registered
        lines = [
            (registered.urls[0] if registered.urls else registered.name, tunnel.shown)
            for registered, tunnel in zip(outcome.registered, self._tunnels)
        ]
        again, self._wasUp = self._wasUp, True
        self._machine.established(link)

        def report() -> None:
            if self._link is link:
                self._reporter.up(lines, again)

        if outcome.terms is None:
            self._plane.clock.callLater(UNCONFIRMED, report)
        else:
            report()

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return
        error = failure.value
        if not isinstance(error, DiglettError):
            log.failure("a bug in connecting", failure=failure)
            error = LinkLost("internal error")
        if self._once or (isinstance(error, Refused) and error.permanent):
            self._machine.refused(error)
        else:
            self._machine.failed(error)

    def wait(self, error: DiglettError, established: bool) -> Any:
        refused = isinstance(error, Refused)
        if established:
            delay = self._policy.lost()
            self._reporter.lost(error)
        else:
            delay = self._policy.failed(refused)
            self._reporter.retrying(error, delay)
        return self._plane.clock.callLater(delay, self._machine.due)

    def drainLink(self, link: Link) -> None:
        self._limitDrain()
        link.drain()

    def leaveBehind(self, link: Link) -> None:
        self._link = None
        self._old.add(link)
        self._policy.lost()
        self._reporter.moving()

    def stopped(self, error: DiglettError | None) -> None:
        self._stopped = True
        self._error = error
        for link in list(self._old):
            link.drain() if error is None else link.close()
        self._end()
        if self._old:
            self._limitDrain()

    def _limitDrain(self) -> None:
        if self._cancelDrain is None:
            self._cancelDrain = timer(self._plane.clock, self._drainLimit, self.abandon)

    def _end(self) -> None:
        """Once no link is left."""
        if self._stopped and not self._old and not self.done.called:
            if self._cancelDrain is not None:
                self._cancelDrain()
            self.done.callback(self._error)

    # ---- the handler of the link ---------------------------------------------------------------------------------

    def accept(self, link: Link, stream: Stream, opening: Opening) -> Endpoint:
        number = opening.registration - 1
        if not 0 <= number < len(self._tunnels):
            link.mux.close(stream, Reason.BACKEND_UNREACHABLE, "no such registration")
            return _Nobody()
        self.streamsTotal += 1
        tunnel = self._tunnels[number]
        # Who does not speak first would be looked at until the end of time: ports of their own are not looked at.
        if self.lookout.expects and tunnel.register.type != "tcp":
            return self.lookout.accept(
                link.mux, stream, lambda: tunnel.backend.accept(link.mux, stream, opening)
            )
        return tunnel.backend.accept(link.mux, stream, opening)

    def draining(self, link: Link) -> None:
        """The gateway goes away: another one may answer, while this link's streams run out."""
        if link is self._link:
            self._machine.moved()

    def emptied(self, link: Link) -> None:
        link.close()

    def lost(self, link: Link, error: DiglettError) -> None:
        self._carried = (self._carried[0] + link.received, self._carried[1] + link.sent)
        if link is not self._link:
            self._old.discard(link)
            self._policy.lost()  # as like as not the gateway restarts just now
            self._end()
            return
        self._link = None
        if isinstance(error, Refused) and error.permanent:
            self._machine.refused(error)
        elif self._once:
            self._machine.refused(error)
        else:
            self._machine.lost(error)


class _Nobody:
    """The endpoint of a stream that was refused."""

    def deliver(self, parts: Any, size: int) -> int:
        return 0

    def finished(self) -> None: ...

    def closed(self, reason: Any, text: str) -> None: ...

    def resume(self) -> None: ...
