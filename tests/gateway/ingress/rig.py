"""A front, a link, and a browser, all in memory."""

from __future__ import annotations

from typing import Any

from diglett.errors import Refused
from diglett.gateway.crowd import Crowd
from diglett.gateway.ingress.front import HttpFront
from diglett.testing import MemoryPlane, NotedEndpoint, connectedLinks
from diglett.wire.messages import Hello
from diglett.wire.opening import Opening


class Visitor:
    """The far end of a visitor's connection: notes what comes."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self.received = bytearray()
        self.ended = False
        self.error: Exception | None = None
        channel.owner = self
        channel.resumeReading()

    def send(self, data: bytes) -> None:
        self.channel.write((data,), len(data))

    def readable(self) -> None:
        room = bytearray(65_536)
        try:
            size = self.channel.readInto(memoryview(room))
        except OSError as error:
            self.broken(error)
            return
        if size > 0:
            self.received += room[:size]
        elif size == 0:
            self.ended = True

    def drained(self, size: int) -> None: ...

    def broken(self, error: Exception) -> None:
        self.error = error

    @property
    def closed(self) -> bool:
        return self.ended or self.error is not None


class Name:
    """A public name whose streams go over one link."""

    def __init__(self, link: Any, fqdn: str) -> None:
        self.link = link
        self.fqdn = fqdn
        self.kind = "http"
        self.openings: list[Opening] = []
        self.refusal: Refused | None = None

    def open(self, way: int, visitor: str, front: str, endpoint: Any) -> Any:
        if self.refusal is not None:
            raise self.refusal
        opening = Opening(1, way, visitor, front)
        self.openings.append(opening)
        return self.link.mux, self.link.mux.open(opening, endpoint)


class Names:
    """As much of a registry as a front needs."""

    def __init__(self) -> None:
        self.held: dict[str, Name] = {}
        self.left: set[str] = set()

    def find(self, name: str) -> Name | None:
        return self.held.get(name)

    def away(self, name: str) -> float | None:
        return 0.0 if name in self.left else None


class Rig:
    """Everything between a visitor and the streams that the agent sees."""

    def __init__(self, window: int = 262_144, trusted: bool = False, capacity: int = 65_536) -> None:
        self.plane = MemoryPlane(capacity=capacity)
        hello = Hello(streams=100, window=window)
        self.gateway, self.agent = connectedLinks(self.plane, gatewayHello=hello, agentHello=hello)
        self.names: Any = Names()
        for name in ("one", "two"):
            self.names.held[name] = Name(self.gateway.link, f"{name}.gateway.com")
        self.crowd = Crowd("visitors", self.plane.clock.seconds, 10_000, 100)
        self.front = HttpFront(self.plane.clock, self.names, "gateway.com", lambda address: trusted, self.crowd)

    def visit(self, secure: bool = False, serverName: str | None = None) -> Visitor:
        """A new visitor's connection."""
        there, here = self.plane.pair()
        self.front.visit(here, secure, serverName)
        return Visitor(there)

    def ask(self, visitor: Visitor, data: bytes) -> None:
        """The visitor sends this."""
        visitor.send(data)
        self.plane.pump()

    @property
    def backends(self) -> list[NotedEndpoint]:
        """The agent's ends of all streams so far."""
        return self.agent.handler.endpoints

    def answer(self, number: int, data: bytes, finish: bool = False) -> None:
        """The backend of that stream sends this."""
        backend = self.backends[number]
        sent = self.agent.link.mux.write(backend.stream, data)
        assert sent == len(data), "no credit for the whole of it"
        if finish:
            self.agent.link.mux.finish(backend.stream)
        self.plane.pump()

    def advance(self, seconds: float) -> None:
        """Let time pass, in steps that no sweep is lost in."""
        for _ in range(int(seconds * 2)):
            self.plane.clock.advance(0.5)
            self.plane.pump()
