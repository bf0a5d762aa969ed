"""An owner of a channel that reads, and notes everything it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diglett.plane.channel import WOULD_BLOCK


class Recorder:
    """Reads with `room` bytes at a time. After its own `close` and `abort` every call is noted in `late`."""

    def __init__(self, channel: Any, room: int = 65_536) -> None:
        self.channel = channel
        self.received = bytearray()
        self.events: list[str] = []
        self.errors: list[Exception] = []
        self.calls = 0
        self.sent = 0
        self.gone = 0
        self.written = 0
        self.late: list[str] = []
        self.over = False
        self.onRead: Callable[[], object] | None = None
        self._buffer = memoryview(bytearray(room))
        channel.owner = self

    # ---- the owner -----------------------------------------------------------------------------------------------

    def readable(self) -> None:
        self.calls += 1
        if self._isLate("readable"):
            return
        try:
            size = self.channel.readInto(self._buffer)
        except OSError as error:
            self._broke(error)
            return
        if size == WOULD_BLOCK:
            return
        if not size:
            self.events.append("end")
            return
        self.received += self._buffer[:size]
        if self.onRead is not None:
            self.onRead()

    def drained(self, size: int) -> None:
        if not self._isLate("drained"):
            self.gone += size

    def broken(self, error: Exception) -> None:
        if not self._isLate("broken"):
            self._broke(error)

    def _broke(self, error: Exception) -> None:
        self.events.append("broken" if isinstance(error, OSError) else repr(error))
        self.errors.append(error)
        self.abort()

    def _isLate(self, call: str) -> bool:
        if self.over:
            self.late.append(call)
        return self.over

    # ---- for the test --------------------------------------------------------------------------------------------

    def write(self, *parts: Any) -> int:
        """Write, and count."""
        size = sum(map(len, parts))
        self.written += size
        sent: int = self.channel.write(parts, size)
        self.sent += sent
        return sent

    def close(self) -> None:
        self.over = True
        self.channel.close()

    def abort(self) -> None:
        self.over = True
        self.channel.abort()
