"""Reading the preface and single frames, in whatever pieces they arrive.

This is the handshake's reader; once a link is established `diglett.wire.mux` parses frames in place, in batches.
"""

from __future__ import annotations

from attrs import frozen

from diglett.errors import ProtocolError, VersionMismatch
from diglett.wire.frames import HANDSHAKE_MAX, HEADER, HEADER_SIZE, MAGIC, VERSION

HELLO_MAX = 4_096
_PREFACE_SIZE = len(MAGIC) + 1 + 2


@frozen
class Frame:
    """One frame of the handshake."""

    kind: int
    id: int
    payload: bytes


def encodePreface(hello: bytes) -> bytes:
    """Magic, version and the length-prefixed hello."""
    return MAGIC + bytes([VERSION]) + len(hello).to_bytes(2, "big") + hello


class PrefaceReader:
    """The first bytes of a link, then frames, one at a time; what is left belongs to the mux."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes that have arrived."""
        self._buffer += data

    @property
    def buffered(self) -> int:
        """Bytes not yet read as anything."""
        return len(self._buffer)

    def hello(self) -> bytes | None:
        """The peer's hello once it is there.

        Raises ProtocolError: these bytes are no preface; known as early as the first wrong byte.
        Raises VersionMismatch: another version.
        """
        buffer = self._buffer
        if bytes(buffer[: len(MAGIC)]) != MAGIC[: len(buffer)]:
            raise ProtocolError("the peer does not speak diglett (wrong magic)")
        if len(buffer) > len(MAGIC) and buffer[len(MAGIC)] != VERSION:
            raise VersionMismatch(buffer[len(MAGIC)])
        if len(buffer) < _PREFACE_SIZE:
            return None
        size = int.from_bytes(buffer[_PREFACE_SIZE - 2 : _PREFACE_SIZE], "big")
        if size > HELLO_MAX:
            raise ProtocolError(f"a hello of {size} bytes (at most {HELLO_MAX})")
        end = _PREFACE_SIZE + size
        if len(buffer) < end:
            return None
        hello = bytes(buffer[_PREFACE_SIZE:end])
        del buffer[:end]
        return hello

    def frame(self) -> Frame | None:
        """The next whole frame of the handshake.

        Raises ProtocolError: it is larger than a handshake frame may be.
        """
        buffer = self._buffer
        if len(buffer) < HEADER_SIZE:
            return None
        kind, id, size = HEADER.unpack_from(buffer)
        if size > HANDSHAKE_MAX:
            raise ProtocolError(f"a handshake frame of {size} bytes (at most {HANDSHAKE_MAX})")
        end = HEADER_SIZE + size
        if len(buffer) < end:
            return None
        payload = bytes(buffer[HEADER_SIZE:end])
        del buffer[:end]
        return Frame(kind, id, payload)

    def rest(self) -> bytes:
        """Everything that came behind the handshake; the reader is done."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest
