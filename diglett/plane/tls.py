"""TLS on top of any channel but another of its kind, over memory BIOs.

One receive of the socket's bytes is decrypted as a whole; one write encrypts as a whole and goes out in one call.
TLS has no half-close that people can rely on: `finish` sends close_notify and goes on reading.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from OpenSSL import SSL

from diglett.plane.channel import WOULD_BLOCK, Channel
from diglett.plane.records import (
    OUTGOING_SIZE,
    OVERHEAD,
    RECORD_MAX,
    SLICE,
    SLICE_MAX,
    Records,
    incoming,
    outgoing,
    recordsOf,
)

_ONE_RECORD = RECORD_MAX + OVERHEAD


class TLSChannel:
    """A channel whose bytes are encrypted on the one below. Starts with `handshake`."""

    __slots__ = (
        "connection", "owner", "peer",
        "_announced", "_below", "_done", "_ended", "_over", "_owed", "_reading", "_records", "_soon", "_unread",
    )  # fmt: skip

    def __init__(self, below: Channel, connection: SSL.Connection, soon: Callable[[Callable[[], None]], None]) -> None:
        assert not isinstance(below, TLSChannel), "both would use the buffers of the records at once"
        self.owner: Any = None
        self.peer = below.peer
        self.connection: Any = connection
        self._below = below
        self._soon = soon
        self._records: Records = recordsOf(connection)
        self._owed = 0
        """Plaintext bytes whose ciphertext has not all gone out."""
        self._done: Callable[[Exception | None], None] | None = None
        self._reading = False
        self._unread = False
        """What was received may hold more than was read of it, which no socket will announce. More is received only
        when it does not, so a reader in small steps makes nothing pile up here."""
        self._announced = False
        self._ended = False
        """The peer has sent close_notify, and the owner knows."""
        self._over = False
        """The owner hears nothing any more."""
        below.owner = self

    # ---- the handshake -------------------------------------------------------------------------------------------

    def handshake(self, done: Callable[[Exception | None], None], received: bytes = b"") -> None:
        """Shake hands; `done` hears None, or what went wrong (an `SSL.Error` or `OSError`). The caller keeps the time.

        `received` are bytes that somebody has read from the channel below already.
        """
        self._done = done
        if received:
            self.connection.bio_write(received)
        if self._shake():
            return
        self._below.resumeReading()

    def _shake(self) -> bool:
        """True when the handshake has ended, well or not."""
        try:
            self.connection.do_handshake()
        except SSL.WantReadError:
            self._flush()
            return False
        except SSL.Error as error:
            self._flush()
            self._shaken(error)
            return True
        self._flush()
        self._unread = True
        if not self._reading:
            self._below.pauseReading()
        self._shaken(None)
        return True

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
            self._readHandshake()
        elif self._ended or self._over:
            self._below.pauseReading()
        else:
            self.owner.readable()

    def _readHandshake(self) -> None:
        try:
            size = self._below.readInto(incoming)
        except OSError as error:
            self._shaken(error)
            return
        if size == 0:
            self._shaken(ConnectionResetError("the connection was closed during the TLS handshake"))
        elif size > 0:
            self._records.feed(size)
            self._shake()

    def drained(self, size: int) -> None:
        # There is more ciphertext than what is in it. Who waits for an empty queue must hear of it, so the last byte is
        # gone when nothing is queued any more, and not before.
        gone = self._owed if not self._below.queued else min(size, self._owed - 1)
        if gone > 0 and not self._over:
            self._owed -= gone
            self.owner.drained(gone)

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
        """Decrypt as much as fits. What did not fit is announced again without the socket's help."""
        records = self._records
        unread = self._unread
        if not unread and not self._ended:
            room = len(view)
            size = self._below.readInto(incoming[: room if room > _ONE_RECORD else _ONE_RECORD])
            if size < 0:
                return WOULD_BLOCK
            if not size:
                raise ConnectionResetError("the connection was cut off without close_notify")
            records.feed(size)
        try:
            filled = records.decrypt(view)
        except SSL.ZeroReturnError:
            self._unread = False
            self._ended = True
            self._below.pauseReading()
            return 0
        except SSL.Error as error:
            raise ConnectionAbortedError(f"TLS: {describe(error)}") from error
        self._unread = not records.exhausted
        if filled:
            if self._unread:
                self._announceRest()
            return filled
        return self.readInto(view) if unread else WOULD_BLOCK

    def write(self, parts: Sequence[bytes | memoryview], size: int) -> int:
        if self._over or not size:
            return 0
        if size <= RECORD_MAX and len(parts) > 1:
            parts = (b"".join(parts),)
        encrypt = self._records.encrypt
        since = filled = 0
        try:
            for part in parts:
                length = len(part)
                done = 0
                while done < length:
                    step = encrypt(part, done, SLICE - since)
                    done += step
                    since += step
                    if since >= SLICE:
                        since = 0
                        filled = self._collect(filled)
        except SSL.Error as error:
            broken = ConnectionAbortedError(f"TLS: {describe(error)}")
            self._below.abort()
            self._soon(lambda: self.broken(broken))
            return 0
        self._flush(filled)
        if self._below.queued:
            self._owed += size
            return 0
        return size

    def _collect(self, filled: int) -> int:
        """Put what OpenSSL has for the peer behind what is there, and send that when there is no room for more."""
        filled += self._records.take(filled)
        if filled <= OUTGOING_SIZE - SLICE_MAX:
            return filled
        self._below.write((outgoing[:filled],), filled)
        return 0

    def _flush(self, filled: int = 0) -> None:
        """Send that, and all that OpenSSL still has for the peer."""
        while True:
            filled += self._records.take(filled)
            if filled:
                self._below.write((outgoing[:filled],), filled)
            if filled < OUTGOING_SIZE:
                return
            filled = 0

    def pauseReading(self) -> None:
        self._reading = False
        self._below.pauseReading()

    def resumeReading(self) -> None:
        if self._over or self._ended:
            return
        self._reading = True
        self._below.resumeReading()
        self._announceRest()

    def finish(self) -> None:
        try:
            self.connection.shutdown()
        except SSL.Error:
            return
        self._flush()

    def close(self) -> None:
        if not self._over:
            self.finish()
        self._leave()
        self._below.close()

    def abort(self) -> None:
        self._leave()
        self._below.abort()

    def _leave(self) -> None:
        self._over = True
        self._reading = False
        self._done = None
        # Circles of garbage stay for long: none shall keep OpenSSL's buffers.
        self.owner = None
        self.connection = self._records = _CLOSED

    def _announceRest(self) -> None:
        """There may be bytes, or the end, that the channel below knows nothing of."""
        if self._unread and not self._announced:
            self._announced = True
            self._soon(self._announce)

    def _announce(self) -> None:
        self._announced = False
        if self._reading and self._unread:
            self.owner.readable()

    def localAddress(self) -> Any:
        return self._below.localAddress()

    def option(self, level: int, name: int, value: int | bytes) -> None:
        """Set a socket option of the channel below."""
        self._below.option(level, name, value)


class _Closed:
    """The connection of a channel that is over, and its records: there is nothing to be had of them."""

    exhausted = True

    def feed(self, size: int) -> None:
        """Nobody reads it."""

    def decrypt(self, view: memoryview) -> int:
        return 0

    def take(self, at: int) -> int:
        return 0

    def encrypt(self, part: bytes | memoryview, start: int, most: int) -> int:
        raise SSL.Error("closed")

    def shutdown(self) -> None:
        """It was."""


_CLOSED = _Closed()


def describe(error: SSL.Error) -> str:
    """What OpenSSL says, in words."""
    if error.args and isinstance(error.args[0], list):
        words = [entry[-1] for entry in error.args[0] if entry and entry[-1]]
        if words:
            return "; ".join(words)
    return str(error) or type(error).__name__
