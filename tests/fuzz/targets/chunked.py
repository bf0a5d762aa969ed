"""The chunked coding, read in any pieces, decoded or passed on as it is."""

from __future__ import annotations

from diglett.http.chunked import ChunkReader, encodeChunk, encodeLastChunk
from diglett.http.messages import LIMITS, BadMessage
from tests.fuzz.cutting import pieces

MODULES = ("diglett.http.chunked", "diglett.http.heads")
SEEDS = [
    b"5\r\nhello\r\n0\r\n\r\n",
    b'A;name=value;q="a\\"b"\r\n0123456789\r\n1\r\nx\r\n00\r\nX-Sum: 1\r\nVia: a\r\n\r\nrest',
    b"".join([*encodeChunk(bytes(300)), encodeLastChunk([(b"T", b"1")])]),
]


def check(data: bytes) -> None:
    whole = read([data], False)
    assert read(pieces(data), False) == whole, "cutting matters"
    raw = read([data], True)
    assert (raw is None) == (whole is None), "raw and decoded readers disagree"
    if whole is None or raw is None:
        return
    body, done, trailers, used = whole
    assert raw[1:] == whole[1:], "raw and decoded readers disagree"
    if done:
        again = read([raw[0]], False)
        assert again is not None and again[:3] == (body, True, trailers), "what is passed on is another body"
        coded = b"".join(encodeChunk(body)) + encodeLastChunk(trailers)
        assert read([coded], False) == (body, True, trailers, len(coded)), "written and read it is another"


def read(parts: list[bytes], raw: bool) -> tuple[bytes, bool, list[tuple[bytes, bytes]], int] | None:
    """The body, whether it has ended, the trailers, and how much was used; None when it is malformed."""
    reader = ChunkReader(LIMITS, raw)
    body = b""
    used = 0
    for part in parts:
        try:
            found, end = reader.feed(memoryview(part))
        except BadMessage:
            return None
        body += b"".join(bytes(piece) for piece in found)
        used += end
        assert end <= len(part)
        assert len(reader._held) <= 1_024 and len(reader._tail) <= LIMITS.trailers, "too much is kept"
        if reader.done:
            break
        assert end == len(part), "something was left, and the body has not ended"
    return body, reader.done, reader.trailers, used
