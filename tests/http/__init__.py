"""HTTP as the front reads and writes it, without sockets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from diglett.http.messages import Body, End, RequestHead, ResponseHead
from diglett.http.request import RequestReader


def cut(data: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    """`data` in pieces that end at `cuts` (any order, any size)."""
    last = 0
    for at in sorted({at % (len(data) + 1) for at in cuts} | {len(data)}):
        if at > last:
            yield data[last:at]
            last = at


def plain(events: Iterable[Any]) -> list[Any]:
    """The events as comparable values, with adjacent parts of a body joined."""
    out: list[Any] = []
    for event in events:
        if isinstance(event, Body):
            if out and isinstance(out[-1], bytes):
                out[-1] += bytes(event.data)
            else:
                out.append(bytes(event.data))
        elif isinstance(event, RequestHead):
            names = (name for name in RequestHead.__slots__ if not name.startswith("__"))
            out.append({name: getattr(event, name) for name in names})
        elif isinstance(event, ResponseHead):
            out.append((event.status, event.reason, event.headers, event.framing))
        else:
            assert isinstance(event, End), event
            out.append(event.trailers or "end")
    return out


def readAll(pieces: Iterable[bytes], reader: RequestReader | None = None) -> list[Any]:
    """All the requests in `pieces`, as if each was answered at once."""
    reader = reader or RequestReader()
    events: list[Any] = []
    for piece in pieces:
        new = reader.feed(piece)
        events += new
        while reader.complete:
            new = reader.resume()
            events += new
    return plain(events)
