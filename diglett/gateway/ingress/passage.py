"""A visitor whose bytes are passed through as they are."""

from __future__ import annotations

from collections.abc import Callable

from diglett.link.splice import Splice
from diglett.plane.channel import Channel
from diglett.wire.frames import Reason


class Passage(Splice):
    """A splice that says when it is over, and that can begin with bytes which somebody has read already."""

    __slots__ = ("_gone", "_received", "_rests")

    def __init__(self, channel: Channel, gone: Callable[[], None], rests: bool = False) -> None:
        """`rests`: it is one request after another, and between them nothing is lost by leaving."""
        super().__init__(channel)
        self._rests = rests
        self._gone: Callable[[], None] | None = gone
        self._received: bytes | memoryview = b""

    def begin(self, received: bytes) -> None:
        """Send these first, then what else the visitor says."""
        self._received = received
        self._pass()

    def _pass(self) -> None:
        received = self._received
        if received:
            self._received = received = memoryview(received)[self.mux.write(self.stream, received) :]
        if not received:
            self._received = b""
            self.start()

    def resume(self) -> None:
        if self._received:
            self._pass()
        else:
            super().resume()

    def rest(self) -> None:
        """Leave, when nothing has been said since the last such call, and the last word was an answer.

        That looks like a connection which a proxy keeps for requests to come.
        """
        if not self._rests or self.over or self.stream.undelivered:
            return
        if self.answered:
            self.answered = None
        elif self.answered is None:
            self.mux.close(self.stream, Reason.IDLE, "nothing was asked any more")
            self.closed(Reason.IDLE, "")

    # ---- the end -------------------------------------------------------------------------------------------------

    def broken(self, error: Exception) -> None:
        super().broken(error)
        self._leave()

    def closed(self, reason: Reason, text: str) -> None:
        super().closed(reason, text)
        self._leave()

    def _ended(self, half: int) -> None:
        super()._ended(half)
        if self.over:
            self._leave()

    def _leave(self) -> None:
        gone, self._gone = self._gone, None
        if gone is not None:
            gone()
