"""Where the records of a TLS connection end, which OpenSSL does not tell through its public interface.

A reader who knows how many whole records have come need not ask for one more, which costs an exception each time. Their
headers are plain text (RFC 8446, 5.1): type, version, and two bytes of length.
"""

from __future__ import annotations

_HEADER = 5


class Records:
    """Follows the records of one direction, from the connection's first byte on."""

    __slots__ = ("_due", "_split")

    def __init__(self) -> None:
        self._due = 0
        """Bytes that the last record still lacks; negative: so many of a header have come."""
        self._split = b""
        """Those."""

    def whole(self, data: memoryview, end: int) -> int:
        """How many records end in the next bytes, `data[:end]`; 0 when a part of one is left over."""
        at = self._due
        if at < 0:
            self._split += data[: min(_HEADER + at, end)]
            if len(self._split) < _HEADER:
                self._due = -len(self._split)
                return 0
            at += _HEADER + int.from_bytes(self._split[3:], "big")
        count = 1 if 0 < at <= end else 0
        while at + _HEADER <= end:
            at += _HEADER + (data[at + 3] << 8 | data[at + 4])
            if at <= end:
                count += 1
        self._due = at - end
        if at == end:
            return count
        if at < end:
            self._split = bytes(data[at:end])
        return 0
