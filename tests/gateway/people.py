"""Who comes to the house: agents, their backends, and strangers who say what they like."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from diglett.agent.backend import DialledBackend
from diglett.agent.retry import RetryPolicy
from diglett.agent.service import AgentService, Tunnel
from diglett.errors import DiglettError
from diglett.link.dialling import Dialling
from diglett.plane.channel import Target
from diglett.testing import MemoryPlane, clientTrust
from diglett.wire.codec import Frame, encodePreface
from diglett.wire.frames import HEADER, HEADER_SIZE, Kind, encodeFrame
from diglett.wire.messages import Hello, Login, Register, decodeJson
from tests.gateway.ingress.rig import Visitor

AGENTS, HTTPS, HTTP, BACKEND = 20_000, 8_443, 8_080, 9_000
"""Ports."""
AGENT = "0123456789abcdef"
"""Who strangers say they are."""


def listen(plane: MemoryPlane, port: int, accepted: Any) -> Any:
    """Listen on a port; the listener."""
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
        house: Any,
        names: tuple[str, ...],
        *,
        token: str | None = "alice",
        type: str = "http",
        share: bool = False,
        port: int = AGENTS,
        once: bool = False,
        trust: Any = None,
        backends: tuple[int, ...] = (),
        dialling: type[Dialling] = Dialling,
    ) -> None:
        self.token = token
        self.plane = DiallingPlane(house.plane)
        self.notes = Notes()
        self.ended: list[DiglettError | None] = []
        ports = backends or (BACKEND,) * len(names)
        self.service = AgentService(
            self.plane,
            Target("localhost", port),
            trust or clientTrust(),
            lambda: self.token,
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
            dialling=dialling,
        )
        self.service._policy = RetryPolicy(house.clock.seconds, Random(7).random)
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
        self.listener = listen(plane, port, lambda channel: self.taken.append(Visitor(channel)))

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

    def __init__(self, house: Any, port: int, host: str, trust: Any) -> None:
        self._house = house
        self.raw = house.dial(port, host)
        self.tls = house.plane.tls(self.raw, trust.connection())
        self.shaken: list[Exception | None] = []
        self.end = Visitor(self.tls)
        self.tls.handshake(self.shaken.append)
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

    def register(self, name: str, number: int = 1, **register: Any) -> None:
        """Send a Register."""
        self.frame(Kind.REGISTER, number, Register(name, **register).encode())

    def freeze(self) -> None:
        """The network between is gone, in both directions, and nobody is told."""
        self.raw.freeze()
        self.raw._other.freeze()

    def enter(self, *names: str, token: str = "alice", agent: str = AGENT, **register: Any) -> None:
        """The whole handshake."""
        self.greet()
        self.login(token, agent)
        for number, name in enumerate(names or ("example",), 1):
            self.register(name, number, **register)
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
