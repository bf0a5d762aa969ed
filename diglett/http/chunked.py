"""The chunked coding: read without copies, bounded at every step; written canonically.

httptools could read it, but tells neither the size of a chunk nor how much of
what it swallowed was none of the body, so it cannot be bounded. The tests
hold this reader to llhttp: what it accepts, llhttp reads in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from httptools import HttpParserError, HttpRequestParser

from diglett.http.heads import loneLineEnd, parseFields
from diglett.http.messages import BadMessage, Buffer, Fields, Limits

_LINE_LIMIT = 1024
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
_EXTENSION = rb";" + _TOKEN + rb"(?:=(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?"
_SIZE = rb"([0-9A-Fa-f]{1,15})(?:" + _EXTENSION + rb")*\r\n"
_FIRST = re.compile(_SIZE)
_NEXT = re.compile(rb"\r\n" + _SIZE)

# Fields that must not come late: who has routed, framed or admitted the
# message has already decided (RFC 9110, 6.5.1).
_NEVER_TRAILERS = frozenset(
    b"host content-length transfer-encoding connection keep-alive te trailer upgrade proxy"
    b" proxy-authorization proxy-authenticate proxy-connection expect max-forwards"
    b" authorization www-authenticate cookie set-cookie forwarded x-real-ip"
    b" content-encoding content-type content-range content-location range location"
    b" cache-control age date expires vary retry-after".split()
)


class ChunkReader:
    """Reads one chunked body.

    With `raw`, the pieces are the coded body itself, up to the last chunk,
    which is written anew with the filtered trailers; else the decoded body.
    """

    __slots__ = ("_held", "_left", "_limits", "_line", "_raw", "_tail", "done", "trailers")

    def __init__(self, limits: Limits, raw: bool = False) -> None:
        self.trailers: Fields = []
        self.done = False
        self._raw = raw
        self._limits = limits
        self._left = 0  # of the current chunk's data
        self._line = _FIRST  # what must come when no data is left
        self._held = b""  # the beginning of such a line
        self._tail = b""  # what follows the last chunk's size, once that has come

    def feed(self, data: memoryview, at: int = 0) -> tuple[list[Buffer], int]:
        """The pieces in `data[at:]`, and where the body or the data ends.

        Raises BadMessage at the first fault.
        """
        pieces: list[Buffer] = []
        end = len(data)
        begin = at  # of what is passed on raw
        while at < end and not self.done:
            if self._left:
                step = min(self._left, end - at)
                if not self._raw:
                    pieces.append(data[at : at + step])
                self._left -= step
                at += step
            elif self._tail:
                at = begin = self._readTail(data, at)
            else:
                held, start = self._held, at
                at = self._readLine(data, at)
                if not self._raw:
                    continue
                if self._held or self._tail:  # not to be passed on as it is
                    if start > begin:
                        pieces.append(data[begin:start])
                    begin = at
                elif held:
                    pieces.append(held)
        if self._raw:
            if at > begin:
                pieces.append(data[begin:at])
            if self.done:
                lineEnd = b"\r\n" if self._line is _NEXT else b""  # of the last data
                pieces.append(lineEnd + encodeLastChunk(self.trailers))
        return pieces, at

    def _readLine(self, data: memoryview, at: int) -> int:
        """Read the line of a chunk's size, or keep what there is of it; where it ends."""
        held = self._held
        if held:
            match = self._line.match(held + data[at : at + _LINE_LIMIT], 0, _LINE_LIMIT)
        else:
            match = self._line.match(data, at, at + _LINE_LIMIT)
        if match is None:
            text = held + data[at : at + _LINE_LIMIT]
            if self._line is _NEXT and text[:2] == b"\r\n":
                # The end of the data does not wait for the next size: some
                # readers (urllib3) tell of a chunk only when they have seen it.
                self._line, self._held = _FIRST, b""
                return at + 2 - len(held)
            self._hold(text)
            return len(data)
        self._held = b""
        self._left = int(match[1], 16)
        if self._left:
            self._line = _NEXT
        else:
            self._tail = b"\r\n"
        return match.end() - len(held) + (at if held else 0)

    def _hold(self, text: bytes) -> None:
        """Keep the beginning of a line, unless it cannot become one."""
        skip = 2 if self._line is _NEXT else 0
        if skip and not b"\r\n".startswith(text[:2]):
            raise BadMessage("a chunk is longer than its size")
        if b"\n" in text[skip:]:
            raise BadMessage("the size of a chunk is malformed")
        if len(text) >= _LINE_LIMIT:
            raise BadMessage("the line of a chunk's size is too long")
        self._held = text

    def _readTail(self, data: memoryview, at: int) -> int:
        """Read the trailers, or keep what there is of them; where they end."""
        limit, known = self._limits.trailers, len(self._tail)
        text = self._tail + data[at : at + limit]
        stop = text.find(b"\r\n\r\n", max(0, known - 3))
        if stop < 0:
            if loneLineEnd(text, known, len(text)):
                raise BadMessage("a line of the trailers ends without carriage return")
            if len(text) >= limit:
                raise BadMessage("the trailers are too long")
            self._tail = text
            return len(data)
        self.done = True
        if stop:
            self._parse(text[: stop + 4])
        return at + stop + 4 - known

    def _parse(self, block: bytes) -> None:
        if block.count(b"\r\n") - 2 > self._limits.trailerFields:
            raise BadMessage("there are too many trailers")
        try:
            fields = parseFields(HttpRequestParser, b"GET / HTTP/1.1" + block, [])
        except HttpParserError as error:
            raise BadMessage(f"the trailers are malformed: {error}") from None
        self.trailers = [(name, value) for name, value in fields if _mayTrail(name)]


def _mayTrail(name: bytes) -> bool:
    name = name.lower().replace(b"_", b"-")  # as CGI and WSGI will read it
    return name not in _NEVER_TRAILERS and not name.startswith(b"x-forwarded-")


def encodeChunk(data: Buffer) -> list[Buffer]:
    """`data`, uncopied, as one chunk; nothing for no data, which would end the body."""
    return [b"%x\r\n" % len(data), data, b"\r\n"] if len(data) else []


def encodeLastChunk(trailers: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    """The end of a chunked body."""
    return b"0\r\n" + b"".join(b"%b: %b\r\n" % pair for pair in trailers) + b"\r\n"
