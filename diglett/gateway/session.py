"""One agent at the gateway: the desk of its handshake, then the handler of its link."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from diglett.accounts import Account, Credentials
from diglett.errors import DiglettError, LinkClosed, Refused, UsageError
from diglett.gateway.ingress.passage import Passage
from diglett.gateway.ingress.upstream import Upstream
from diglett.gateway.publicname import Holding, PublicName
from diglett.gateway.registry import Registry
from diglett.gateway.standing import Standing
from diglett.link.arrival import Arrival
from diglett.link.link import Link
from diglett.names import normalizeName
from diglett.plane.channel import Channel
from diglett.status import AgentStatus
from diglett.wire.handshake.gateway import Pending
from diglett.wire.messages import Login, Register, Registered
from diglett.wire.mux import Mux
from diglett.wire.opening import Opening
from diglett.wire.stream import Endpoint, Stream

log = Logger()

PROBE = 3.0
"""Seconds that a holder has to prove that it is alive when its own account asks for its name."""
QUIET = 3.0
"""Seconds of silence, while one side is leaving, after which a proxy's connection counts as kept for nothing."""


class Sessions(Protocol):
    """All sessions of the gateway, as one of them sees them."""

    def entered(self, session: Session) -> None:
        """It has logged in. Raises Refused: its account has too many."""

    def established(self, session: Session) -> None: ...

    def left(self, session: Session) -> None: ...

    def streams(self, account: str) -> int:
        """Live streams of this account."""

    def meter(self, session: Session) -> Callable[[Channel], Channel] | None:
        """What limits the bandwidth of its link; None if nothing does."""

    def mayClaim(self, session: Session, name: str) -> None:
        """Raises Refused: there are too many names. Those of a former link of the same agent do not count."""


@frozen
class SessionContext:
    """What every session works with."""

    clock: Any
    authenticator: Any
    """`GuardedAuthenticator`."""
    registry: Registry
    sessions: Sessions
    reserved: frozenset[str]
    certificateName: Callable[[Any], str | None]
    """The verified client certificate's name, of an `SSL.Connection`."""


class Session:
    """From login to the end of the link. Its names are released exactly when it ends."""

    def __init__(self, context: SessionContext, arrival: Arrival) -> None:
        self._context = context
        self.arrival = arrival
        self._link: Link | None = None
        self._held: list[tuple[PublicName, Holding]] = []
        self._claimed = ""
        """The name that is just being claimed."""
        self._published: list[str] = []
        """For the log: what it came for, in full."""
        self._over = False
        self.leaving = False
        """One side has asked for an end: the names are gone, the streams run out."""
        self._parting = ("", "")
        """Which side did: in words, and a code."""
        self._resting: Any = None
        self._standing = Standing(context.clock, context.authenticator, self)
        self._since = 0.0
        self.account: Account = Account("")
        self.agent = ""
        self.label = arrival.label

    # ---- the desk ------------------------------------------------------------------------------------------------

    def authenticate(
        self, login: Login, granted: Callable[[str], None], denied: Callable[[Refused], None]
    ) -> Pending:
        """See `diglett.wire.handshake.gateway.Desk`."""
        self.agent = login.agent
        self.arrival.loggedIn()  # from here on it waits for us

        async def decide() -> str:
            connection = self.arrival.connection
            credentials = Credentials(
                token=login.token or None,
                certificateName=None if connection is None else self._context.certificateName(connection),
                peer=self.label.partition(" ")[0],
            )
            self.account = await self._context.authenticator.authenticate(credentials)
            self._context.sessions.entered(self)
            return self.account.id

        return self._answer(decide(), granted, denied)

    def claim(
        self, number: int, register: Register, granted: Callable[[Registered], None], denied: Callable[[Refused], None]
    ) -> Pending:
        """See `diglett.wire.handshake.gateway.Desk`."""

        return self._answer(self._claim(number, register), granted, denied)

    async def _claim(self, number: int, register: Register) -> Registered:
        name = await self._allowedName(register.name)
        self._context.sessions.mayClaim(self, name)
        self._claimed = name  # it counts from now on: else many handshakes at once would be a way around the limit
        try:
            holding = Holding(self, number, register.share)
            public = await self._context.registry.claim(name, register.type, holding)
        finally:
            self._claimed = ""
        if self._over:
            self._context.registry.release(public, holding)
            raise Refused("the agent has left", code="internal")
        self._held.append((public, holding))
        return Registered(name=name, urls=public.urls)

    async def _allowedName(self, wanted: str) -> str:
        try:
            name = normalizeName(wanted)
        except UsageError as error:
            raise Refused(str(error), code="name-invalid", permanent=True) from None
        if name in self._context.reserved:
            raise Refused(f"the name {name} is reserved at this gateway", code="name-reserved", permanent=True)
        if not await self._context.authenticator.authorize(self.account, name):
            raise Refused(
                f"{self.account.id} may not use the name {name}", code="name-not-allowed", permanent=True
            )
        return name

    def _answer(
        self, decision: Coroutine[Any, Any, Any], granted: Callable[[Any], None], denied: Callable[[Refused], None]
    ) -> Deferred[Any]:
        def refuse(failure: Failure) -> None:
            if failure.check(CancelledError):
                return
            if failure.check(Refused):
                denied(failure.value)
                return
            log.failure("{peer}: a bug in the handshake", failure=failure, peer=self.label)
            denied(Refused("internal error; the gateway's log has the reason", code="internal"))

        pending = Deferred.fromCoroutine(decision)
        pending.addCallbacks(granted, refuse)
        pending.addBoth(lambda _: self.arrival.answered())
        return pending

    def established(self) -> None:
        """See `diglett.wire.handshake.gateway.Desk`."""
        self._context.sessions.established(self)
        self._since = self._context.clock.seconds()
        self._published = [public.fqdn for public, _ in self._held]
        link = self._link = self.arrival.establish(self, self._context.sessions.meter(self))
        log.info(
            "{peer}: {account} is connected: {_shown}",
            event="link-up",
            peer=self.label,
            account=self.account.id,
            _shown=", ".join(self._published),
            names=self._published,
            software=self.arrival.software,
        )
        link.start(self.arrival.rest())
        self._standing.begin()

    def over(self, error: DiglettError) -> None:
        """See `diglett.wire.handshake.gateway.Desk`."""
        self.arrival.refuse(error)
        self._end()

    # ---- the handler of the link ---------------------------------------------------------------------------------

    def accept(self, link: Link, stream: Stream, opening: Opening) -> Endpoint:
        """Agents do not open streams; the mux has refused it already."""
        raise NotImplementedError

    def draining(self, link: Link) -> None:
        """The agent leaves: its names go now, its streams when they are done."""
        if not self.leaving:
            self._parting = ("the agent has left", "left")
        self._leave()

    def emptied(self, link: Link) -> None:
        link.close()

    def lost(self, link: Link, error: DiglettError) -> None:
        reason, code = str(error), getattr(error, "code", "link-lost")
        if isinstance(error, LinkClosed) and self.leaving:
            reason, code = self._parting
        log.info(
            "{peer}: {account} is gone: {reason}",
            event="link-down",
            peer=self.label,
            account=self.account.id,
            names=self._published,
            reason=reason,
            code=code,
            seconds=self._context.clock.seconds() - self._since,
        )
        self._end()

    # ---- the holder of names -------------------------------------------------------------------------------------

    @property
    def live(self) -> bool:
        """Whether streams can be opened now."""
        return self._link is not None and not self._over and not self.leaving

    @property
    def streamCount(self) -> int:
        """Live streams."""
        return len(self._link.mux.streams) if self._link is not None else 0

    def status(self) -> AgentStatus:
        """How it is now; only of an established one."""
        assert self._link is not None
        mux = self._link.mux
        return AgentStatus(
            account=self.account.id,
            address=self.label,
            connected=self._context.clock.seconds() - self._since,
            names=tuple(public.name for public in self.held),
            streams=len(mux.streams),
            undelivered=mux.undelivered,
            roundTrip=mux.growth.roundTrip or None,
        )

    @property
    def held(self) -> list[PublicName]:
        """The names of this session."""
        return [public for public, _ in self._held]

    @property
    def names(self) -> set[str]:
        """The names it holds, and the one it is just claiming."""
        return {public.name for public, _ in self._held} | ({self._claimed} - {""})

    def open(self, opening: Opening, endpoint: Endpoint) -> tuple[Mux, Stream]:
        assert self._link is not None
        limit = self.account.limits.streams
        if limit is not None and self._context.sessions.streams(self.account.id) >= limit:
            raise Refused(f"{self.account.id} may have at most {limit} streams", code="limit")
        mux = self._link.mux
        return mux, mux.open(opening, endpoint)

    def probe(self) -> Deferred[bool]:
        return succeed(False) if self._link is None else self._link.probe(PROBE)

    def end(self, error: Refused) -> None:
        """End it; the agent is told why."""
        if self._link is not None:
            self._link.close(error)
        else:
            self.arrival.stop(error)
        self._end()

    def drain(self) -> None:
        """The gateway stops: no new streams here, the agent should dial another one."""
        if not self.leaving:
            self._parting = ("the gateway is stopping", "draining")
        self._leave()
        if self._link is not None:
            self._link.drain()
        else:
            self.arrival.stop(Refused("the gateway is stopping", code="draining"))

    def recheck(self) -> None:
        """The authenticator may think otherwise of it by now."""
        self._standing.changed()

    # ---- the end -------------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        if self.leaving:
            return
        self.leaving = True
        self._release()
        for endpoint in self._endpoints():
            if isinstance(endpoint, Upstream):
                endpoint.retire()
        self._rest()

    def _endpoints(self) -> list[Endpoint | None]:
        return [stream.endpoint for stream in self._link.mux.streams.values()] if self._link is not None else []

    def _rest(self) -> None:
        """Let those go who are here in case that there will be another request."""
        self._resting = self._context.clock.callLater(QUIET, self._rest) if not self._over else None
        for endpoint in self._endpoints():
            if isinstance(endpoint, Passage):
                endpoint.rest()

    def _release(self) -> None:
        held, self._held = self._held, []
        for public, holding in held:
            self._context.registry.release(public, holding)

    def _end(self) -> None:
        if self._over:
            return
        self._over = True
        if self._resting is not None and self._resting.active():
            self._resting.cancel()
        self._standing.end()
        self._release()
        self._context.sessions.left(self)
