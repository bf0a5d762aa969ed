"""What both sides' handshakes have in common: a channel whose bytes go to a handshake until it has ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL

from diglett.errors import DiglettError, LinkLost
from diglett.link.link import reasonOf
from diglett.plane.channel import Channel

_scratch = memoryview(bytearray(16_384))


class HandshakeOwner:
    """Owns a secured channel while a handshake runs on it."""

    def __init__(
        self,
        channel: Channel,
        handshake: Any,
        bound: int,
        explain: Callable[[BaseException], DiglettError | None] = lambda error: None,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        self._channel = channel
        self._handshake = handshake
        self._bound = bound
        """Unread bytes at which reading pauses until an answer is ready."""
        self._heard = heard
        self._explain = explain
        """What an `SSL.Error` means, if it is about trust."""
        self._over = False
        channel.owner = self

    def send(self, data: bytes) -> None:
        """Write to the peer."""
        if not self._over:
            self._channel.write((data,), len(data))

    def release(self) -> None:
        """The handshake has ended; somebody else owns the channel from now on."""
        self._over = True
        self._channel.pauseReading()

    def readable(self) -> None:
        try:
            size = self._channel.readInto(_scratch)
        except OSError as error:
            self.broken(error)
            return
        if size > 0:
            self._heard()
            self._handshake.receive(_scratch[:size])
            if not self._over and getattr(self._handshake, "buffered", 0) > self._bound:
                self._channel.pauseReading()
        elif size == 0:
            self._lose(LinkLost("the connection was closed during the handshake"))

    def drained(self, size: int) -> None:
        """Nothing to do: answers are small."""

    def broken(self, error: Exception) -> None:
        # In TLS 1.3 the client has finished before the server has seen its certificate.
        explained = self._explain(error.__cause__) if isinstance(error.__cause__, SSL.Error) else None
        self._lose(explained or LinkLost(f"the connection broke during the handshake: {reasonOf(error)}"))

    def _lose(self, error: DiglettError) -> None:
        if not self._over:
            self._over = True
            self._handshake.lose(error)


def timer(clock: Any, delay: float, call: Callable[[], None]) -> Callable[[], None]:
    """Call this later; the answer cancels, any number of times."""
    pending = clock.callLater(delay, call)

    def cancel() -> None:
        if pending.active():
            pending.cancel()

    return cancel
