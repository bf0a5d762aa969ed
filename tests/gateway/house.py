"""A whole gateway, agents, backends and visitors, all in memory: only the sockets and the time are not real."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from diglett.accounts import Account, Credentials
from diglett.config.gateway import GatewayConfig
from diglett.errors import LoginRefused
from diglett.gateway.agents import AgentLimits, Agents
from diglett.gateway.crowd import VisitorCrowds, VisitorLimits
from diglett.gateway.fronts import frontContexts
from diglett.gateway.ingress.front import HttpFront
from diglett.gateway.ingress.tls import TlsFront
from diglett.gateway.publicname import NameContext
from diglett.gateway.registry import Registry
from diglett.gateway.session import SessionContext
from diglett.guarding import GuardedAuthenticator
from diglett.interfaces import IAuthenticator
from diglett.link.arrival import Arrival
from diglett.names import RESERVED
from diglett.publishing import Publisher
from diglett.testing import MemoryPlane, clientTrust, memoryCredentials, serverContexts
from diglett.trust.clients import clientNameOf
from diglett.trust.server import ServerContexts
from diglett.wire.frames import ALPN
from tests.gateway.ingress.rig import Visitor
from tests.gateway.people import AGENTS, BACKEND, HTTP, HTTPS, Backends, Hand, Stranger, listen
from tests.gateway.publishing import MemoryRegistrar


@implementer(IAuthenticator)
class Book:
    """Accounts by token. It fails, waits or forgets when told to."""

    clientAuthorities = None

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.answer: Any = None
        """What `authenticate` and `refresh` answer instead: an exception, or a Deferred of nothing to wait for."""
        self.asked: list[Credentials] = []
        self.refreshed = 0
        self.changed: Callable[[], None] = lambda: None

    def start(self, changed: Callable[[], None]) -> None:
        self.changed = changed

    def stop(self) -> None: ...

    def messages(self) -> list[str]:
        return []

    def authenticate(self, credentials: Credentials) -> Any:
        self.asked.append(credentials)
        return self._answer(credentials.token or credentials.certificateName or "")

    def authorize(self, account: Account, name: str) -> bool:
        return account.allows(name)

    def refresh(self, account: Account) -> Any:
        self.refreshed += 1
        return self._answer(str(account.credential))

    def _answer(self, token: str) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        if isinstance(self.answer, Deferred):
            return self.answer.addCallback(lambda _: self._look(token))
        return self._look(token)

    def _look(self, token: str) -> Account:
        if token not in self.accounts:
            raise LoginRefused("there is no such token")
        return self.accounts[token]

    def add(self, id: str, **values: Any) -> None:
        """An account whose token is its id, and that may use every name unless `patterns` say otherwise."""
        self.accounts[id] = Account(id, credential=id, **{"patterns": ("*",), **values})


class House:
    """The gateway's core behind its three ports."""

    def __init__(
        self,
        limits: AgentLimits | None = None,
        reserved: frozenset[str] = RESERVED,
        clientAuthorities: Any = None,
        capacity: int = 65_536,
        newArrival: type[Arrival] = Arrival,
        visitors: VisitorLimits | None = None,
    ) -> None:
        self.plane = MemoryPlane(capacity=capacity)
        self.clock: Clock = self.plane.clock
        self.clock.advance(1_000_000.0)  # expiry is told in seconds since the epoch
        self.backends: set[int] = set()
        self.book = Book()
        for id in ("alice", "bob"):
            self.book.add(id)
        authenticator = GuardedAuthenticator(self.book, self.clock)
        self.registrar = MemoryRegistrar()
        self.crowds = VisitorCrowds.make(self.clock.seconds, visitors or VisitorLimits(), lambda address: False)
        self.publisher = Publisher([("memory", self.registrar)], self.clock)
        self.registry = Registry(
            NameContext(
                plane=self.plane,
                publisher=self.publisher,
                bind="127.0.0.1",
                domain="gateway.com",
                urls=lambda fqdn, kind: () if kind == "tcp" else (f"https://{fqdn}",),
                visitors=self.crowds.visitors,
            )
        )
        self.agents = Agents(
            self.plane,
            lambda agents: SessionContext(
                clock=self.clock,
                authenticator=authenticator,
                registry=self.registry,
                sessions=agents,
                reserved=reserved,
                certificateName=clientNameOf,
            ),
            limits,
            newArrival,
        )
        authenticator.start(self.agents.recheck)
        self.publisher.start()
        own = [memoryCredentials()]
        contexts = (
            ServerContexts(own, alpn=[ALPN], clientAuthorities=clientAuthorities)
            if clientAuthorities
            else serverContexts()
        )
        frontTls = frontContexts(GatewayConfig(domain="gateway.com"), own, None, clientAuthorities)
        self.front = HttpFront(self.clock, self.registry, "gateway.com", lambda address: False, self.crowds.visitors)
        tls = TlsFront(self.plane, frontTls, self.front, self.registry, self.agents, self.crowds)
        self._accepting = {
            AGENTS: lambda channel: self.agents.accepted(channel, contexts.connection),
            HTTPS: tls.accepted,
            HTTP: self.front.visit,
        }
        self.listeners: list[Any] = []
        self.open()

    # ---- people --------------------------------------------------------------------------------------------------

    def agent(self, *names: str, **options: Any) -> Hand:
        """An agent for these names, just started; `backends` are the ports behind them. See `Hand`."""
        hand = Hand(self, names or ("example",), **options)
        hand.service.startService()
        self.plane.pump()
        return hand

    def backend(self, port: int = BACKEND) -> Backends:
        """A service beside the agents."""
        self.backends.add(port)
        return Backends(self.plane, port)

    def connect(self, port: int) -> Visitor:
        """Whoever connects to a port."""
        return Visitor(self.dial(port))

    def dial(self, port: int, host: str = "127.0.0.1") -> Any:
        """A connection to a port, whose owner nobody is yet. `host` is where it comes from."""
        listener = self.plane.listeners[port]
        here, there = self.plane.pair()
        there.peer = (host, there.peer[1])
        listener.backlog.append(there)
        return here

    def portOf(self, name: str) -> int:
        """The listening port of a name."""
        public = self.registry.find(name)
        assert public is not None
        port: int = public._listeners[0].address()[1]
        return port

    def stranger(self, port: int = AGENTS, host: str = "127.0.0.1", trust: Any = None) -> Stranger:
        """Whoever speaks TLS to the agents' port, and then says what it likes."""
        return Stranger(self, port, host, trust or clientTrust())

    # ---- the end -------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Listen."""
        self.listeners = [listen(self.plane, port, accept) for port, accept in self._accepting.items()]

    def shut(self) -> None:
        """Listen no more, as if the gateway were not there; what is connected stays."""
        for listener in self.listeners:
            listener.close()

    def stop(self) -> Deferred[None]:
        """What the service does when it stops, as far as it is here."""
        self.shut()
        self.front.close()
        return self.agents.drain(30.0).addCallback(lambda _: self.publisher.stop())

    def leftovers(self) -> dict[str, Any]:
        """What should not be there when everybody has gone."""
        found = {
            "names": [each.name for each in self.registry],
            "sessions": list(self.agents) + list(self.agents._begun),
            "arrivals": self.agents.handshakes,
            "timers": self.clock.getDelayedCalls(),
            "published": self.registrar.standing,
            "visitors": self.front.visitors + len(self.crowds.visitors) + len(self.crowds.handshakes),
            "listeners": [port for port in self.plane.listeners if port not in self.backends],
        }
        return {what: left for what, left in found.items() if left}
