"""The buffers that batches of outgoing frames are built in.

A link holds one only while it has something to send, so thousands of idle links cost nothing.
"""

from __future__ import annotations

from diglett.wire.frames import FRAME_MAX

FLUSH_AT = 65_536
"""A batch this full is sent without waiting for the end of the turn, bytes (measured: `docs/performance.md`)."""
BATCH_SIZE = FLUSH_AT + FRAME_MAX


class Batch:
    """A buffer and a view of it."""

    __slots__ = ("buffer", "view")

    def __init__(self) -> None:
        self.buffer = bytearray(BATCH_SIZE)
        self.view = memoryview(self.buffer)


class BatchPool:
    """Buffers not in use; keeps at most a few."""

    def __init__(self, keep: int = 8) -> None:
        self._free: list[Batch] = []
        self._keep = keep

    def acquire(self) -> Batch:
        """A buffer with whatever content."""
        return self._free.pop() if self._free else Batch()

    def spare(self) -> Batch:
        """The buffer that the next `acquire` will give, to be written in before it is known whether it is needed."""
        if not self._free:
            self._free.append(Batch())
        return self._free[-1]

    def release(self, batch: Batch) -> None:
        """Give it back; no view of it may be used any more."""
        if len(self._free) < self._keep:
            self._free.append(batch)
