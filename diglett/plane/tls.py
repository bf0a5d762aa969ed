"""TLS on top of any channel, over memory BIOs: pyOpenSSL's public interface, nothing of Twisted's.

One receive of the socket's bytes is decrypted as a whole; one write encrypts as a whole and goes out in one call.
TLS has no half-close that people can rely on: `finish` sends close_notify and goes on reading.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from OpenSSL import SSL

from diglett.plane.channel import WOULD_BLOCK, Channel
from diglett.plane.records import Records

RECORD_MAX = 16_384
SLICE = 65_536
"""Bytes that are encrypted before the ciphertext is taken: OpenSSL's buffer keeps the size it once had, and so would
each of thousands of idle connections."""
_OVERHEAD = 64
"""More than any cipher adds to a record, bytes."""
_SLICE_MAX = SLICE + RECORD_MAX + _OVERHEAD * (SLICE // RECORD_MAX + 2)
CIPHERTEXT_SIZE = 262_144
_ciphertext = memoryview(bytearray(CIPHERTEXT_SIZE))
"""One for all: it is emptied before anybody else gets to run."""


class TLSChannel:
    """A channel whose bytes are encrypted on the one below. Starts with `handshake`."""

    __slots__ = (
        "connection", "owner", "peer",
        "_announced", "_below", "_done", "_ended", "_over", "_owed", "_reading", "_records", "_soon", "_toldEnd",
        "_unread",
    )  # fmt: skip

    def __init__(self, below: Channel, connection: SSL.Connection, soon: Callable[[Callable[[], None]], None]) -> None:
        self.owner: Any = None
        self.peer = below.peer
        self.connection: Any = connection
        self._below = below
        self._soon = soon
        self._records = Records()
        self._owed = 0
        """Plaintext bytes whose ciphertext has not all gone out."""
        self._done: Callable[[Exception | None], None] | None = None
        self._reading = False
        self._unread = False
        """What was received may hold more than was read of it, which no socket will announce. More is received only
        when it does not, so a reader in small steps makes nothing pile up here."""
        self._announced = False
        self._ended = False
        """The peer has sent close_notify."""
        self._toldEnd = False
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
            self._take(memoryview(received))
        if self._shake():
            return
        self._below.resumeReading()

    def _shake(self) -> bool:
        """True when the handshake has ended, well or not."""
        try:
            self.connection.do_handshake()
        except SSL.WantReadError:
            self._flush(0)
            return False
        except SSL.Error as error:
            self._flush(0)
            self._shaken(error)
            return True
        self._flush(0)
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
            size = self._below.readInto(_ciphertext)
        except OSError as error:
            self._shaken(error)
            return
        if size == 0:
            self._shaken(ConnectionResetError("the connection was closed during the TLS handshake"))
        elif size > 0:
            self._take(_ciphertext[:size])
            self._shake()

    def _take(self, ciphertext: memoryview) -> None:
        self.connection.bio_write(ciphertext)
        self._records.whole(ciphertext, len(ciphertext))

    def drained(self, size: int) -> None:
        gone = self._owed if not self._below.queued else min(size, self._owed)
        if gone and not self._over:
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
        connection = self.connection
        unread = self._unread
        room = len(view)
        records = 0
        if not unread and not self._ended:
            size = self._below.readInto(_ciphertext[: max(room, RECORD_MAX + _OVERHEAD)])
            if size < 0:
                return WOULD_BLOCK
            if not size:
                raise ConnectionResetError("the connection was cut off without close_notify")
            connection.bio_write(_ciphertext[:size])
            records = self._records.whole(_ciphertext, size)
        filled = 0
        try:
            while filled < room:
                # A buffer of one record each: pyOpenSSL allocates what is asked for.
                filled += connection.recv_into(view[filled:], RECORD_MAX)
                records -= 1
                if not records:
                    break
            self._unread = filled == room
        except SSL.WantReadError:
            self._unread = False
            if unread and not filled:
                return self.readInto(view)
        except SSL.ZeroReturnError:
            self._unread = False
            self._ended = True
            self._below.pauseReading()
        except SSL.Error as error:
            if not filled:
                raise ConnectionAbortedError(f"TLS: {describe(error)}") from error
            self._unread = True  # to fail in the same way when it is tried again
        if filled:
            self._announceRest()
            return filled
        if self._ended:
            self._toldEnd = True
            return 0
        return WOULD_BLOCK

    def write(self, parts: Sequence[bytes | memoryview], size: int) -> int:
        if self._over or not size:
            return 0
        ciphertext: list[bytes] = []
        since = 0
        try:
            if size <= RECORD_MAX:
                part = parts[0] if len(parts) == 1 else b"".join(parts)
                since = self.connection.send(part)
                if since < size:  # the peer has asked for smaller records (RFC 6066, 4)
                    since += self._encrypt((memoryview(part)[since:],), ciphertext)
            else:
                since = self._encrypt(parts, ciphertext)
        except SSL.Error as error:
            broken = ConnectionAbortedError(f"TLS: {describe(error)}")
            self._below.abort()
            self._soon(lambda: self.broken(broken))
            return 0
        self._flush(since + _OVERHEAD * (len(parts) + 2), ciphertext)
        if self._below.queued:
            self._owed += size
            return 0
        return size

    def _encrypt(self, parts: Sequence[bytes | memoryview], ciphertext: list[bytes]) -> int:
        """Encrypt them, and take what has come of it now and then; of how many bytes it has not been taken."""
        connection = self.connection
        since = 0
        for part in parts:
            length = len(part)
            done = 0
            while done < length:
                # One record: pyOpenSSL's contexts write no more at a time.
                step = connection.send(memoryview(part)[done:] if done else part)
                done += step
                since += step
                if since >= SLICE:
                    ciphertext.append(connection.bio_read(_SLICE_MAX))
                    since = 0
        return since

    def _flush(self, expected: int, ciphertext: list[bytes] | None = None) -> None:
        """Send this and what else TLS has to send; `expected` is a guess that spares a second look."""
        parts = ciphertext or []
        expected = max(expected, 8_192)
        data = b""
        try:
            data = self.connection.bio_read(expected)
            while len(data) == expected:
                parts.append(data)
                data = self.connection.bio_read(expected)
        except SSL.WantReadError:
            data = b""
        if data:
            parts.append(data)
        if parts:
            self._below.write(parts, len(parts[0]) if len(parts) == 1 else sum(map(len, parts)))

    def pauseReading(self) -> None:
        self._reading = False
        self._below.pauseReading()

    def resumeReading(self) -> None:
        if self._over or self._toldEnd:
            return
        self._reading = True
        if not self._ended:
            self._below.resumeReading()
        self._announceRest()

    def finish(self) -> None:
        try:
            self.connection.shutdown()
        except SSL.Error:
            return
        self._flush(0)

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
        self.connection = _CLOSED

    def _announceRest(self) -> None:
        """There may be bytes, or the end, that the channel below knows nothing of."""
        if (self._unread or self._ended) and not self._announced:
            self._announced = True
            self._soon(self._announce)

    def _announce(self) -> None:
        self._announced = False
        if self._reading and (self._unread or (self._ended and not self._toldEnd)):
            self.owner.readable()

    def localAddress(self) -> Any:
        return self._below.localAddress()

    def option(self, level: int, name: int, value: int) -> None:
        """Set a socket option of the channel below."""
        self._below.option(level, name, value)


class _Closed:
    """The connection of a channel that is over: there is nothing to be had of it."""

    def recv_into(self, view: memoryview, size: int) -> int:
        raise SSL.WantReadError

    def bio_write(self, data: memoryview) -> None:
        """Nobody reads it."""

    def bio_read(self, size: int) -> bytes:
        raise SSL.WantReadError

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
