"""The side where agents come in: accepting, limits, all the sessions."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any
from weakref import WeakValueDictionary

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from diglett import __version__
from diglett.errors import Refused
from diglett.gateway.crowd import Crowd
from diglett.gateway.session import Session, SessionContext
from diglett.hushed import Hushed
from diglett.link.arrival import Arrival
from diglett.link.metered import Allowance, Metered
from diglett.plane.channel import Channel
from diglett.plane.limits import settle
from diglett.plane.tls import TLSChannel
from diglett.wire.messages import Established, Hello
from diglett.wire.windows import WINDOW_START

log = Logger()

MOMENT = 1.0
"""Seconds that somebody who has just come need not make room for others."""
SPREAD = 1.0
"""Seconds in which all agents are told, when the gateway stops, to go elsewhere."""
STEP = 0.02
"""Seconds between portions of them."""
TOLD_AT_ONCE = 10
"""The smallest portion."""


@frozen
class AgentLimits:
    """What the gateway takes from agents at a time."""

    links: int = 1_000
    names: int = 5_000
    """Each has a listening socket."""
    handshakes: int = 100
    handshakesPerAddress: int = 20


class Agents:
    """Accepts agents, keeps their sessions, and lets them go."""

    def __init__(
        self,
        plane: Any,
        context: Callable[[Agents], SessionContext],
        limits: AgentLimits,
        newArrival: Callable[..., Arrival] = Arrival,
    ) -> None:
        self._newArrival = newArrival
        self._plane = plane
        self._limits = limits
        self._context = context(self)
        self._hello = Hello(software=f"diglett-server/{__version__}", window=WINDOW_START)
        self._terms = Established()
        now = plane.clock.seconds
        self._arrivals: dict[Arrival, Any] = {}
        self._strangers: dict[Arrival, float] = {}
        """Those of whom nobody knows yet who they are, the oldest first, and since when they are here."""
        self._crowd = Crowd(
            "handshakes with agents", now, limits.handshakes, limits.handshakesPerAddress, makeRoom=self._makeRoom
        )
        self._hushed = Hushed(log, now)
        self._begun: set[Session] = set()
        """From the first byte on."""
        self._accounts: dict[str, set[Session]] = {}
        """Those that have logged in, by the id of their account."""
        self._allowances: WeakValueDictionary[str, Allowance] = WeakValueDictionary()
        """Of accounts whose bandwidth is limited, as long as they have links."""
        self._loggedIn = 0
        self._sessions: set[Session] = set()
        """Those that are established."""
        self._whenEmpty: Deferred[None] | None = None
        self._closed = False
        self.total = 0
        """Links established so far."""
        self.refused = 0
        """Connections and handshakes turned away so far."""

    # ---- arrivals ------------------------------------------------------------------------------------------------

    def accepted(self, channel: Channel, connection: Callable[[], Any]) -> None:
        """A connection on the agents' port; `connection` makes its side of TLS."""
        arrival = self._admit(channel)
        if arrival is not None:
            arrival.begin(channel, connection(), self._newSession)

    def secured(self, tls: TLSChannel) -> None:
        """An agent came through the HTTPS front."""
        arrival = self._admit(tls)
        if arrival is not None:
            arrival.secured(tls, self._newSession)

    def _admit(self, channel: Channel) -> Arrival | None:
        if self._closed:
            channel.abort()
        elif self._crowd.admit(channel, channel.peer):
            arrival = self._newArrival(self._plane, self._hello, self._terms, self._ended, self._hushed)
            self._arrivals[arrival] = channel.peer
            self._strangers[arrival] = self._plane.clock.seconds()
            return arrival
        self.refused += 1
        return None

    def _makeRoom(self) -> None:
        """Silence must not keep others out: honest agents are through in a moment."""
        for oldest, since in self._strangers.items():
            # Were it the latest, a thousand agents that come back at once would keep each other out.
            if self._plane.clock.seconds() - since >= MOMENT:
                oldest.stop(Refused("too many agents are coming in", code="limit"))
            return

    def _ended(self, arrival: Arrival) -> None:
        self._strangers.pop(arrival, None)
        self._crowd.leave(self._arrivals.pop(arrival))

    def _newSession(self, arrival: Arrival) -> Session:
        session = Session(self._context, arrival)
        self._begun.add(session)
        return session

    # ---- sessions ------------------------------------------------------------------------------------------------

    def entered(self, session: Session) -> None:
        """It has logged in. A former link of the same agent does not count: this one takes its place.

        Raises Refused: there are too many.
        """
        account = session.account
        former = len(self._former(session))
        if self._loggedIn - former >= self._limits.links:
            raise Refused("the gateway has as many agents as it takes", code="limit")
        most = account.limits.agents
        if most is not None and len(self._accounts.get(account.id, ())) - former >= most:
            raise Refused(f"{account.id} may have at most {most} agents", code="limit")
        self._strangers.pop(session.arrival, None)
        self._accounts.setdefault(account.id, set()).add(session)
        self._loggedIn += 1

    def established(self, session: Session) -> None:
        """Its handshake is over; that of a former link of the same agent, or that link, is as well."""
        self._sessions.add(session)
        self.total += 1
        if self.total == 1:
            settle()
        for each in self._former(session):
            each.end(Refused("the same agent has come back on another link", code="replaced", permanent=True))

    def _former(self, session: Session) -> list[Session]:
        mates = self._accounts.get(session.account.id, ())
        return [each for each in mates if each.agent == session.agent and not each.leaving and each is not session]

    def left(self, session: Session) -> None:
        """It has ended."""
        self._begun.discard(session)
        self.refused += session not in self._sessions
        self._sessions.discard(session)
        mates = self._accounts.get(session.account.id, set())
        if session in mates:
            self._loggedIn -= 1
            mates.remove(session)
            if not mates:
                del self._accounts[session.account.id]
        if not self._begun and self._whenEmpty is not None:
            self._whenEmpty.callback(None)
            self._whenEmpty = None

    def streams(self, account: str) -> int:
        return sum(session.streamCount for session in self._accounts.get(account, ()))

    def meter(self, session: Session) -> Callable[[Channel], Channel] | None:
        if session.account.limits.bandwidth is None:
            return None
        allowance = self._allowances.get(session.account.id)
        if allowance is None:
            allowance = self._allowances[session.account.id] = Allowance(self._plane.clock)
        return lambda channel: Metered(channel, allowance, lambda: session.account.limits.bandwidth)

    def mayClaim(self, session: Session, name: str) -> None:
        registry = self._context.registry
        if len(registry) >= self._limits.names and registry.find(name) is None:
            raise Refused("the gateway has as many names as it takes", code="limit")
        account = session.account
        most = account.limits.names
        if most is not None:
            mates = self._accounts[account.id].difference(self._former(session))
            if len({name}.union(*(each.names for each in mates))) > most:
                raise Refused(f"{account.id} may hold at most {most} names", code="limit")

    @property
    def handshakes(self) -> int:
        """Agents that are just coming in."""
        return len(self._arrivals)

    @property
    def draining(self) -> bool:
        """The gateway stops."""
        return self._closed

    def __iter__(self) -> Any:
        return iter(self._sessions)

    def __len__(self) -> int:
        return len(self._sessions)

    def recheck(self) -> None:
        """The authenticator's answers may have changed."""
        for session in list(self._begun):
            session.recheck()

    # ---- the end -------------------------------------------------------------------------------------------------

    def drain(self, limit: float) -> Deferred[None]:
        """No new agents, no new streams; fires when the last link is over, after `limit` seconds at the latest."""
        self._closed = True
        for arrival in [each for each in self._arrivals if not each.greeted]:
            arrival.stop(Refused("the gateway is stopping", code="draining"))
        begun = list(self._begun)
        self._tell(begun, max(TOLD_AT_ONCE, ceil(len(begun) * STEP / SPREAD)))
        done: Deferred[None] = Deferred()
        if not self._begun:
            done.callback(None)
            return done
        self._whenEmpty = done
        cut = self._plane.clock.callLater(limit, self._cut)

        def stop(result: None) -> None:
            if cut.active():
                cut.cancel()

        return done.addCallback(stop)

    def _tell(self, sessions: list[Session], portion: int) -> None:
        """Each dials anew when it is told, and a thousand handshakes at once would be too much for whoever is next."""
        for session in sessions[:portion]:
            if session in self._begun:
                session.drain()
        if len(sessions) > portion:
            self._plane.clock.callLater(STEP, self._tell, sessions[portion:], portion)

    def _cut(self) -> None:
        for session in list(self._begun):
            session.end(Refused("the gateway is stopping", code="draining"))
