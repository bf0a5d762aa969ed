"""Reads a backend's answers, and fits their framing to the visitor.

The bodies are passed on as they come. Only two are changed: what ends with
the connection is chunked for a visitor who understands that, so that it can
tell an end from a loss, and what is chunked is decoded for HTTP/1.0.
"""

from __future__ import annotations

from enum import Enum

from diglett.http.chunked import ChunkReader, encodeChunk, encodeLastChunk
from diglett.http.heads import loneLineEnd
from diglett.http.messages import (
    CHUNKED,
    END,
    LENGTH,
    LIMITS,
    REMEMBERED,
    UNTIL_CLOSE,
    BadGateway,
    BadMessage,
    Body,
    Buffer,
    Framing,
    Limits,
    ResponseEvent,
    ResponseHead,
    Truncated,
)
from diglett.http.responsehead import parseResponseHead


class _State(Enum):
    IDLE = "no answer is awaited"
    HEAD = "a head is awaited"
    LENGTH = "a body of known length is being read"
    CHUNKED = "a chunked body is being read"
    UNTIL_CLOSE = "the body ends with the connection"
    RAW = "what comes is HTTP no more"
    OVER = "the connection is of no further use"


_IDLE, _HEAD, _LENGTH, _CHUNKED, _UNTIL_CLOSE, _RAW, _OVER = _State


class ResponseReader:
    """One connection to a backend.

    Call `expect` when a request has been sent, feed what comes back, and pass
    the data of each Body on as it is: it fits the framing of the head told
    before it. After End the connection may take another request if `reusable`.
    """

    __slots__ = (
        "_chunks", "_head", "_interims", "_kept", "_left", "_limits", "_method", "_raw", "_rawFor", "_state",
        "_upgrade", "_version", "reusable",
    )  # fmt: skip

    def __init__(self, method: bytes | None = None, *, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._state = _IDLE
        self._kept = b""  # the beginning of a head
        self._left = 0  # of a body of known length
        self._chunks: ChunkReader | None = None
        self._raw = self._rawFor = b""  # the head that came before, the method that it answers, and what it says
        self._head: ResponseHead | None = None
        self.reusable = True
        if method is not None:
            self.expect(method)

    def expect(self, method: bytes, version: int = 11, upgrade: bool = False) -> None:
        """A request was sent; the visitor speaks `version` and has asked for an `upgrade`."""
        if self._state is not _IDLE:
            raise RuntimeError(f"no request may be sent now: {self._state.value}")
        self._method = method
        self._version = version
        self._upgrade = upgrade
        self._interims = 0
        self._state = _HEAD
        self.reusable = False

    @property
    def idle(self) -> bool:
        """No answer is awaited, so the backend may close without harm."""
        return self._state is _IDLE

    @property
    def untouched(self) -> bool:
        """Nothing of the awaited answer has come: a safe request may be sent elsewhere."""
        return self._state is _HEAD and not self._kept and not self._interims

    @property
    def raw(self) -> bool:
        """The backend has agreed to another protocol."""
        return self._state is _RAW

    def feed(self, data: Buffer) -> list[ResponseEvent]:
        """What `data` brings. Raises BadGateway.

        Bytes after the end of an answer leave that one good, but the
        connection is not `reusable`.
        """
        state = self._state
        if not len(data) or state is _OVER:
            return []
        try:
            if state is _HEAD:
                return self._readHead(data)
            if state is _RAW:
                return [Body(data)]
            if state is _UNTIL_CLOSE:
                return self._passOn(data)
            if state is _IDLE:
                raise BadGateway("bytes came that answer no request")
            return self._readBody(memoryview(data))
        except BadMessage as error:
            self._state = _OVER
            self._kept, self._chunks, self.reusable = b"", None, False
            raise error if isinstance(error, BadGateway) else BadGateway(error.reason) from None

    def eof(self) -> list[ResponseEvent]:
        """The backend has closed, cleanly.

        Raises BadGateway when no whole head has come, Truncated when the body
        is not complete.
        """
        state, self._state = self._state, _OVER
        self.reusable = False
        if state is _HEAD:
            begun = self._kept or self._interims
            raise BadGateway(f"the backend closed {'within' if begun else 'without'} its answer")
        if state is _LENGTH or state is _CHUNKED:
            raise Truncated("the backend closed in the middle of its answer")
        if state is _UNTIL_CLOSE:
            return [Body(encodeLastChunk()), END] if self._version == 11 else [END]
        return [END] if state is _RAW else []

    def _readHead(self, data: Buffer) -> list[ResponseEvent]:
        """Tell the heads in `data`, and what follows the last."""
        events: list[ResponseEvent] = []
        known = len(self._kept)
        last, raw = self._head, self._raw
        if last is not None and not known and self._rawFor == self._method and bytes(data[: len(raw)]) == raw:
            at = len(raw)  # the same as before, so this is where it ends
            self._tellHead(last, events)
        else:
            text = self._kept + data if known else bytes(data)
            at = 0
            while self._state is _HEAD:
                end = text.find(b"\r\n\r\n", max(at, known - 3)) + 4
                if end < 4:
                    self._keep(text, at, known)
                    return events
                if end - at > self._limits.head:
                    raise BadGateway("the head of the answer is too long")
                self._tellHead(self._parse(text[at:end]), events)
                at = end
            self._kept = b""
        if known + len(data) > at:
            # A view of what was fed, not of our copy: the caller may pass it on by reference.
            rest = memoryview(data)[at - known :]
            if self._state is _LENGTH:
                events += self._readBody(rest)
            elif self._state is _IDLE:
                self._state = _OVER
                self.reusable = False
            else:
                events += self.feed(rest)
        return events

    def _keep(self, text: bytes, at: int, known: int) -> None:
        if loneLineEnd(text, max(at, known), len(text)):
            raise BadGateway("a line of the answer's head ends without carriage return")
        if not b"HTTP/1.".startswith(text[at : at + 7]):
            raise BadGateway("the answer does not begin with an HTTP/1.1 status line")
        if len(text) - at > self._limits.head:
            raise BadGateway("the head of the answer is too long")
        self._kept = text[at:]

    def _tellHead(self, head: ResponseHead, events: list[ResponseEvent]) -> None:
        if head.interim:
            self._interims += 1
            if self._interims > self._limits.interims:
                raise BadGateway("there is no end of interim answers")
            if self._version == 11:  # HTTP/1.0 does not know them
                events.append(head)
            return
        events.append(head)
        if head.status == 101:
            if not self._upgrade:
                raise BadGateway("the backend changes the protocol, which nobody asked for")
            self._state = _RAW
            return
        self.reusable = head.keepAlive
        framing = head.framing
        if framing is CHUNKED:
            self._state = _CHUNKED
            self._chunks = ChunkReader(self._limits, raw=self._version == 11)
            if self._version == 10:
                self._tellFraming(head, UNTIL_CLOSE)
        elif framing is UNTIL_CLOSE:
            self._state = _UNTIL_CLOSE
            if self._version == 11:
                self._tellFraming(head, CHUNKED)
        elif framing is LENGTH and head.length:
            self._state = _LENGTH
            self._left = head.length
        else:
            self._finish(events)

    def _parse(self, raw: bytes) -> ResponseHead:
        head = self._head
        if head is None or raw != self._raw or self._method != self._rawFor:
            head = parseResponseHead(raw, self._method, self._limits)
            if len(raw) <= REMEMBERED:
                self._raw, self._rawFor, self._head = raw, self._method, head
        return head

    def _tellFraming(self, head: ResponseHead, framing: Framing) -> None:
        """The visitor gets the body in another way than it comes, so this head is not the next one's."""
        head.framing = framing
        self._head = None

    def _passOn(self, data: Buffer) -> list[ResponseEvent]:
        """Tell a part of a body that ends with the connection."""
        return [Body(piece) for piece in encodeChunk(data)] if self._version == 11 else [Body(data)]

    def _readBody(self, data: memoryview) -> list[ResponseEvent]:
        events: list[ResponseEvent]
        if self._chunks is None:
            size, left = len(data), self._left
            stop = size if size <= left else left
            self._left = left - stop
            events = [Body(data if stop == size else data[:stop])]
            done = stop == left
        else:
            pieces, stop = self._chunks.feed(data)
            events = [Body(piece) for piece in pieces]
            done = self._chunks.done
        if done:
            self._chunks = None
            self._finish(events)
            if stop < len(data):
                self._state = _OVER
                self.reusable = False
        return events

    def _finish(self, events: list[ResponseEvent]) -> None:
        events.append(END)
        self._state = _IDLE if self.reusable else _OVER
