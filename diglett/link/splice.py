"""A stream and a connection, joined: bytes both ways, with back-pressure, half-close and resets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from diglett.plane.channel import Channel
from diglett.wire.frames import Reason
from diglett.wire.mux import Mux
from diglett.wire.outbox import NO_ROOM
from diglett.wire.stream import Stream


class Splice:
    """Both an Endpoint of the mux and the Owner of a channel.

    A stalled stream pauses its own connection and nobody else's. The connection is closed when both directions have
    ended, aborted when either side was.
    """

    __slots__ = ("mux", "stream", "answered", "_channel", "_over")

    mux: Mux
    stream: Stream
    """Both set right after the stream was opened or accepted."""
    answered: bool | None
    """Whether the last bytes went to the connection, not came from it. For whoever wonders if this is idle: None, once
    put here, stays until there are more."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.answered = False
        self._over = _NOTHING
        channel.owner = self

    def start(self) -> None:
        """Begin to read the connection."""
        self._channel.resumeReading()

    # ---- the channel's owner -------------------------------------------------------------------------------------

    def readable(self) -> None:
        try:
            size = self.mux.pull(self.stream, self._channel)
        except OSError as error:
            self.broken(error)
            return
        if size > 0:
            self.answered = False
        elif size == 0:
            self.mux.finish(self.stream)
            self._ended(_READ)
        elif size == NO_ROOM:
            self._channel.pauseReading()

    def drained(self, size: int) -> None:
        self.mux.delivered(self.stream, size)

    def broken(self, error: Exception) -> None:
        self._over = _ALL
        self.mux.close(self.stream, Reason.RESET)
        self._channel.abort()

    # ---- the mux's endpoint --------------------------------------------------------------------------------------

    def deliver(self, parts: Sequence[memoryview], size: int) -> int:
        self.answered = True
        return self._channel.write(parts, size)

    def finished(self) -> None:
        if not self._over & _READ:
            self._channel.finish()
        self._ended(_WRITTEN)

    def closed(self, reason: Reason, text: str) -> None:
        self._over = _ALL
        self._channel.close() if reason in _ORDERLY else self._channel.abort()

    def resume(self) -> None:
        if not self._over & _READ:
            self._channel.resumeReading()
            self.readable()

    @property
    def over(self) -> bool:
        """Whether both directions have ended."""
        return self._over == _ALL

    def _ended(self, half: int) -> None:
        self._over |= half
        if self._over == _ALL:
            # The channel sees to the rest of its queue alone, and tells nobody.
            self.mux.abandon(self.stream)
            self._channel.close()


_ORDERLY = (Reason.ENDED, Reason.IDLE)
_NOTHING = 0
_READ = 1
_WRITTEN = 2
_ALL = 3


class PendingSplice:
    """The endpoint of a stream whose connection is still being made: keeps what comes, at most the window."""

    __slots__ = ("_mux", "_stream", "_held", "_finished", "_ended", "_cancel")

    def __init__(self, mux: Mux, stream: Stream) -> None:
        self._mux = mux
        self._stream = stream
        self._held = bytearray()
        self._finished = False
        self._ended = False
        self._cancel: Callable[[], None] | None = None

    def connecting(self, cancel: Callable[[], None]) -> None:
        """How to stop the attempt when the stream is closed before it has ended."""
        self._cancel = cancel

    def connected(self, channel: Channel) -> None:
        """Join them; what came so far goes first."""
        self._cancel = None
        splice = Splice(channel)
        splice.mux = self._mux
        splice.stream = self._stream
        self._stream.endpoint = splice
        held, self._held = self._held, bytearray()
        if held:
            self._mux.delivered(self._stream, splice.deliver([memoryview(held)], len(held)))
        if self._ended:
            splice.closed(Reason.ENDED, "")
            return
        splice.start()
        if self._finished:
            splice.finished()

    def failed(self, reason: Reason, text: str) -> None:
        """There will be no connection."""
        self._cancel = None
        self._mux.close(self._stream, reason, text)

    def deliver(self, parts: Sequence[memoryview], size: int) -> int:
        for part in parts:
            self._held += part
        return 0

    def finished(self) -> None:
        self._finished = True

    def closed(self, reason: Reason, text: str) -> None:
        if reason is Reason.ENDED and self._held:
            self._ended = True  # and the connection will be made for what came
            return
        cancel, self._cancel = self._cancel, None
        if cancel is not None:
            cancel()

    def resume(self) -> None:
        """Nothing is sent yet."""
