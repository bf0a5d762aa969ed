"""How the ways in see each other and the names: nobody needs to know whose class it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from diglett.http.messages import BadGateway, ResponseEvent
from diglett.plane.channel import Channel
from diglett.wire.frames import Reason, Way
from diglett.wire.mux import Mux
from diglett.wire.stream import Endpoint, Stream


class Openable(Protocol):
    """A public name, as visitors' connections see it."""

    fqdn: str
    kind: str

    def open(self, way: int, visitor: str, front: str, endpoint: Endpoint) -> tuple[Mux, Stream]:
        """A stream to its agent. Raises Refused: there is none now."""

    def wasReached(self, channel: Channel) -> None:
        """Somebody has connected to its own port."""


class Front(Protocol):
    """The HTTP front, as one of its visitors sees it."""

    now: float
    """Seconds, as coarse as deadlines need."""
    draining: bool

    def route(self, host: str | None, serverName: str | None) -> Openable:
        """The name that a Host stands for. Raises Refused."""

    def trusts(self, address: str) -> bool: ...

    def way(self, secure: bool) -> Way: ...

    def forget(self, visitor: Any) -> None: ...


class Answering(Protocol):
    """A visitor, as the stream that brings its answers sees it."""

    def answer(self, events: Sequence[ResponseEvent]) -> bool:
        """What the backend's bytes have brought; whether nothing of it waits to be sent."""

    def upstreamReady(self) -> None:
        """More of the request can be sent."""

    def upstreamEnded(self) -> None:
        """The agent's side of a raw stream has finished its half."""

    def upstreamFailed(self, error: BadGateway) -> None:
        """The backend broke the protocol, or stopped in the middle."""

    def upstreamClosed(self, reason: Reason, text: str) -> None:
        """The stream is over, without having finished."""
