"""The preface and the frames of a handshake."""

from __future__ import annotations

from collections.abc import Iterable

from diglett.errors import ProtocolError, VersionMismatch
from diglett.wire.codec import HELLO_MAX, Frame, PrefaceReader, encodePreface
from diglett.wire.frames import HANDSHAKE_MAX, HEADER_SIZE, encodeFrame
from tests.fuzz.cutting import pieces
from tests.fuzz.seeds import conversations

MODULES = ("diglett.wire.codec", "diglett.wire.frames")
SEEDS = [hex for name, hex in conversations("handshakes")]


def check(data: bytes) -> None:
    whole, rest = read([data])
    assert read(pieces(data)) == (whole, rest), "cutting matters"
    again = b""
    for each in whole:
        if isinstance(each, Frame):
            again += encodeFrame(each.kind, each.id, each.payload)
        elif isinstance(each, bytes):
            again += encodePreface(each)
    if not any(isinstance(each, str) for each in whole):
        assert again + rest == data, "what was read is not what came"


def read(parts: Iterable[bytes]) -> tuple[list[bytes | Frame | str], bytes]:
    """The hello, the frames, the error; and what is left."""
    reader = PrefaceReader()
    found: list[bytes | Frame | str] = []
    for part in parts:
        reader.feed(part)
        try:
            while (new := reader.frame() if found else reader.hello()) is not None:
                found.append(new)
        except (ProtocolError, VersionMismatch) as error:
            return [*found, str(error)], b""
        assert reader.buffered < max(HANDSHAKE_MAX + HEADER_SIZE, HELLO_MAX + 7), "too much is kept"
    return found, reader.rest()
