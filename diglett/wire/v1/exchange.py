"""The first bytes of version 1 in each direction: magic, version and a public key, nothing encrypted."""

from __future__ import annotations

from diglett.errors import ProtocolError, VersionMismatch
from diglett.wire.frames import MAGIC
from diglett.wire.v1.cipher import PUBLIC_SIZE, KeyPair

VERSION = 1
PREFACE_SIZE = len(MAGIC) + 1 + PUBLIC_SIZE


class KeyExchange:
    """Bytes in, and in the end what both sides know. It takes at most `wanted` bytes: behind them all is encrypted."""

    def __init__(self, pair: KeyPair) -> None:
        self.preface = MAGIC + bytes([VERSION]) + pair.public
        """What the peer is to hear; the agent speaks first."""
        self._pair = pair
        self._buffer = bytearray()

    @property
    def wanted(self) -> int:
        """Bytes still missing of the peer's preface."""
        return PREFACE_SIZE - len(self._buffer)

    def receive(self, data: bytes | memoryview) -> bytes | None:
        """Take some of the peer's bytes; what was agreed on (see `KeyPair.agree`) when they are all there.

        Raises ProtocolError: they are no preface; known as early as the first wrong byte.
        Raises VersionMismatch: another version.
        """
        buffer = self._buffer
        buffer += data
        if bytes(buffer[: len(MAGIC)]) != MAGIC[: len(buffer)]:
            raise ProtocolError("the peer does not speak diglett (wrong magic)")
        if len(buffer) > len(MAGIC) and buffer[len(MAGIC)] != VERSION:
            raise VersionMismatch(buffer[len(MAGIC)])
        if len(buffer) < PREFACE_SIZE:
            return None
        return self._pair.agree(bytes(buffer[-PUBLIC_SIZE:]))
