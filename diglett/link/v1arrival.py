"""The gateway's way to a link on a port where both versions are spoken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from twisted.logger import Logger

from diglett.errors import ProtocolError
from diglett.link.arrival import TLS_TIMEOUT, Arrival
from diglett.link.greeting import timer
from diglett.link.link import Link, LinkHandler, reasonOf
from diglett.link.v1link import UNACKNOWLEDGED, V1Link
from diglett.plane.channel import formatAddress
from diglett.plane.cipher import CipherChannel
from diglett.wire.frames import MAGIC
from diglett.wire.handshake.gateway import Desk
from diglett.wire.v1.cipher import KeyPair
from diglett.wire.v1.gateway import V1GatewayHandshake

log = Logger()

_TLS = 0x16
"""What a TLS hello begins with."""


class EitherArrival(Arrival):
    """An `Arrival` whose first byte tells the version."""

    _original = False

    def begin(
        self, channel: Any, connection: SSL.Connection, desk: Callable[[Arrival], Desk], received: bytes = b""
    ) -> None:
        """Look at the first byte; the rest of the connection is none of our business yet."""
        self.label = formatAddress(channel.peer)
        self._cancelTimer = timer(self._plane.clock, TLS_TIMEOUT, self._tooLate)
        self._channel = channel
        self._connection = connection
        self._desk = desk
        channel.owner = self
        channel.resumeReading()

    # ---- the channel's owner, for one byte -----------------------------------------------------------------------

    def readable(self) -> None:
        first = bytearray(1)
        try:
            size = self._channel.readInto(memoryview(first))
        except OSError as error:
            self.broken(error)
            return
        if size == 0:
            self._drop("it left without a word")
        elif size > 0:
            self._decide(first[0])

    def drained(self, size: int) -> None:
        """Nothing was written."""

    def broken(self, error: Exception) -> None:
        self._drop(reasonOf(error))

    def _decide(self, first: int) -> None:
        if first == _TLS:
            self._cancelTimer()
            super().begin(self._channel, self._connection, self._desk, bytes([first]))
        elif first == MAGIC[0]:
            self._exchange(bytes([first]))
        else:
            self._drop(f"neither TLS nor version 1: its first byte is {first:#04x}", politely=True)

    # ---- version 1 -----------------------------------------------------------------------------------------------

    def _exchange(self, received: bytes) -> None:
        self._plane.tuneLink(self._channel, UNACKNOWLEDGED)
        # New keys for each connection: a recorded one cannot be played to us again, which the original allows.
        self._channel = cipher = CipherChannel(self._channel, KeyPair(), False)
        cipher.handshake(self._agreed, received)

    def _agreed(self, error: Exception | None) -> None:
        if self._over:
            return
        self._cancelTimer()
        if error is not None:
            said = str(error) if isinstance(error, ProtocolError) else reasonOf(error)
            self._drop(f"version 1 failed: {said}", politely=True)
            return
        self._original = True
        self._shake(V1GatewayHandshake(self._send, self._desk(self)))

    def _newLink(self, handler: LinkHandler) -> Link:
        if not self._original:
            return super()._newLink(handler)
        log.info("{peer}: this agent speaks version 1", event="agent-v1", peer=self.label)
        return V1Link(self._plane, self._channel, handler, opens=True, label=self.label)
