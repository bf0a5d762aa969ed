"""What request and response heads have in common: finding their end, and their fields.

The fields are llhttp's work (httptools). It refuses bare line ends, folded
lines, spaces before the colon, control characters, doubled and malformed
lengths, and lengths beside a transfer coding. Each head gets a parser of its
own (a quarter of a microsecond), so nothing is left over from the last one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from httptools import HttpParserUpgrade

from diglett.http.messages import Fields


class _Collector:
    __slots__ = ("fields",)

    def __init__(self, fields: Fields) -> None:
        self.fields = fields

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value.rstrip()))  # llhttp leaves white space there


def parseFields(parser: Any, head: bytes, into: Fields) -> Fields:
    """Parse a whole head, start line included, and append its fields to `into`.

    `parser` is HttpRequestParser or HttpResponseParser. Raises
    httptools.HttpParserError; `into` then holds what came before the fault.
    """
    try:
        parser(_Collector(into)).feed_data(head)
    except HttpParserUpgrade:
        pass  # the head is complete; whether the protocol changes is not llhttp's decision
    return into


def loneLineEnd(data: bytes, start: int, end: int) -> bool:
    """Whether a line in `data[start:end]` ends without its carriage return."""
    at = data.find(b"\n", start, end)
    while at >= 0:
        if at == 0 or data[at - 1] != 13:
            return True
        at = data.find(b"\n", at + 1, end)
    return False


def connectionOptions(value: bytes) -> frozenset[bytes]:
    """The lower-cased options of one Connection header."""
    return _options(value) if len(value) <= 64 else _options.__wrapped__(value)


@lru_cache(maxsize=256)
def _options(value: bytes) -> frozenset[bytes]:
    return frozenset(option.strip() for option in value.lower().split(b",")) - {b""}


NO_OPTIONS: frozenset[bytes] = frozenset()
