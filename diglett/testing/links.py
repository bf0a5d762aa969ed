"""Two established links, connected in memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import define, field, frozen

from diglett.errors import DiglettError
from diglett.link.link import Link
from diglett.testing.memory import MemoryChannel, MemoryPlane
from diglett.trust.authority import LocalAuthority
from diglett.trust.client import GatewayTrust
from diglett.trust.credentials import Credentials
from diglett.trust.server import ServerContexts
from diglett.wire.frames import ALPN, Reason
from diglett.wire.messages import Established, Hello
from diglett.wire.opening import Opening
from diglett.wire.stream import Endpoint, Stream

TERMS = Established()
HELLO = Hello(software="test", streams=100)


@lru_cache(maxsize=1)
def memoryCredentials() -> Credentials:
    """A key and a certificate for `localhost`, the same for the whole process."""
    with TemporaryDirectory() as folder:
        return LocalAuthority.open(Path(folder)).issue(["localhost"])




@lru_cache(maxsize=1)
def serverContexts() -> ServerContexts:
    """The gateway's side of TLS, with `memoryCredentials`."""
    return ServerContexts([memoryCredentials()], alpn=[ALPN])


@lru_cache(maxsize=1)
def clientTrust() -> GatewayTrust:
    """The agent's side, which trusts `serverContexts` and nobody else."""
    return GatewayTrust("localhost", pins=[memoryCredentials().pin])


class NotedEndpoint:
    """The endpoint of a stream that notes what it is told, and takes all bytes at once unless it is `stalled`."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.ended = False
        self.reason: Reason | None = None
        self.stalled = False
        self.resumed = 0
        self.mux: Any = None
        self.stream: Any = None

    def deliver(self, parts: Any, size: int) -> int:
        for part in parts:
            self.received += part
        return 0 if self.stalled else size

    def finished(self) -> None:
        self.ended = True

    def closed(self, reason: Reason, text: str) -> None:
        self.reason = reason

    def resume(self) -> None:
        self.resumed += 1


@define(eq=False, slots=False)
class NotingHandler:
    """A `LinkHandler` that notes what it is told; `answer` gives the endpoint of a new stream."""

    answer: Callable[[Link, Stream, Opening], Endpoint] | None = None
    openings: list[Opening] = field(factory=list)
    endpoints: list[Any] = field(factory=list)
    drained: int = 0
    empty: int = 0
    errors: list[DiglettError] = field(factory=list)
    """Why the link was lost: at most one."""

    def accept(self, link: Link, stream: Stream, opening: Opening) -> Endpoint:
        self.openings.append(opening)
        if self.answer is not None:
            endpoint = self.answer(link, stream, opening)
        else:
            endpoint = NotedEndpoint()
            endpoint.mux, endpoint.stream = link.mux, stream
        self.endpoints.append(endpoint)
        return endpoint

    def draining(self, link: Link) -> None:
        self.drained += 1

    def emptied(self, link: Link) -> None:
        self.empty += 1

    def lost(self, link: Link, error: DiglettError) -> None:
        self.errors.append(error)


@frozen
class Side:
    """One end: its link, its handler, and the channel at the bottom."""

    link: Link
    handler: NotingHandler
    channel: MemoryChannel


def connectedLinks(
    plane: MemoryPlane,
    *,
    tls: bool = False,
    capacity: int | None = None,
    answer: Callable[[Link, Stream, Opening], Endpoint] | None = None,
    gatewayHello: Hello = HELLO,
    agentHello: Hello = HELLO,
    terms: Established = TERMS,
) -> tuple[Side, Side]:
    """The gateway's and the agent's side of a link that has just been established, over real TLS when asked for.

    `capacity` bytes fit into each direction of the connection. `answer` gives the agent's endpoint for each stream
    that the gateway opens; without it that is a `NotedEndpoint`.
    """
    here, there = plane.pair(capacity)
    gatewayEnd: Any = here
    agentEnd: Any = there
    if tls:
        gatewayEnd = plane.tls(here, serverContexts().connection())
        agentEnd = plane.tls(there, clientTrust().connection())
        answers: list[Exception | None] = []
        gatewayEnd.handshake(answers.append)
        agentEnd.handshake(answers.append)
        plane.pump()
        if answers != [None, None]:
            raise AssertionError(f"the TLS handshake ended with {answers}")
    sides = []
    for end, below, opens, ours, theirs in (
        (gatewayEnd, here, True, gatewayHello, agentHello),
        (agentEnd, there, False, agentHello, gatewayHello),
    ):
        handler = NotingHandler(None if opens else answer)
        label = "agent" if opens else "gateway"
        link = Link(plane, end, handler, opens=opens, ours=ours, theirs=theirs, terms=terms, label=label)
        sides.append(Side(link, handler, below))
    for side in sides:
        side.link.start()
    plane.pump()
    return sides[0], sides[1]
