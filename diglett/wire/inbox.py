"""What has come over a link: whole frames, in order, without copying what they carry."""

from __future__ import annotations

from collections.abc import Sequence

from diglett.errors import ProtocolError
from diglett.wire.frames import HEADER, HEADER_SIZE, PAYLOAD_MAX, Kind

_PAYLOAD = int(Kind.PAYLOAD)
_unpack = HEADER.unpack_from


class Inbox:
    """The receiving half of a mux: payload is handed on in place, consecutive frames of a stream together."""

    silent: bool
    overflowed: bool
    """Both are the outbox's."""
    payloadMax = PAYLOAD_MAX
    """Bytes that one frame may carry."""

    def receive(self, data: memoryview) -> int:
        """Take the whole frames at the start of this; how many bytes they were.

        Once the link is over, which may happen within, all that stands behind counts as taken and is not looked at.
        Raises ProtocolError: the link must end. What stood before it has been handled.
        """
        position = 0
        end = len(data)
        last = end - HEADER_SIZE
        most = self.payloadMax
        runId = -1
        parts: list[memoryview] = []
        size = 0
        while position <= last:
            kind, id, length = _unpack(data, position)
            start = position + HEADER_SIZE
            after = start + length
            if kind == _PAYLOAD and length <= most:
                if after > end:
                    break
                position = after
                if not length:  # would be an empty part for an endpoint
                    if parts:  # version 1: it may open a stream, but not before those that came first
                        self._deliver(runId, parts, size)
                        parts = []
                        runId = -1
                    self._onEmpty(id)
                    continue
                if id == runId:
                    parts.append(data[start:after])
                    size += length
                    continue
                if parts:
                    self._deliver(runId, parts, size)
                parts = [data[start:after]]
                size = length
                runId = id
                continue
            if parts:
                self._deliver(runId, parts, size)
                parts = []
                runId = -1
            if self.silent:
                break
            if length > most:
                raise ProtocolError(f"a frame of {length} bytes")
            if after > end:
                break
            position = after
            self._handle(kind, id, bytes(data[start:after]))
        if parts:
            self._deliver(runId, parts, size)
        if self.overflowed:
            raise ProtocolError("the peer does not read what it makes us answer")
        return end if self.silent else position

    def _deliver(self, id: int, parts: Sequence[memoryview], size: int) -> None:
        raise NotImplementedError

    def _handle(self, kind: int, id: int, payload: bytes) -> None:
        raise NotImplementedError

    def _onEmpty(self, id: int) -> None:
        """A Payload without a byte, which has no meaning."""
