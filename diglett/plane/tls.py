"""TLS on top of any channel, over memory BIOs: pyOpenSSL's public interface, nothing of Twisted's.

One receive of the socket's bytes is decrypted as a whole; one write encrypts as a whole and goes out in one call.
TLS has no half-close that people can rely on: `finish` sends close_notify and goes on reading.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from OpenSSL import SSL

from diglett.plane.channel import WOULD_BLOCK, Channel

RECORD_MAX = 16_384
_OVERHEAD = 64
"""More than any cipher adds to a record, bytes."""
CIPHERTEXT_SIZE = 262_144
_ciphertext = memoryview(bytearray(CIPHERTEXT_SIZE))
"""One for all: it is emptied before anybody else gets to run."""


class TLSChannel:
    """A channel whose bytes are encrypted on the one below. Starts with `handshake`."""

    __slots__ = ("owner", "peer", "connection", "_below", "_soon", "_owed", "_done", "_reading", "_ended", "_unread")

    def __init__(self, below: Channel, connection: SSL.Connection, soon: Callable[[Callable[[], None]], None]) -> None:
        self.owner: Any = None
        self.peer = below.peer
        self.connection = connection
        self._below = below
        self._soon = soon
        self._owed = 0
        """Plaintext bytes whose ciphertext has not all gone out."""
        self._done: Callable[[Exception | None], None] | None = None
        self._reading = False
        self._ended = False
        self._unread = False
        """What was received may hold more than was read of it, which no socket will announce."""
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
        done = self._done
        assert done is not None
        try:
            self.connection.do_handshake()
        except SSL.WantReadError:
            self._flush(0)
            return False
        except SSL.Error as error:
            self._flush(0)
            self._done = None
            done(error)
            return True
        self._flush(0)
        self._done = None
        self._unread = True
        if not self._reading:
            self._below.pauseReading()
        done(None)
        return True

    # ---- what the channel below calls ----------------------------------------------------------------------------

    def readable(self) -> None:
        if self._done is None:
            self.owner.readable()
            return
        try:
            size = self._below.readInto(_ciphertext)
        except OSError as error:
            done, self._done = self._done, None
            done(error)
            return
        if size == 0:
            done, self._done = self._done, None
            done(ConnectionResetError("the connection was closed during the TLS handshake"))
        elif size > 0:
            self.connection.bio_write(_ciphertext[:size])
            self._shake()

    def drained(self, size: int) -> None:
        if self._done is not None:
            return
        gone = self._owed if not self._below.queued else min(size, self._owed)
        self._owed -= gone
        self.owner.drained(gone)

    def broken(self, error: Exception) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(error)
        elif self.owner is not None:
            self.owner.broken(error)

    # ---- what the owner calls ------------------------------------------------------------------------------------

    @property
    def queued(self) -> int:
        return self._below.queued

    def readInto(self, view: memoryview) -> int:
        """Decrypt as much as fits. Bytes that did not fit are announced again without the socket's help."""
        connection = self.connection
        if self._unread:
            self._unread = False
        elif not connection.pending() and not self._ended:
            size = self._below.readInto(_ciphertext)
            if size == 0:
                self._ended = True
                raise ConnectionResetError("the connection was cut off without close_notify")
            if size > 0:
                connection.bio_write(_ciphertext[:size])
        room = len(view)
        filled = 0
        try:
            while filled < room:
                # A buffer of one record each: pyOpenSSL allocates what is asked for.
                filled += connection.recv_into(view[filled:], RECORD_MAX)
            # There may be whole records behind these, of which `pending` says nothing.
            self._unread = True
            self._soon(self._announce)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self._ended = True
            if filled:
                self._soon(self._announce)
            else:
                self._below.pauseReading()
        except SSL.Error as error:
            raise ConnectionAbortedError(f"TLS: {describe(error)}") from error
        if filled:
            return filled
        return 0 if self._ended else WOULD_BLOCK

    def write(self, parts: Sequence[bytes | memoryview], size: int) -> int:
        if len(parts) > 1 and size <= RECORD_MAX:
            parts = (b"".join(parts),)
        send = self.connection.send
        try:
            for part in parts:
                done = send(part)
                while done < len(part):
                    done += send(memoryview(part)[done:])
        except SSL.Error as error:
            self.abort()
            broken = ConnectionAbortedError(f"TLS: {describe(error)}")
            self._soon(lambda: self.owner.broken(broken))
            return 0
        self._flush(size + _OVERHEAD * (len(parts) + 1 + size // RECORD_MAX))
        if self._below.queued:
            self._owed += size
            return 0
        return size

    def _flush(self, expected: int) -> None:
        """Send what TLS has to send; `expected` is a guess that spares a second look."""
        connection = self.connection
        expected = max(expected, 8_192)
        while True:
            try:
                data = connection.bio_read(expected)
            except SSL.WantReadError:
                return
            self._below.write((data,), len(data))
            if len(data) < expected:
                return

    def pauseReading(self) -> None:
        self._reading = False
        self._below.pauseReading()

    def resumeReading(self) -> None:
        self._reading = True
        if not self._ended:
            self._below.resumeReading()
        if self._unread or self._ended or self.connection.pending():
            self._soon(self._announce)

    def finish(self) -> None:
        try:
            self.connection.shutdown()
        except SSL.Error:
            return
        self._flush(0)

    def close(self) -> None:
        self._reading = False
        self.finish()
        self._below.close()

    def abort(self) -> None:
        self._reading = False
        self._below.abort()

    def _announce(self) -> None:
        if self._reading:
            self.owner.readable()

    def localAddress(self) -> Any:
        return self._below.localAddress()


def describe(error: SSL.Error) -> str:
    """What OpenSSL says, in words."""
    if error.args and isinstance(error.args[0], list):
        words = [entry[-1] for entry in error.args[0] if entry and entry[-1]]
        if words:
            return "; ".join(words)
    return str(error) or type(error).__name__
