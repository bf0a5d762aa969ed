"""A whole gateway, agents, backends and visitors, all in memory: only the sockets and the time are not real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from diglett.accounts import Account, Credentials
from diglett.agent.backend import DialledBackend
from diglett.agent.service import AgentService, Tunnel
from diglett.errors import DiglettError, LoginRefused
from diglett.gateway.agents import AgentLimits, Agents
from diglett.gateway.ingress.front import HttpFront
from diglett.gateway.ingress.tls import TlsFront
from diglett.gateway.publicname import NameContext
from diglett.gateway.registry import Registry
from diglett.gateway.session import SessionContext
from diglett.guarding import GuardedAuthenticator
from diglett.interfaces import IAuthenticator
from diglett.names import RESERVED
from diglett.plane.channel import Target
from diglett.publishing import Publisher
from diglett.testing import MemoryPlane, clientTrust, memoryCredentials, serverContexts
from diglett.trust.clients import clientNameOf
from diglett.trust.server import ServerContexts
from diglett.wire.codec import Frame, encodePreface
from diglett.wire.frames import ALPN, HEADER, HEADER_SIZE, Kind, encodeFrame
from diglett.wire.messages import Hello, Login, Register, decodeJson
from tests.gateway.ingress.rig import Visitor
from tests.gateway.publishing import MemoryRegistrar

AGENTS, HTTPS, HTTP, BACKEND = 20_000, 8_443, 8_080, 9_000
AGENT = "0123456789abcdef"


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
        limits: AgentLimits = AgentLimits(),
        reserved: frozenset[str] = RESERVED,
        clientAuthorities: Any = None,
        capacity: int = 65_536,
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
        self.publisher = Publisher([("memory", self.registrar)], self.clock)
        self.registry = Registry(
            NameContext(
                plane=self.plane,
                publisher=self.publisher,
                bind="127.0.0.1",
                domain="gateway.com",
                urls=lambda fqdn, kind: () if kind == "tcp" else (f"https://{fqdn}",),
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
        )
        authenticator.start(self.agents.recheck)
        self.publisher.start()
        own = [memoryCredentials()]
        contexts = (
            ServerContexts(own, alpn=[ALPN], clientAuthorities=clientAuthorities)
            if clientAuthorities
            else serverContexts()
        )
        frontContexts = ServerContexts(
            own, alpn=[b"http/1.1", ALPN], clientAuthorities=clientAuthorities, clientProtocol=ALPN
        )
        self.front = HttpFront(self.clock, self.registry, "gateway.com", lambda address: False)
        tls = TlsFront(self.plane, frontContexts, self.front, self.registry, self.agents)
        self._accepting = {
            AGENTS: lambda channel: self.agents.accepted(channel, contexts.connection()),
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
        self.listeners = [_listener(self.plane, port, accept) for port, accept in self._accepting.items()]

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
            "visitors": self.front.visitors,
            "listeners": [port for port in self.plane.listeners if port not in self.backends],
        }
        return {what: left for what, left in found.items() if left}


def _listener(plane: MemoryPlane, port: int, accepted: Any) -> Any:
    found: list[Any] = []
    plane.listen(f"tcp:{port}", accepted).addCallback(found.append)
    return found[0]


@define
class Notes:
    """A Reporter that notes."""

    events: list[Any] = field(factory=list)
    lines: list[tuple[str, str]] = field(factory=list)

    def up(self, lines: Any, again: bool) -> None:
        self.lines = list(lines)
        self.events.append("again" if again else "up")

    def retrying(self, error: DiglettError, delay: float) -> None:
        self.events.append(("retrying", getattr(error, "code", "lost"), delay))

    def lost(self, error: DiglettError) -> None:
        self.events.append(("lost", getattr(error, "code", "lost")))

    def moving(self) -> None:
        self.events.append("moving")


class DiallingPlane:
    """A plane for one agent, which notes where it connects to."""

    def __init__(self, plane: MemoryPlane) -> None:
        self._plane = plane
        self.dialled: list[Target] = []
        self.channels: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plane, name)

    def connect(self, target: Target, timeout: float) -> Deferred[Any]:
        self.dialled.append(target)

        def keep(channel: Any) -> Any:
            self.channels.append(channel)
            return channel

        return self._plane.connect(target, timeout).addCallback(keep)


class Hand:
    """A real agent, run in memory."""

    def __init__(
        self,
        house: House,
        names: tuple[str, ...],
        *,
        token: str | None = "alice",
        type: str = "http",
        share: bool = False,
        port: int = AGENTS,
        once: bool = False,
        trust: Any = None,
        backends: tuple[int, ...] = (),
    ) -> None:
        self.plane = DiallingPlane(house.plane)
        self.notes = Notes()
        self.ended: list[DiglettError | None] = []
        ports = backends or (BACKEND,) * len(names)
        self.service = AgentService(
            self.plane,
            Target("localhost", port),
            trust or clientTrust(),
            lambda: token,
            [
                Tunnel(
                    Register(name, type, share),
                    DialledBackend(house.plane, Target("localhost", behind)),
                    f"localhost:{behind}",
                )
                for name, behind in zip(names, ports)
            ],
            self.notes,
            once=once,
        )
        self.service.done.addCallback(self._over)

    def _over(self, error: DiglettError | None) -> DiglettError | None:
        self.ended.append(error)
        return error

    @property
    def up(self) -> bool:
        """Whether it is connected now."""
        return self.service._link is not None

    @property
    def channel(self) -> Any:
        """The connection of the newest attempt."""
        return self.plane.channels[-1]


class Backends:
    """A service that keeps each connection made to it."""

    def __init__(self, plane: MemoryPlane, port: int) -> None:
        self.plane = plane
        self.taken: list[Visitor] = []
        self.listener = _listener(plane, port, lambda channel: self.taken.append(Visitor(channel)))

    def __len__(self) -> int:
        return len(self.taken)

    def __getitem__(self, number: int) -> Visitor:
        return self.taken[number]

    def __iter__(self) -> Iterator[Visitor]:
        return iter(self.taken)

    def say(self, number: int, data: bytes) -> None:
        """That connection's service answers."""
        self.taken[number].send(data)
        self.plane.pump()


class Stranger:
    """A client of the agents' port that says whatever it likes."""

    def __init__(self, house: House, port: int, host: str, trust: Any) -> None:
        self._house = house
        self.raw = house.dial(port, host)
        self.tls = house.plane.tls(self.raw, trust.connection())
        self.shaken: list[Exception | None] = []
        self.tls.handshake(self.shaken.append)
        house.plane.pump()
        self.end = Visitor(self.tls)
        house.plane.pump()

    def say(self, data: bytes) -> None:
        """Send bytes."""
        self.end.send(data)
        self._house.plane.pump()

    def greet(self, **hello: Any) -> None:
        """Send a preface."""
        self.say(encodePreface(Hello(**{"software": "stranger", "streams": 100, **hello}).encode()))

    def frame(self, kind: int, id: int = 0, payload: bytes = b"") -> None:
        """Send a frame."""
        self.say(encodeFrame(kind, id, payload))

    def login(self, token: str = "alice", agent: str = AGENT) -> None:
        """Send Login."""
        self.frame(Kind.LOGIN, 0, Login(token, agent).encode())

    def freeze(self) -> None:
        """The network between is gone, in both directions, and nobody is told."""
        self.raw.freeze()
        self.raw._other.freeze()

    def enter(self, *names: str, token: str = "alice", agent: str = AGENT, **register: Any) -> None:
        """The whole handshake."""
        self.greet()
        self.login(token, agent)
        for number, name in enumerate(names or ("example",), 1):
            self.frame(Kind.REGISTER, number, Register(name, **register).encode())
        self.frame(Kind.FINISH_REGISTER)

    @property
    def answers(self) -> list[Frame]:
        """Whole frames that came, behind the preface."""
        data = bytes(self.end.received)
        at = 7 + int.from_bytes(data[5:7], "big")
        found = []
        while at + HEADER_SIZE <= len(data):
            kind, id, size = HEADER.unpack_from(data, at)
            at += HEADER_SIZE
            found.append(Frame(kind, id, data[at : at + size]))
            at += size
        return found

    def of(self, kind: int) -> list[Frame]:
        """Those of a kind."""
        return [frame for frame in self.answers if frame.kind == kind]

    @property
    def established(self) -> bool:
        """FinishRegister was answered."""
        return any("keepalive" in decodeJson(frame.payload) for frame in self.of(Kind.OK))

    @property
    def error(self) -> str | None:
        """The code of the Error that came."""
        errors = self.of(Kind.ERROR)
        return str(decodeJson(errors[0].payload)["code"]) if errors else None

    @property
    def closed(self) -> bool:
        """Whether the gateway has ended the connection."""
        return self.end.closed
