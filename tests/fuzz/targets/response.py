"""Answers of backends: read in any pieces, and what goes to the visitor is read there as the same answer.

The first byte: method, version, whether an upgrade was asked for, whether the backend closes at the end.
"""

from __future__ import annotations

from typing import Any

from diglett.http.forward import buildResponseHead
from diglett.http.messages import UNTIL_CLOSE, BadGateway, Body, End, ResponseHead
from diglett.http.response import ResponseReader
from tests.fuzz.cutting import pieces
from tests.http import plain

MODULES = ("diglett.http.response", "diglett.http.responsehead", "diglett.http.chunked", "diglett.http.forward")
_OK = b"HTTP/1.1 200 OK\r\n"
SEEDS = [
    b"\0" + _OK + b"Content-Length: 5\r\nSet-Cookie: a=b\r\n\r\nhello",
    b"\0" + _OK + b"Transfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
    b"\x08" + _OK + b"Connection: close\r\n\r\nhello",
    b"\2" + _OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"\1" + _OK + b"Content-Length: 500\r\n\r\n",
    b"\4HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nraw",
    b"\0HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 204 No Content\r\n\r\n",
    b"\0HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\nmore",
]


def check(data: bytes) -> None:
    manner = data[0] if data else 0
    whole, error = read([data[1:]], manner)
    again, sameError = read(pieces(data[1:]), manner)
    assert (decoded(whole, manner), error) == (decoded(again, manner), sameError), "cutting matters"
    shown(whole, error, manner)


def read(parts: list[bytes], manner: int) -> tuple[list[Any], str | None]:
    """The answer, and how the backend broke the rules."""
    reader = ResponseReader()
    reader.expect(b"HEAD" if manner & 1 else b"GET", 10 if manner & 2 else 11, bool(manner & 4))
    events: list[Any] = []
    try:
        for part in parts:
            events += [Body(bytes(each.data)) if isinstance(each, Body) else each for each in reader.feed(part)]
            assert len(reader._kept) <= 65_536 + len(part), "too much is kept"
            if events and isinstance(events[-1], End):
                return events, None  # what comes then answers nothing
        if manner & 8:
            events += reader.eof()
    except BadGateway as error:
        # What came before it in the same piece goes with it, so only the kind of error is compared.
        return [], type(error).__name__
    return events, None


def decoded(events: list[Any], manner: int) -> list[Any]:
    """The events, with the body as it is meant: pieces may be chunked in another way when they come in another."""
    out = plain(events)
    heads = [event for event in events if isinstance(event, ResponseHead) and not event.interim]
    if heads and heads[0].framing.value == "chunked" and not manner & 2:
        body = b"".join(event.data for event in events if isinstance(event, Body))
        out = [each for each in out if not isinstance(each, bytes)]
        if any(isinstance(event, End) for event in events):
            out.append(visitor(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body, 0))
    return out


def visitor(raw: bytes, manner: int) -> tuple[int, bytes, bool]:
    """What a visitor understands: status, body, and whether all of it has come."""
    reader = ResponseReader()
    reader.expect(b"HEAD" if manner & 1 else b"GET", 10, bool(manner & 4))
    events = reader.feed(raw)
    if manner & 2 and not any(isinstance(event, End) for event in events):
        events += reader.eof()
    heads = [event for event in events if isinstance(event, ResponseHead) and not event.interim]
    body = b"".join(bytes(event.data) for event in events if isinstance(event, Body))
    return heads[0].status, body, isinstance(events[-1], End)


def shown(events: list[Any], error: str | None, manner: int) -> None:
    """What goes to the visitor is one answer there, and complete when it was."""
    heads = [event for event in events if isinstance(event, ResponseHead)]
    final = [head for head in heads if not head.interim]
    assert len(final) <= 1, "two answers to one request"
    if error or not final or final[0].status == 101 or not any(isinstance(event, End) for event in events):
        return
    out = b""
    for event in events:
        if isinstance(event, ResponseHead):
            lasts = event.framing is not UNTIL_CLOSE
            out += buildResponseHead(event, keepAlive=lasts, version=10 if manner & 2 else 11)
        elif isinstance(event, Body):
            out += event.data
    status, _, complete = visitor(out, manner)
    assert (status, complete) == (final[0].status, True), "the visitor understands something else"
