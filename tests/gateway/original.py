"""An agent of the original: the bytes that the Rust program sends, and what it makes of the answers."""

from __future__ import annotations

from typing import Any

from diglett.wire.frames import Kind, encodeFrame
from diglett.wire.v1.cipher import KeyPair
from diglett.wire.v1.exchange import PREFACE_SIZE, KeyExchange
from tests.gateway.ingress.rig import Visitor
from tests.gateway.people import AGENTS
from tests.wire.playing import parse
from tests.wire.v1.recorded import Cryptographer


class Original:
    """Connects to the agents' port of a house, and says what it is told to."""

    def __init__(self, house: Any, pair: KeyPair | None = None, greet: bool = True) -> None:
        self._plane = house.plane
        self.raw = house.dial(AGENTS)
        self.end = Visitor(self.raw)
        self._exchange = KeyExchange(pair or KeyPair())
        self.preface = self._exchange.preface
        self._keys: tuple[Cryptographer, Cryptographer] | None = None
        self._plain = bytearray()
        self._read = PREFACE_SIZE
        if greet:
            self.say(self.preface)

    def say(self, data: bytes) -> None:
        """Send these bytes as they are."""
        self.end.send(data)
        self._plane.pump()

    def frame(self, kind: int, id: int = 0, payload: bytes = b"") -> None:
        """Send a frame, header and payload one by one, as the original does."""
        outgoing, _ = self._agreed()
        encrypted = outgoing.apply(encodeFrame(kind, id, payload))
        self.say(encrypted[:7])
        self.say(encrypted[7:])

    def enter(self, name: str = "example", token: str = "alice", number: int = 0) -> None:
        """The whole handshake."""
        self.frame(Kind.LOGIN, 0, token.encode())
        self.frame(Kind.REGISTER, number, name.encode())
        self.frame(Kind.FINISH_REGISTER)

    @property
    def frames(self) -> list[tuple[int, int, bytes]]:
        """All whole frames that came."""
        _, incoming = self._agreed()
        self._plain += incoming.apply(bytes(self.end.received[self._read :]))
        self._read = len(self.end.received)
        return parse(self._plain)

    @property
    def answers(self) -> list[str | None]:
        """None for each Ok that came, the text of each Error."""
        return [
            payload.decode() if kind == Kind.ERROR else None
            for kind, _, payload in self.frames
            if kind in (Kind.OK, Kind.ERROR)
        ]

    @property
    def streams(self) -> list[tuple[int, int, bytes]]:
        """What came behind the handshake."""
        return [frame for frame in self.frames if frame[0] not in (Kind.OK, Kind.ERROR)]

    @property
    def closed(self) -> bool:
        """Whether the gateway has ended the connection."""
        return self.end.closed

    def _agreed(self) -> tuple[Cryptographer, Cryptographer]:
        if self._keys is None:
            material = self._exchange.receive(bytes(self.end.received[:PREFACE_SIZE]))
            assert material is not None, "the gateway has not said its preface"
            self._keys = Cryptographer(material), Cryptographer(material)
        return self._keys
