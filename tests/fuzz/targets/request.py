"""Requests of visitors: read in any pieces, and what goes to the backend is read there as the same request."""

from __future__ import annotations

from typing import Any

from diglett.http.chunked import encodeChunk, encodeLastChunk
from diglett.http.forward import buildRequestHead
from diglett.http.messages import CHUNKED, BadRequest, Body, End, RequestHead
from diglett.http.request import RequestReader
from tests.fuzz.cutting import pieces
from tests.http import plain

MODULES = (
    "diglett.http.request", "diglett.http.requesthead", "diglett.http.chunked", "diglett.http.heads",
    "diglett.http.forward", "diglett.http.host",
)  # fmt: skip
_HOST = b"Host: a.example:81\r\n"
SEEDS = [
    b"GET / HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"\r\nGET http://B.example./x?y HTTP/1.1\r\n" + _HOST + b"X-Forwarded-For: 1.2.3.4\r\nConnection: x, close\r\n\r\n",
    b"POST /a HTTP/1.1\r\n" + _HOST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhelloGET /b HTTP/1.0\r\n\r\n",
    b"POST /a HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: chunked\r\nTE: trailers\r\n\r\n"
    b'5;a="b"\r\nhello\r\n0\r\nX-Sum: 1\r\nHost: b\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: [::1]\r\n\r\n',
    b"GET /chat HTTP/1.1\r\n" + _HOST + b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\nraw",
    b"GET * HTTP/1.1\r\n" + _HOST + b"X-Forwarded-For: 1.2.3.4\r\nForwarded: for=x\r\nX-Real_IP: 1\r\n\r\n",
    b"GET https://a.example/ HTTP/1.1\r\n" + _HOST + b"X-Forwarded-Proto: ftp\r\nX-Forwarded-For: ::1\r\n\r\n",
    b"PROPFIND / HTTP/1.0\r\nConnection: keep-alive\r\nHost: a\r\nForwarded: for=x\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
]


def check(data: bytes) -> None:
    whole, error = read([data])
    cut, same = read(pieces(data))
    # Of two faults the one that is seen first counts.
    assert (error is None) == (same is None), "cutting matters"
    one, other = plain(whole), plain(cut)
    if error is None:
        assert one == other, "cutting matters"
    else:
        # A fault takes along what came before it in the same piece.
        heads = [[each for each in events if isinstance(each, dict)] for events in (one, other)]
        shorter = min(map(len, heads))
        assert heads[0][:shorter] == heads[1][:shorter], "cutting matters"
    forward(whole)
    forward(cut)


def read(parts: list[bytes]) -> tuple[list[Any], Any]:
    """All requests, each answered at once, and the refusal. Who asks for another protocol gets it."""
    reader = RequestReader()
    events: list[Any] = []
    for part in parts:
        try:
            fresh = reader.feed(part)
            events += _kept(fresh)
            while reader.complete:
                assert not reader.idle
                upgraded = next(each for each in reversed(events) if isinstance(each, RequestHead)).upgrade
                events += _kept(reader.becomeRaw() if upgraded else reader.resume())
        except BadRequest as error:
            return events, error.status
        assert reader.pending <= 65_536 + len(part), "too much is kept"
    return events, None


def _kept(events: list[Any]) -> list[Any]:
    return [Body(bytes(event.data)) if isinstance(event, Body) else event for event in events]


def forward(events: list[Any]) -> None:
    """Each whole request, written for the backend, is there one request, with the same body."""
    at = 0
    while at < len(events):
        head = events[at]
        if at and isinstance(head, Body):
            break  # it is HTTP no more
        assert isinstance(head, RequestHead), "a request begins with its head"
        body = b""
        end = None
        at += 1
        while at < len(events) and end is None:
            if isinstance(events[at], End):
                end = events[at]
            else:
                body += events[at].data
            at += 1
        if end is None or head.host is None:
            continue
        sent = buildRequestHead(head, client="192.0.2.7", proto="https", trusted=bool(len(head.headers) & 1))
        if head.framing is CHUNKED:
            sent += b"".join(encodeChunk(body)) + encodeLastChunk(end.trailers)
        else:
            sent += body
        there, error = read([sent])
        assert error is None, f"what is forwarded is refused: {error}"
        again = plain(there)
        assert isinstance(again[0], dict) and len([each for each in again if isinstance(each, dict)]) == 1, "smuggled"
        assert (again[0]["method"], again[0]["target"], again[0]["framing"]) == (head.method, head.target, head.framing)
        assert b"".join(each for each in again[1:] if isinstance(each, bytes)) == body, "another body"
        # With an absolute target Host may have said something else; it is not forwarded.
        assert again[0]["host"] is not None and again[0]["upgrade"] == head.upgrade
