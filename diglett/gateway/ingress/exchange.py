"""One request of a visitor and its answer, and the time limits on them."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from diglett.http.forward import buildResponseHead
from diglett.http.messages import UNTIL_CLOSE, Body, Buffer, RequestHead, ResponseEvent, ResponseHead

HEAD_TIMEOUT = 10.0
"""Seconds for a request's head, from its first byte or from the connection's beginning."""
IDLE_TIMEOUT = 75.0
"""Seconds between requests."""
BODY_TIMEOUT = 120.0
"""Seconds without a byte in the middle of a request's body."""
STALL_TIMEOUT = 120.0
"""Seconds in which a visitor takes nothing of what is there for it, or waits for an answer, having ended its side."""
REUSE_UNSAFE = 1.0
"""A request that must not be sent twice uses a kept stream only when that was idle for less than this, seconds: else
the backend may just be closing it."""
SAFE = frozenset((b"GET", b"HEAD", b"OPTIONS"))
"""Methods of requests that may be sent twice."""


def patience(exchange: Exchange | None, queued: int, paused: bool, ended: bool) -> float:
    """Seconds that the visitor has for what is awaited now; answers may take as long as they like.

    `queued` bytes wait for it to read; `paused`: it is not read now; `ended`: it has said that it says no more.
    """
    if queued or ended:
        return STALL_TIMEOUT
    if exchange is None:
        return IDLE_TIMEOUT
    return inf if exchange.requestEnded or paused else BODY_TIMEOUT


class Exchange:
    """How far a request and its answer have come."""

    __slots__ = ("answerBegun", "answerEnded", "head", "keepAlive", "repeatable", "requestEnded")

    def __init__(self, head: RequestHead) -> None:
        self.head = head
        self.keepAlive = head.keepAlive
        """The visitor's connection takes another request afterwards."""
        self.repeatable = b""
        """What to send again when a kept stream turns out to be dead; empty when that must not be done."""
        self.requestEnded = False
        self.answerBegun = False
        self.answerEnded = False

    def answer(self, events: Sequence[ResponseEvent], last: bool) -> tuple[list[Buffer], int, bool]:
        """What the visitor gets of these: its parts, their size together, and whether the answer has ended.

        `last`: its connection takes no further request.
        """
        parts: list[Buffer] = []
        size = 0
        ended = False
        for event in events:
            if type(event) is Body:
                part = event.data
            elif type(event) is ResponseHead:
                part = self.answerHead(event, last)
            else:
                ended = True
                continue
            parts.append(part)
            size += len(part)
        return parts, size, ended

    def answerHead(self, answer: ResponseHead, last: bool) -> bytes:
        """The head for the visitor; `last`: its connection takes no further request."""
        if not answer.interim:
            self.answerBegun = True
            self.repeatable = b""
            if last or answer.framing is UNTIL_CLOSE or not self.requestEnded:
                self.keepAlive = False
        return buildResponseHead(answer, keepAlive=self.keepAlive, version=self.head.version)
