"""What the HTTP and the HTTPS front share: routing by host, the visitors and their deadlines."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any

from diglett.errors import Refused
from diglett.gateway.crowd import Crowd
from diglett.gateway.ingress.http import HttpVisitor
from diglett.gateway.ingress.lobby import Lobby
from diglett.gateway.publicname import PublicName
from diglett.gateway.registry import Registry
from diglett.plane.channel import Channel
from diglett.wire.frames import Way

SWEEP = 1.0
"""Seconds between looks at the deadlines; `now` is that coarse as well."""


class HttpFront:
    """Visitors of one front. They are told when their deadline has passed, and when the gateway stops."""

    def __init__(
        self,
        clock: Any,
        registry: Registry,
        domain: str,
        trusted: Callable[[str], bool],
        crowd: Crowd,
    ) -> None:
        self.now = clock.seconds()
        self._settled = self.now
        self.draining = False
        self._drains = 0.0
        """Since when."""
        self._clock = clock
        self._registry = registry
        self._domain = domain
        self._suffix = f".{domain}"
        self._trusted = trusted
        self._crowd = crowd
        self._visitors: dict[HttpVisitor, Any] = {}
        self._timer: Any = None
        self.lobby = Lobby(clock, registry)

    def begin(self, grace: float) -> None:
        """Serving begins now: for `grace` seconds the agent of a name that nobody holds may be on its way back."""
        self._settled = self._clock.seconds() + grace

    def visit(self, channel: Channel, secure: bool = False, serverName: str | None = None) -> None:
        """A visitor's connection, plain or with TLS done."""
        if not self._crowd.admit(channel, channel.peer):
            return
        if secure or self.lobby.open:  # over TLS it has waited before
            self._serve(channel, secure, serverName)
        else:
            leave = partial(self._crowd.leave, channel.peer)
            self.lobby.keep(channel, None, lambda: self._serve(channel, secure, serverName), leave)

    def _serve(self, channel: Channel, secure: bool, serverName: str | None) -> None:
        if self._timer is None:
            self.now = self._clock.seconds()
            self._timer = self._clock.callLater(SWEEP, self._sweep)
        visitor = HttpVisitor(self, channel, secure, serverName)
        self._visitors[visitor] = channel.peer
        channel.resumeReading()

    @property
    def visitors(self) -> int:
        """Connections now."""
        return len(self._visitors)

    def forget(self, visitor: HttpVisitor) -> None:
        """It is over."""
        peer = self._visitors.pop(visitor, self)
        if peer is not self:
            self._crowd.leave(peer)

    def _sweep(self) -> None:
        now = self.now = self._clock.seconds()
        for visitor in [each for each in self._visitors if each.deadline < now]:
            visitor.expired()
        self._timer = self._clock.callLater(SWEEP, self._sweep) if self._visitors else None

    def ebb(self, patience: float = 0.0) -> int:
        """The gateway stops: whoever is being served is served to the end, the others are let go.

        Except, for now, those who had their last answer, or came, less than `patience` seconds ago: a request may be on
        its way. How many these are.
        """
        now = self.now = self._clock.seconds()
        if not self.draining:
            self.draining = True
            self._drains = now
        # What was noted before this began was that coarse; who is idle since then has been for long enough afterwards.
        slack = 0.0 if now - self._drains >= patience else 2 * SWEEP
        idleSince = now - patience - slack if patience else inf
        return sum([visitor.drain(idleSince) for visitor in list(self._visitors)])

    def close(self) -> None:
        """The gateway stops: only whoever is being served stays."""
        self.ebb()
        self.lobby.close()

    def route(self, host: str | None, serverName: str | None) -> PublicName:
        """The name that a request's Host stands for.

        Raises Refused: `no-such-name`, `agent-away`, `starting`, `misdirected` or `no-host`.
        """
        if host is None:
            raise Refused("the request does not say for which host it is", code="no-host")
        if serverName is not None and host != serverName:
            raise Refused(serverName, code="misdirected")
        name = self.nameOf(host)
        public = self._registry.find(name) if name else None
        if public is None or public.kind != "http":  # nobody speaks HTTP to what was not meant for it
            if name and self._registry.away(name) is not None:
                raise Refused(f"the agent of {host} is not connected", code="agent-away")
            if name and public is None and self._clock.seconds() < self._settled:
                raise Refused(f"no agent has published {host} yet", code="starting")
            raise Refused(f"there is no tunnel called {host}", code="no-such-name")
        return public

    def nameOf(self, host: str) -> str:
        """The label under the domain; empty when there is none."""
        name = host[: -len(self._suffix)] if host.endswith(self._suffix) else ""
        return "" if "." in name else name

    def trusts(self, address: str) -> bool:
        """Whether this peer is one of the operator's own proxies."""
        return self._trusted(address)

    @staticmethod
    def way(secure: bool) -> Way:
        return Way.HTTPS if secure else Way.HTTP
