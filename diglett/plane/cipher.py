"""Version 1's encryption on top of any channel: as `diglett.plane.tls`, without certificates and without authenticity.

It changes no sizes and keeps nothing back, so whatever the channel below says of bytes is true here as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from diglett.errors import ProtocolError
from diglett.plane.channel import Channel
from diglett.plane.tuning import acknowledgeNow
from diglett.wire.v1.cipher import KeyPair, KeyStream
from diglett.wire.v1.exchange import PREFACE_SIZE, KeyExchange

SLICE = 65_536
_received = memoryview(bytearray(SLICE))
_encrypted = memoryview(bytearray(SLICE))
"""One of each for all: they are emptied before anybody else gets to run."""


class CipherChannel:
    """A channel whose bytes are encrypted on the one below. Starts with `handshake`."""

    __slots__ = (
        "owner", "peer", "_below", "_done", "_exchange", "_first", "_incoming", "_outgoing", "_over", "_reading",
    )  # fmt: skip

    def __init__(self, below: Channel, pair: KeyPair, first: bool) -> None:
        """`pair` is for this connection alone. `first`: we are the agent, who speaks first."""
        self.owner: Any = None
        self.peer = below.peer
        self._below = below
        self._exchange = KeyExchange(pair)
        self._first = first
        self._incoming: KeyStream
        self._outgoing: KeyStream
        self._done: Callable[[Exception | None], None] | None = None
        self._reading = False
        self._over = False
        below.owner = self

    # ---- the handshake -------------------------------------------------------------------------------------------

    def handshake(self, done: Callable[[Exception | None], None], received: bytes = b"") -> None:
        """Agree on keys; `done` hears None, or what went wrong (a `ProtocolError` or `OSError`). The caller keeps
        the time.

        `received` are bytes that somebody has read from the channel below already, all of them of the preface.
        """
        self._done = done
        acknowledgeNow(self._below)
        if self._first:
            self._introduce()
        if received:
            self._hear(received)
        if self._done is not None:
            self._below.resumeReading()

    def _introduce(self) -> None:
        self._below.write((self._exchange.preface,), PREFACE_SIZE)

    def _hear(self, data: bytes | memoryview) -> None:
        try:
            material = self._exchange.receive(data)
        except ProtocolError as error:
            self._shaken(error)
            return
        if material is None:
            return
        if not self._first:  # a stranger gets no answer
            self._introduce()
        self._incoming = KeyStream(material)
        self._outgoing = KeyStream(material)
        if not self._reading:
            self._below.pauseReading()
        self._shaken(None)

    def _shaken(self, error: Exception | None) -> None:
        done, self._done = self._done, None
        assert done is not None
        if error is not None:
            self._over = True
            self._below.pauseReading()
        done(error)

    # ---- what the channel below calls ----------------------------------------------------------------------------

    def readable(self) -> None:
        if self._done is not None:
            self._readPreface()
        elif self._over:
            self._below.pauseReading()
        else:
            self.owner.readable()

    def _readPreface(self) -> None:
        try:
            size = self._below.readInto(_received[: self._exchange.wanted])
        except OSError as error:
            self._shaken(error)
            return
        if size == 0:
            self._shaken(ConnectionResetError("the connection was closed during the exchange of keys"))
        elif size > 0:
            acknowledgeNow(self._below)
            self._hear(_received[:size])

    def drained(self, size: int) -> None:
        if self.owner is not None and not self._over:
            self.owner.drained(size)

    def broken(self, error: Exception) -> None:
        if self._done is not None:
            self._shaken(error)
        elif not self._over:
            self._over = True
            self.owner.broken(error)

    # ---- what the owner calls ------------------------------------------------------------------------------------

    @property
    def queued(self) -> int:
        return self._below.queued

    def readInto(self, view: memoryview) -> int:
        size = self._below.readInto(_received[: len(view)])
        if size > 0:
            acknowledgeNow(self._below)
            self._incoming.apply(_received[:size], view[:size])
        return size

    def write(self, parts: Sequence[bytes | memoryview], size: int) -> int:
        if self._over:
            return 0
        sent = 0
        for part in parts:
            for start in range(0, len(part), SLICE):
                piece = part[start : start + SLICE]
                out = _encrypted[: len(piece)]
                self._outgoing.apply(piece, out)
                sent += self._below.write((out,), len(out))
        return sent

    def pauseReading(self) -> None:
        self._reading = False
        self._below.pauseReading()

    def resumeReading(self) -> None:
        if not self._over:
            self._reading = True
            self._below.resumeReading()

    def finish(self) -> None:
        self._below.finish()

    def close(self) -> None:
        self._leave()
        self._below.close()

    def abort(self) -> None:
        self._leave()
        self._below.abort()

    def _leave(self) -> None:
        self._over = True
        self._reading = False
        self._done = None

    def localAddress(self) -> Any:
        return self._below.localAddress()

    def option(self, level: int, name: int, value: int | bytes) -> None:
        """Set a socket option of the channel below."""
        self._below.option(level, name, value)
