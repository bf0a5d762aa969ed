"""A stream to the agent, as the HTTP front uses it: requests go in, answers are read and handed to the visitor."""

from __future__ import annotations

from collections.abc import Sequence

from diglett.gateway.ingress.contracts import Answering, Openable
from diglett.http.messages import BadGateway, ResponseEvent
from diglett.http.response import ResponseReader
from diglett.wire.frames import Reason
from diglett.wire.mux import Mux
from diglett.wire.stream import Stream


class Upstream:
    """Endpoint of a stream. Keeps at most one read's worth of what the stream has no credit for."""

    __slots__ = (
        "ended", "mux", "name", "reader", "stream", "_finishing", "_over", "_owed", "_retired", "_unsent", "_visitor",
    )  # fmt: skip

    mux: Mux
    stream: Stream

    def __init__(self, visitor: Answering, name: Openable) -> None:
        self.ended = False
        """The agent's side sends no more."""
        self.name = name
        self.reader = ResponseReader()
        self._visitor = visitor
        self._unsent = bytearray()
        self._owed = 0
        """Bytes received for which the visitor's channel has not taken all that came of them."""
        self._finishing = False
        self._over = False
        self._retired = False

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent on it."""
        return self.reader.reusable and self.reader.idle and not self._over and not self._retired

    def retire(self) -> None:
        """Its agent leaves: a stream that is kept for a request to come would only keep it waiting."""
        self._retired = True
        if self.reader.idle:
            self.close()

    # ---- towards the agent ---------------------------------------------------------------------------------------

    def send(self, parts: Sequence[bytes | memoryview]) -> bool:
        """Send these; False when some had to be kept: `upstreamReady` follows."""
        if self._over:
            return True
        unsent = self._unsent
        for part in parts:
            if unsent:
                unsent += part
                continue
            done = self.mux.write(self.stream, part)
            if done < len(part):
                unsent += memoryview(part)[done:]
        return not unsent

    def finish(self) -> None:
        """The visitor sends no more."""
        self._finishing = True
        if not self._unsent and not self._over:
            self._finish()

    def _finish(self) -> None:
        self.mux.finish(self.stream)
        if self.ended:
            self._visitor.upstreamEnded(True)

    def close(self) -> None:
        """Of no use any more."""
        if not self._over:
            self._over = True
            self.mux.close(self.stream)

    # ---- from the visitor's channel ------------------------------------------------------------------------------

    def drained(self, size: int, all: bool) -> None:
        """The channel has sent some of what was queued."""
        gone = self._owed if all else min(size, self._owed)
        if gone:
            self._owed -= gone
            self.mux.delivered(self.stream, gone)

    # ---- the mux's endpoint --------------------------------------------------------------------------------------

    def deliver(self, parts: Sequence[memoryview], size: int) -> int:
        events: list[ResponseEvent] = []
        error = None
        try:
            for part in parts:
                events += self.reader.feed(part)
        except BadGateway as broken:
            error = broken
        taken = not events and error is not None or self._visitor.answer(events)
        if error is not None and not self._over:
            self._visitor.upstreamFailed(error)
        if taken and not self._owed:
            return size
        self._owed += size
        return 0

    def finished(self) -> None:
        self.ended = True
        reader = self.reader
        raw = reader.raw
        try:
            events = reader.eof()
        except BadGateway as error:
            self._visitor.upstreamFailed(error)
            return
        if raw:
            self._visitor.upstreamEnded(self._over)
            return
        if events:
            self._visitor.answer(events)
        self.close()

    def closed(self, reason: Reason, text: str) -> None:
        if self._over:
            return
        self._over = True
        if reason is Reason.ENDED:
            self.finished()
        else:
            self._visitor.upstreamClosed(reason, text)

    def resume(self) -> None:
        unsent = self._unsent
        if self._over:
            return
        if unsent:
            done = self.mux.write(self.stream, unsent)
            del unsent[:done]
        if not unsent:
            if self._finishing:
                self._finish()
            self._visitor.upstreamReady()
