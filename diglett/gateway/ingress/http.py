"""The HTTP front: every request of a visitor's connection goes where its own Host says.

One object for a visitor's connection, plain or TLS. Requests are read and answered one at a time, in order; both ways are
streamed, and a side that stalls pauses the other. The stream to the agent is kept for the next request of the same
name.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Any

from diglett.errors import Refused
from diglett.gateway.ingress.upstream import Upstream
from diglett.gateway.ingress.visitorpages import page
from diglett.http.chunked import encodeChunk, encodeLastChunk
from diglett.http.forward import buildRequestHead, buildResponseHead
from diglett.http.messages import (
    CHUNKED,
    NONE,
    UNTIL_CLOSE,
    BadGateway,
    BadRequest,
    Body,
    End,
    RequestHead,
    ResponseEvent,
    ResponseHead,
    Truncated,
)
from diglett.http.request import RequestReader
from diglett.plane.channel import Channel
from diglett.wire.frames import Reason

if TYPE_CHECKING:
    from diglett.gateway.ingress.front import HttpFront

READ_SIZE = 65_536
_scratch = memoryview(bytearray(READ_SIZE))
PENDING_MAX = 65_536
"""Bytes of further requests that may wait while one is being answered."""
HEAD_TIMEOUT = 10.0
"""Seconds for a request's head, from its first byte or from the connection's beginning."""
IDLE_TIMEOUT = 75.0
"""Seconds between requests."""
BODY_TIMEOUT = 120.0
"""Seconds without a byte in the middle of a request's body."""
REUSE_UNSAFE = 1.0
"""A request that must not be sent twice uses a kept stream only when that was idle for less than this, seconds: else
the backend may just be closing it."""
_SAFE = frozenset((b"GET", b"HEAD", b"OPTIONS"))


class HttpVisitor:
    """Owner of a visitor's channel."""

    __slots__ = (
        "deadline", "front", "secure", "_address", "_answered", "_channel", "_closing", "_ended", "_head", "_paused",
        "_raw", "_reader", "_serverName", "_trusted", "_upstream", "_upstreamIdleSince", "_sentHead",
    )  # fmt: skip

    def __init__(self, front: HttpFront, channel: Channel, secure: bool, serverName: str | None) -> None:
        self.front = front
        self.secure = secure
        self.deadline = front.now + HEAD_TIMEOUT
        self._channel = channel
        self._address = channel.peer if isinstance(channel.peer, tuple) else ("", 0)
        self._serverName = serverName
        self._trusted = front.trusts(self._address[0])
        self._reader = RequestReader()
        self._upstream: Upstream | None = None
        self._upstreamIdleSince = 0.0
        self._head: RequestHead | None = None
        self._sentHead = b""
        """What to send again when a kept stream turns out to be dead; empty when that must not be done."""
        self._answered = False
        """The answer's head has gone out."""
        self._raw = False
        self._paused = False
        self._ended = False
        """The visitor sends no more."""
        self._closing = False
        channel.owner = self

    def start(self) -> None:
        """Begin to read."""
        self._channel.resumeReading()

    # ---- the visitor's connection --------------------------------------------------------------------------------

    def readable(self) -> None:
        if self._paused:
            return
        try:
            size = self._channel.readInto(_scratch)
        except OSError as error:
            self.broken(error)
            return
        if size > 0:
            self._feed(_scratch[:size])
        elif size == 0:
            self._visitorEnded()

    def _feed(self, data: memoryview) -> None:
        reader = self._reader
        head = self._head
        if head is None and not reader.pending:
            self.deadline = self.front.now + HEAD_TIMEOUT
        elif head is not None and not reader.complete and not self._raw:
            self.deadline = self.front.now + BODY_TIMEOUT
        try:
            self._handle(reader.feed(data))
        except BadRequest as error:
            self._refuse(error)
            return
        if head is not None and reader.pending > PENDING_MAX:
            self._pause()

    def _handle(self, events: Sequence[Any]) -> None:
        for event in events:
            if isinstance(event, RequestHead):
                self._begin(event)
            elif isinstance(event, Body):
                self._send(event.data)
            else:
                self._requestEnded(event)
            if self._closing:
                return

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._channel.pauseReading()

    def _unpause(self) -> None:
        if self._paused and not self._closing:
            self._paused = False
            if not self._ended:
                self._channel.resumeReading()

    def _visitorEnded(self) -> None:
        self._ended = True
        upstream = self._upstream
        if self._raw and upstream is not None:
            upstream.finish()
        elif self._head is None or not self._reader.complete or self.secure:
            # Between requests; within one; or over TLS, where nobody closes only half.
            self._abandon()
            self._close()

    def drained(self, size: int) -> None:
        if self._upstream is not None:
            self._upstream.drained(size, not self._channel.queued)

    def broken(self, error: Exception) -> None:
        self._abandon()
        self._closing = True
        self._channel.abort()
        self.front.forget(self)

    def expired(self) -> None:
        """The deadline has passed."""
        self.deadline = inf
        if self._head is None and self._reader.idle:
            self._abandon()
            self._close()
        else:
            self._refuse(BadRequest(408, "the request did not come in time"))

    def drain(self) -> None:
        """The gateway stops: this connection takes no further request."""
        if self._head is None:
            self._abandon()
            self._close()

    # ---- requests ------------------------------------------------------------------------------------------------

    def _begin(self, head: RequestHead) -> None:
        self._head = head
        self._answered = False
        self.deadline = inf
        front = self.front
        try:
            name = front.route(head.host, self._serverName)
        except Refused as error:
            self._answerPage(error.code, str(error))
            return
        data = buildRequestHead(
            head,
            client=self._address[0],
            clientPort=self._address[1] or None,
            proto="https" if self.secure else "http",
            trusted=self._trusted,
        )
        safe = head.method in _SAFE and head.framing is NONE and head.upgrade is None
        upstream = self._upstream
        if upstream is not None and upstream.name is name and upstream.reusable and (
            safe or front.now - self._upstreamIdleSince < REUSE_UNSAFE
        ):
            self._sentHead = data if safe else b""
        else:
            if upstream is not None:
                upstream.close()
            self._sentHead = b""
            upstream = self._connect(name)
            if upstream is None:
                return
        upstream.reader.expect(head.method, head.version, head.upgrade is not None)
        upstream.send((data,))

    def _connect(self, name: Any) -> Upstream | None:
        upstream = Upstream(self, name)
        try:
            upstream.mux, upstream.stream = name.open(
                self.front.way(self.secure), self._said(self._address), "", upstream
            )
        except Refused as error:
            self._upstream = None
            self._answerPage(error.code, str(error))
            return None
        self._upstream = upstream
        return upstream

    @staticmethod
    def _said(address: tuple[Any, ...]) -> str:
        return f"{address[0]} {address[1]}" if address[0] else ""

    def _send(self, data: bytes | memoryview) -> None:
        upstream = self._upstream
        if upstream is None:
            return
        if not self._raw and self._head is not None and self._head.framing is CHUNKED:
            took = upstream.send(encodeChunk(data))
        else:
            took = upstream.send((data,))
        if not took:
            self._pause()

    def _requestEnded(self, end: End) -> None:
        self.deadline = inf
        head = self._head
        if head is not None and head.framing is CHUNKED and self._upstream is not None:
            self._upstream.send((encodeLastChunk(end.trailers),))
        if head is not None and self._answered and self._upstream is not None and self._upstream.reader.idle:
            self._exchanged()

    def _exchanged(self) -> None:
        """Request and answer are complete."""
        head, self._head = self._head, None
        upstream = self._upstream
        if upstream is not None and not upstream.reusable:
            upstream.close()
            self._upstream = None
        if head is None or not head.keepAlive or self.front.draining or (self._ended and not self._reader.pending):
            self._abandon()
            self._close()
            return
        now = self.front.now
        self._upstreamIdleSince = now
        self.deadline = now + IDLE_TIMEOUT
        self._unpause()
        try:
            events = self._reader.resume()
        except BadRequest as error:
            self._refuse(error)
            return
        if events:
            self._handle(events)
        elif self._ended:
            self._abandon()
            self._close()
        elif self._reader.pending:
            self.deadline = now + HEAD_TIMEOUT

    # ---- answers: called by the upstream -------------------------------------------------------------------------

    def answer(self, events: Sequence[ResponseEvent], size: int) -> None:
        """What the backend's `size` bytes have brought."""
        head = self._head
        upstream = self._upstream
        if upstream is None:
            return
        parts: list[Any] = []
        ended = False
        for event in events:
            if isinstance(event, Body):
                parts.append(event.data)
            elif isinstance(event, ResponseHead):
                parts.append(self._answerHead(event))
            else:
                ended = True
        if parts:
            total = sum(map(len, parts))
            sent = self._channel.write(parts, total)
            upstream.wrote(size, sent == total)
        elif size:
            upstream.wrote(size, True)
        if not self._raw and upstream.reader.raw:
            self._raw = True
            self._becomeRaw()
        if ended and head is not None:
            if self._reader.complete:
                self._exchanged()
            elif not self._raw:
                # Answered before it was all sent: the rest cannot be told from a next request in time.
                self._abandon()
                self._close()

    def _answerHead(self, answer: ResponseHead) -> bytes:
        head = self._head
        assert head is not None
        if not answer.interim:
            self._answered = True
            self._sentHead = b""
            if answer.framing is UNTIL_CLOSE or self.front.draining:
                head.keepAlive = False
        return buildResponseHead(answer, keepAlive=head.keepAlive, version=head.version)

    def _becomeRaw(self) -> None:
        self.deadline = inf
        self._handle(self._reader.becomeRaw())
        if self._ended and self._upstream is not None:
            self._upstream.finish()

    def upstreamReady(self) -> None:
        """The upstream takes more again."""
        self._unpause()

    def upstreamEnded(self) -> None:
        """The agent's side has finished its half."""
        if self._raw:
            self._channel.finish()
            if self._ended:
                self._abandon()
                self._close()

    def upstreamFailed(self, error: BadGateway) -> None:
        """The backend broke the protocol, or stopped in the middle."""
        if self._retry():
            return
        self._abandon()
        if self._head is None:
            return
        if self._answered or isinstance(error, Truncated):
            self.broken(error)
        else:
            self._answerPage("backend-protocol", error.reason)

    def upstreamClosed(self, reason: Reason, text: str) -> None:
        """The stream is over, without having finished."""
        untouched = self._upstream is not None and self._upstream.reader.untouched
        if untouched and reason in (Reason.NONE, Reason.RESET, Reason.REFUSED) and self._retry():
            return
        self._upstream = None
        if self._head is None:
            return
        if self._answered:
            self.broken(ConnectionResetError(text))
        else:
            self._answerPage(reason, text)

    def _retry(self) -> bool:
        """Send a request again that a kept stream did not take any more."""
        head, data, upstream = self._head, self._sentHead, self._upstream
        if not data or head is None or upstream is None or not upstream.reader.untouched:
            return False
        self._sentHead = b""
        upstream.close()
        again = self._connect(upstream.name)
        if again is not None:
            again.reader.expect(head.method, head.version, False)
            again.send((data,))
        return True

    # ---- ends ----------------------------------------------------------------------------------------------------

    def _answerPage(self, code: str | Reason, text: str) -> None:
        """Answer for the agent or the backend, which cannot."""
        head = self._head
        self._abandon()
        keepAlive = head is not None and head.keepAlive and self._reader.complete and not self.front.draining
        data = page(code, text, head, keepAlive)
        self._channel.write((data,), len(data))
        self._answered = True
        if not keepAlive:
            self._close()
        else:
            self._exchanged()

    def _refuse(self, error: BadRequest) -> None:
        """Answer to what is no proper request, and close."""
        self._abandon()
        if not self._answered or self._head is None:
            data = page(error, error.reason, None, False)
            self._channel.write((data,), len(data))
        self._close()

    def _abandon(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.close()

    def _close(self) -> None:
        if not self._closing:
            self._closing = True
            self._channel.close()
            self.front.forget(self)
