"""Connections that begin with a PROXY protocol header: who the visitor is, from the proxy that took it in.

Only as much is read as belongs to the header, so that whoever gets the channel then finds the visitor's own first byte.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from diglett.hushed import Hushed
from diglett.link.greeting import timer
from diglett.peek.proxy import BadProxyHeader, ProxyReader
from diglett.plane.channel import Channel, formatAddress

log = Logger()

HEADER_TIMEOUT = 10.0
_SIGNATURE = 12
"""Bytes after which version 1 (at least 15 long) and version 2 (at least 16) are told apart."""
_FIXED = 16
"""Bytes of version 2 after which its length is known."""


def behindProxy(clock: Any, accepted: Callable[[Channel], None]) -> Callable[[Channel], None]:
    """Takes connections with a header, and hands them on with the visitor's address as their peer."""

    hushed = Hushed(log, clock.seconds)

    def begin(channel: Channel) -> None:
        _Header(clock, channel, accepted, hushed)

    return begin


class _Header:
    """Owns a channel until its header is complete."""

    def __init__(self, clock: Any, channel: Channel, accepted: Callable[[Channel], None], hushed: Hushed) -> None:
        self._hushed = hushed
        self._channel = channel
        self._accepted = accepted
        self._reader = ProxyReader()
        self._received = bytearray()
        self._cancel = timer(clock, HEADER_TIMEOUT, lambda: self._drop("it did not come in time"))
        channel.owner = self
        channel.resumeReading()

    def readable(self) -> None:
        room = bytearray(self._wanted())
        try:
            size = self._channel.readInto(memoryview(room))
        except OSError:
            size = 0
        if size < 0:
            return
        if size == 0:
            self._drop("the connection was closed")
            return
        self._received += room[:size]
        try:
            info = self._reader.feed(bytes(room[:size]))
        except BadProxyHeader as error:
            self._drop(str(error))
            return
        if info is None:
            return
        self._cancel()
        self._channel.pauseReading()
        if info.source is not None:
            self._channel.peer = info.source
        self._accepted(self._channel)

    def _wanted(self) -> int:
        """How many bytes certainly belong to the header."""
        have = len(self._received)
        if have < _SIGNATURE:
            return _SIGNATURE - have
        if self._received[:1] == b"P":
            return 1
        if have < _FIXED:
            return _FIXED - have
        return _FIXED + int.from_bytes(self._received[14:16], "big") - have

    def drained(self, size: int) -> None:
        """Nothing was written."""

    def broken(self, error: Exception) -> None:
        self._cancel()

    def _drop(self, why: str) -> None:
        self._cancel()
        peer = formatAddress(self._channel.peer)
        cause = f"{peer.partition(' ')[0]} {why}"
        self._hushed.warn(
            cause, "{peer}: no PROXY protocol header: {reason}", event="proxy-header-missing", peer=peer, reason=why
        )
        self._channel.abort()
