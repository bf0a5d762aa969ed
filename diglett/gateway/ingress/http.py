"""The HTTP front: every request of a visitor's connection goes where its own Host says.

One object for a visitor's connection, plain or TLS. Requests are read and answered one at a time, in order; both ways
are streamed, and a side that stalls pauses the other. The stream to the agent is kept for the next request of the
same name.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

from diglett.errors import Refused
from diglett.gateway.ingress.contracts import Front
from diglett.gateway.ingress.exchange import HEAD_TIMEOUT, REUSE_UNSAFE, SAFE, Exchange, patience
from diglett.gateway.ingress.upstream import Upstream
from diglett.gateway.ingress.visitorpages import page
from diglett.http.chunked import encodeChunk, encodeLastChunk
from diglett.http.forward import Proto, buildRequestHead
from diglett.http.messages import (
    CHUNKED,
    NONE,
    BadGateway,
    BadRequest,
    Body,
    End,
    RequestHead,
    ResponseEvent,
    Truncated,
)
from diglett.http.request import RequestReader
from diglett.plane.channel import Channel, formatAddress
from diglett.wire.frames import Reason

_scratch = memoryview(bytearray(65_536))
PENDING_MAX = 65_536
"""Bytes of further requests that may wait while one is being answered."""


class HttpVisitor:
    """Owner of a visitor's channel."""

    __slots__ = (
        "deadline", "front", "secure", "_address", "_advancing", "_channel", "_closing", "_ended", "_exchange",
        "_idleSince", "_more", "_paused", "_raw", "_reader", "_sent", "_sentHead", "_serverName", "_trusted",
        "_upstream",
    )  # fmt: skip

    def __init__(self, front: Front, channel: Channel, secure: bool, serverName: str | None) -> None:
        self.front = front
        self.secure = secure
        self.deadline = front.now + HEAD_TIMEOUT
        self._channel = channel
        self._address = channel.peer if isinstance(channel.peer, tuple) else ("", 0)
        self._serverName = serverName
        self._trusted = front.trusts(self._address[0])
        self._reader = RequestReader()
        self._exchange: Exchange | None = None
        self._sentHead: RequestHead | None = None
        self._sent = b""
        """What the last head became, and that head: the reader gives the same one for the same bytes."""
        self._upstream: Upstream | None = None
        self._idleSince = front.now
        self._advancing = False
        self._more = False
        self._raw = False
        self._paused = False
        self._ended = False
        """The visitor sends no more."""
        self._closing = False
        channel.owner = self

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
        exchange = self._exchange
        if exchange is None and not reader.pending:
            self.deadline = self.front.now + HEAD_TIMEOUT
        try:
            events = reader.feed(data)
        except BadRequest as error:
            self._refuse(error)
            return
        self._handle(events)
        if exchange is not None and reader.pending > PENDING_MAX:
            self._pause()

    def _handle(self, events: Sequence[Any]) -> None:
        for event in events:
            kind = type(event)
            if kind is RequestHead:
                self._begin(event)
            elif kind is Body:
                self._send(event.data)
            else:
                self._requestEnded(event)
            if self._closing:
                return
        exchange = self._exchange
        if exchange is not None and not exchange.requestEnded:
            self._wait()

    def _wait(self) -> None:
        ended = self._ended and not self._raw
        self.deadline = self.front.now + patience(self._exchange, self._channel.queued, self._paused, ended)

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._channel.pauseReading()
            self._wait()

    def upstreamReady(self) -> None:
        """The upstream takes more again."""
        if self._paused and not self._closing:
            self._paused = False
            self._wait()
            if not self._ended:
                self._channel.resumeReading()

    def _visitorEnded(self) -> None:
        self._ended = True
        self._wait()
        upstream = self._upstream
        if self._raw and upstream is not None:
            upstream.finish()
        elif self._exchange is None or not self._exchange.requestEnded or self.secure:
            # Between requests; within one; or over TLS, where nobody closes only half.
            self._leave()

    def drained(self, size: int) -> None:
        self._wait()
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
        if self._exchange is None and self._reader.idle:
            self._leave()
        elif self._exchange is not None and self._exchange.requestEnded:
            self.broken(TimeoutError("the visitor takes nothing"))
        else:
            self._refuse(BadRequest(408, "the request did not come in time"))

    def drain(self, idleSince: float) -> bool:
        """The gateway stops: leave, if idle since then or longer. True: not yet, a request may be on its way."""
        waits = self._exchange is None
        if waits and (idleSince == inf or not self._reader.pending and self._idleSince <= idleSince):
            self._leave()
        return waits and not self._closing

    # ---- requests ------------------------------------------------------------------------------------------------

    def _begin(self, head: RequestHead) -> None:
        exchange = self._exchange = Exchange(head)
        front = self.front
        try:
            name = front.route(head.host, self._serverName)
        except Refused as error:
            self._answerPage(error.code, str(error))
            return
        if self._sentHead is head:
            data = self._sent
        else:
            client, port, *_ = self._address
            proto: Proto = "https" if self.secure else "http"
            data = buildRequestHead(head, client=client, clientPort=port or None, proto=proto, trusted=self._trusted)
            self._sentHead, self._sent = head, data
        safe = head.method in SAFE and head.framing is NONE and head.upgrade is None
        upstream = self._upstream
        if upstream is not None and upstream.name is name and upstream.reusable and (
            safe or front.now - self._idleSince < REUSE_UNSAFE
        ):
            exchange.repeatable = data if safe else b""
        else:
            if upstream is not None:
                upstream.close()
            upstream = self._connect(name)
            if upstream is None:
                return
        upstream.reader.expect(head.method, head.version, head.upgrade is not None)
        upstream.send((data,))

    def _connect(self, name: Any) -> Upstream | None:
        upstream = Upstream(self, name)
        try:
            upstream.mux, upstream.stream = name.open(
                self.front.way(self.secure), formatAddress(self._channel.peer), "", upstream
            )
        except Refused as error:
            self._upstream = None
            self._answerPage(error.code, str(error))
            return None
        self._upstream = upstream
        return upstream

    def _send(self, data: bytes | memoryview) -> None:
        """A part of the request's body, or of what follows a change of protocol."""
        upstream, exchange = self._upstream, self._exchange
        if upstream is None or exchange is None:
            return
        chunked = exchange.head.framing is CHUNKED and not self._raw
        if not upstream.send(encodeChunk(data) if chunked else (data,)):
            self._pause()

    def _requestEnded(self, end: End) -> None:
        exchange = self._exchange
        assert exchange is not None
        exchange.requestEnded = True
        self._wait()
        if exchange.head.framing is CHUNKED and self._upstream is not None and not exchange.answerEnded:
            self._upstream.send((encodeLastChunk(end.trailers),))
        if exchange.answerEnded:
            self._exchanged()

    def _exchanged(self) -> None:
        """Request and answer are complete: on to the next."""
        exchange, self._exchange = self._exchange, None
        upstream = self._upstream
        if upstream is not None and not upstream.reusable:
            upstream.close()
            self._upstream = None
        if exchange is None or not exchange.keepAlive or self.front.draining:
            self._leave()
            return
        self._idleSince = self.front.now
        self._wait()
        if self._paused:
            self.upstreamReady()
        self._advance()

    def _advance(self) -> None:
        """Take the requests that have come already, one by one and without recursion."""
        self._more = True
        if self._advancing:
            return
        self._advancing = True
        while self._more and not self._closing:
            self._more = False
            try:
                events = self._reader.resume()
            except BadRequest as error:
                self._refuse(error)
                break
            if events:
                self._handle(events)
            elif self._ended:
                self._leave()
            elif self._reader.pending:
                self.deadline = self.front.now + HEAD_TIMEOUT
        self._advancing = False

    # ---- answers: called by the upstream -------------------------------------------------------------------------

    def answer(self, events: Sequence[ResponseEvent]) -> bool:
        """What the backend's bytes have brought; whether nothing of it waits to be sent."""
        exchange, upstream = self._exchange, self._upstream
        if upstream is None or exchange is None:
            return True
        parts, total, ended = exchange.answer(events, self.front.draining)
        gone = True
        if parts:
            waited = self._channel.queued
            gone = self._channel.write(parts, total) == total
            if not gone and not waited:
                self._wait()
        if exchange.head.upgrade is not None and not self._raw and upstream.reader.raw:
            self._raw = True
            self._becomeRaw()
        if ended:
            exchange.answerEnded = True
            if exchange.requestEnded:
                self._exchanged()
            else:
                # Answered before it was all sent: nobody knows how much is to come, and it would go nowhere.
                self._leave()
        return gone

    def _becomeRaw(self) -> None:
        self._wait()
        self._handle(self._reader.becomeRaw())
        if self._ended and self._upstream is not None:
            self._upstream.finish()

    def upstreamEnded(self, both: bool) -> None:
        """The agent's side has finished its half, or `both` halves are over."""
        if self._raw:
            self._channel.finish()
            if self._ended or both:
                self._leave()

    def upstreamFailed(self, error: BadGateway) -> None:
        """The backend broke the protocol, or stopped in the middle."""
        if self._retry():
            return
        self._abandon()
        if self._exchange is None:
            return
        if self._exchange.answerBegun or isinstance(error, Truncated):
            self.broken(error)
        else:
            self._answerPage("backend-protocol", error.reason)

    def upstreamClosed(self, reason: Reason, text: str) -> None:
        """The stream is over, without having finished."""
        untouched = self._upstream is not None and self._upstream.reader.untouched
        if untouched and reason in (Reason.NONE, Reason.RESET, Reason.REFUSED) and self._retry():
            return
        self._upstream = None
        if self._exchange is None:
            return
        if self._exchange.answerBegun:
            self.broken(ConnectionResetError(text))
        else:
            self._answerPage(reason, text)

    def _retry(self) -> bool:
        """Send a request again that a kept stream did not take any more."""
        exchange, upstream = self._exchange, self._upstream
        if exchange is None or not exchange.repeatable or upstream is None or not upstream.reader.untouched:
            return False
        head, data, exchange.repeatable = exchange.head, exchange.repeatable, b""
        upstream.close()
        again = self._connect(upstream.name)
        if again is not None:
            again.reader.expect(head.method, head.version, False)
            again.send((data,))
        return True

    # ---- ends ----------------------------------------------------------------------------------------------------

    def _answerPage(self, code: str | Reason, text: str) -> None:
        """Answer for the agent or the backend, which cannot."""
        exchange = self._exchange
        assert exchange is not None
        self._abandon()
        exchange.keepAlive = exchange.keepAlive and self._reader.complete and not self.front.draining
        data = page(code, text, exchange.head, exchange.keepAlive)
        self._channel.write((data,), len(data))
        exchange.answerBegun = exchange.answerEnded = True
        if not exchange.keepAlive:
            self._close()
        elif exchange.requestEnded:
            self._exchanged()

    def _refuse(self, error: BadRequest) -> None:
        """Answer to what is no proper request, and close."""
        self._abandon()
        if self._exchange is None or not self._exchange.answerBegun:
            data = page(error, error.reason, None)
            self._channel.write((data,), len(data))
        self._close()

    def _leave(self) -> None:
        """Nothing more is to be done for this visitor."""
        self._abandon()
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
