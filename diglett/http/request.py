"""Reads a visitor's bytes, one request at a time, and refuses whatever is not plain.

Two readers that disagree about where a request ends are how requests are
smuggled. So lengths, codings and hosts must be stated once and clearly; the
rest is a BadRequest, after which the reader is dead.
"""

from __future__ import annotations

from enum import Enum

from diglett.http.chunked import ChunkReader
from diglett.http.heads import loneLineEnd
from diglett.http.messages import (
    CHUNKED,
    END,
    LIMITS,
    REMEMBERED,
    BadMessage,
    BadRequest,
    Body,
    Buffer,
    End,
    Limits,
    RequestEvent,
    RequestHead,
)
from diglett.http.requesthead import parseRequestHead

_BLANK_LINES = 4  # that may come before a request
# Of a chunked body in one feed; more are joined, lest a chunk for every byte
# becomes an event, and a frame to the agent, for every byte.
_PIECES = 16


class _State(Enum):
    HEAD = "a head is awaited"
    LENGTH = "a body of known length is being read"
    CHUNKED = "a chunked body is being read"
    ENDED = "a request is complete, the next one is not wanted yet"
    RAW = "what comes is HTTP no more"
    OVER = "nothing more is read: refused, or the last request has been"


_HEAD, _LENGTH, _CHUNKED, _ENDED, _RAW, _OVER = _State


class RequestReader:
    """One visitor's connection.

    `feed` tells what came, up to the end of one request; what follows is kept
    until `resume`, when the request has been answered. Stop reading meanwhile:
    what is fed is what is kept. When the answer to an Upgrade was 101, call
    `becomeRaw` instead.
    """

    __slots__ = (
        "_at", "_blanks", "_chunks", "_head", "_kept", "_last", "_left", "_limits", "_raw", "_state",
    )  # fmt: skip

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._state = _HEAD
        self._kept = b""  # what came and was not told, from _at on
        self._at = 0
        self._blanks = 0  # empty lines before this request
        self._left = 0  # of a body of known length
        self._chunks: ChunkReader | None = None
        self._last = False  # the visitor wants no other answer
        self._raw = b""  # the head that came before, and what it says
        self._head: RequestHead | None = None

    @property
    def idle(self) -> bool:
        """Between requests, with nothing begun: the connection may close without loss."""
        return self._state is _OVER or (self._state is _HEAD and not self.pending)

    @property
    def complete(self) -> bool:
        """The current request has been read to its end."""
        return self._state is _ENDED

    @property
    def pending(self) -> int:
        """How many bytes are kept: the next requests, or the beginning of a head."""
        return len(self._kept) - self._at

    def feed(self, data: Buffer) -> list[RequestEvent]:
        """What `data` brings. Raises BadRequest.

        A fault takes what came before it in the same data along: a request
        that ends wrongly shall not be acted upon. Nothing comes of what is
        fed when the last request has been read.
        """
        state = self._state
        try:
            if state is _HEAD:
                return self._readHead(data)
            if state is _LENGTH or state is _CHUNKED:
                return self._readBody(memoryview(data), 0)
        except BadMessage as error:
            raise self._refuse(error) from None
        if state is _RAW and len(data):
            return [Body(data)]
        if state is _ENDED:
            self._kept = self._kept[self._at :] + data
            self._at = 0
        return []

    def resume(self) -> list[RequestEvent]:
        """The request was answered: tell the next one, as far as it has come."""
        self._end(_OVER if self._last else _HEAD)
        if self._last:
            self._kept, self._at = b"", 0
        return self.feed(b"") if self._at < len(self._kept) else []

    def becomeRaw(self) -> list[RequestEvent]:
        """The answer was 101: tell what came after the request, and all to come, as it is."""
        self._end(_RAW)
        rest, self._kept = self._kept[self._at :], b""
        self._at = 0
        return self.feed(rest)

    def _end(self, then: _State) -> None:
        if self._state is not _ENDED:
            raise RuntimeError(f"the request has not ended: {self._state.value}")
        self._state = then
        self._blanks = 0

    def _refuse(self, error: BadMessage) -> BadRequest:
        self._state = _OVER
        self._kept, self._at, self._chunks = b"", 0, None
        return error if isinstance(error, BadRequest) else BadRequest(400, error.reason)

    def _readHead(self, data: Buffer) -> list[RequestEvent]:
        at, known = self._at, self.pending
        if not known and self._head is not None and len(data) == len(self._raw) and bytes(data) == self._raw:
            return self._tellHead(self._head, self._raw, len(data))  # the same as before, and nothing but that
        if not known:
            kept, at = bytes(data), 0
        elif len(data):
            kept, at = self._kept[at:] + data, 0
        else:
            kept, known = self._kept, 0  # resumed: not looked at yet
        while kept.startswith(b"\r\n", at):
            at += 2
            self._blanks += 1
            if self._blanks > _BLANK_LINES:
                raise BadRequest(400, "there are too many empty lines before the request")
        end = kept.find(b"\r\n\r\n", max(at, known - 3)) + 4
        self._kept = kept
        if end < 4:
            self._at = at
            self._checkBeginning(max(at, known))
            return []
        if end - at > self._limits.head:
            raise BadRequest(431, f"the head is longer than {self._limits.head} bytes")
        raw = kept[at:end]
        head = self._head if raw == self._raw else None
        if head is None:
            head = parseRequestHead(raw, self._limits)
            if len(raw) <= REMEMBERED:
                self._raw, self._head = raw, head
        return self._tellHead(head, kept, end)

    def _tellHead(self, head: RequestHead, kept: bytes, end: int) -> list[RequestEvent]:
        """This head stands in `kept` up to `end`: tell it, and as much as has come of its body."""
        self._kept, self._at = kept, end
        self._last = not head.keepAlive
        if head.framing is CHUNKED:
            self._state = _CHUNKED
            self._chunks = ChunkReader(self._limits)
        elif head.length:
            self._state = _LENGTH
            self._left = head.length
        else:
            self._state = _ENDED
            return [head, END]
        return [head, *self._readBody(memoryview(kept), end)]

    def _checkBeginning(self, new: int) -> None:
        """Refuse what cannot become a head, or has become too long for one."""
        kept, at = self._kept, self._at
        if loneLineEnd(kept, new, len(kept)):
            raise BadRequest(400, "a line of the head ends without carriage return")
        if kept[at : at + 1] and not (65 <= kept[at] <= 90 or kept[at:] == b"\r"):
            raise BadRequest(400, "this is not an HTTP request")
        if len(kept) - at > self._limits.head:
            line = kept.find(b"\r\n", at)
            if line < 0 or line - at > self._limits.target:
                raise BadRequest(414, "the request target is too long")
            raise BadRequest(431, f"the head is longer than {self._limits.head} bytes")

    def _readBody(self, data: memoryview, at: int) -> list[RequestEvent]:
        """Tell the body in `data[at:]`, and keep what follows it."""
        events: list[RequestEvent]
        if self._chunks is None:
            stop = min(len(data), at + self._left)
            self._left -= stop - at
            events = [Body(data[at:stop])] if stop > at else []
            end = None if self._left else END
        else:
            pieces, stop = self._chunks.feed(data, at)
            if len(pieces) > _PIECES:
                pieces = [b"".join(pieces)]
            events = [Body(piece) for piece in pieces]
            end = End(tuple(self._chunks.trailers)) if self._chunks.done else None
        if stop == len(data):
            self._kept, self._at = b"", 0
        elif data.obj is self._kept:
            self._at = stop
        else:
            self._kept, self._at = bytes(data[stop:]), 0
        if end is not None:
            self._chunks = None
            self._state = _ENDED
            events.append(end)
        return events
