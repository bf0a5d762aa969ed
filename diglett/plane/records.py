"""Bytes into and out of OpenSSL: the four calls that all traffic of a TLS connection goes through.

pyOpenSSL's methods for them copy once more in each direction and ask for errors when there are none, which is 4 µs of a
small record's way and a fifth of the bulk's. So these are made at OpenSSL's functions, as Twisted makes some others, on
pyOpenSSL's own objects. Only success is dealt with here. Whatever else comes of a call is asked again of the method,
which knows what it means, raises, and leaves OpenSSL's queue of errors empty. A pyOpenSSL that no longer has the names
used here gets its methods called for everything, and is slower.
"""

from __future__ import annotations

from typing import Any, Protocol

from OpenSSL import SSL

RECORD_MAX = 16_384
OVERHEAD = 64
"""More than any cipher adds to a record, bytes."""
SLICE = 65_536
"""Bytes that are encrypted before the ciphertext is taken: OpenSSL's buffer keeps the size it once had, and so would
each of thousands of idle connections."""
SLICE_MAX = SLICE + RECORD_MAX + OVERHEAD * (SLICE // RECORD_MAX + 2)
"""What comes of that, at the most."""
INCOMING_SIZE = 262_144
OUTGOING_SIZE = 4 * SLICE_MAX
_incoming = bytearray(INCOMING_SIZE)
_outgoing = bytearray(OUTGOING_SIZE)
incoming = memoryview(_incoming)
outgoing = memoryview(_outgoing)
"""Where ciphertext is received and from where it is sent. One of each for all: they are emptied before anybody else
gets to run."""


class Records(Protocol):
    """One connection's records."""

    exhausted: bool
    """The last `decrypt` has left nothing that could be decrypted without feeding more."""

    def feed(self, size: int) -> None:
        """So many bytes of `incoming` have come."""

    def decrypt(self, view: memoryview) -> int:
        """As much as there is and fits into this; how much.

        Raises SSL.ZeroReturnError: the peer has ended, SSL.Error: it is broken. Neither while there are bytes.
        """

    def encrypt(self, part: bytes | memoryview, start: int, most: int) -> int:
        """From `start` on, so many bytes at most; how many.

        Raises SSL.Error: this side has ended, or it is broken.
        """

    def take(self, at: int) -> int:
        """Put the ciphertext into `outgoing`, from `at` on; how many bytes."""


class MethodRecords:
    """By pyOpenSSL's methods."""

    __slots__ = ("exhausted", "_connection")

    def __init__(self, connection: SSL.Connection) -> None:
        self.exhausted = True
        self._connection = connection

    def feed(self, size: int) -> None:
        self._connection.bio_write(incoming[:size])

    def decrypt(self, view: memoryview) -> int:
        filled = 0
        self.exhausted = False
        try:
            while filled < len(view):
                # A buffer of one record each: pyOpenSSL allocates what is asked for.
                filled += self._connection.recv_into(view[filled:], RECORD_MAX)
        except SSL.WantReadError:
            self.exhausted = True
        except SSL.Error:
            if not filled:
                raise  # else it fails in the same way when it is tried again
        return filled

    def encrypt(self, part: bytes | memoryview, start: int, most: int) -> int:
        return self._connection.send(memoryview(part)[start : start + most])

    def take(self, at: int) -> int:
        try:
            data = self._connection.bio_read(OUTGOING_SIZE - at)
        except SSL.WantReadError:
            return 0
        outgoing[at : at + len(data)] = data
        return len(data)


class FunctionRecords:
    """By OpenSSL's functions."""

    __slots__ = ("exhausted", "_from", "_into", "_methods", "_ssl")

    def __init__(self, connection: Any) -> None:
        """Raises AttributeError: pyOpenSSL has changed."""
        self.exhausted = True
        self._ssl = connection._ssl  # which owns the two others
        self._into = connection._into_ssl
        self._from = connection._from_ssl
        self._methods = MethodRecords(connection)
        # A call for each slice, not for each of its records: writing into memory never has to wait in between.
        _SSL_clear_mode(self._ssl, _PARTIAL_WRITE)

    def feed(self, size: int) -> None:
        if _BIO_write(self._into, _INCOMING, size) <= 0:
            self._methods.feed(size)

    def decrypt(self, view: memoryview) -> int:
        ssl = self._ssl
        room = len(view)
        at = _from_buffer(view, require_writable=True)
        filled = 0
        while filled < room:
            size = _SSL_read(ssl, at + filled if filled else at, room - filled)
            if size <= 0:
                if _SSL_get_error(ssl, size) == _WANT_READ:
                    self.exhausted = True
                    return filled
                _release(at)  # an exception keeps it for long
                try:
                    filled += self._methods.decrypt(view[filled:])
                except SSL.Error:
                    if not filled:
                        raise
                break
            filled += size
            # Behind a short record there is mostly none, and looking costs a third of what OpenSSL takes to say so.
            if size < RECORD_MAX and filled < room and not _BIO_get_mem_data(self._into, _NULL):
                self.exhausted = True
                return filled
        self.exhausted = False
        return filled

    def encrypt(self, part: bytes | memoryview, start: int, most: int) -> int:
        ssl = self._ssl
        at = _from_buffer(part)
        end = min(len(part), start + most)
        done = start
        while done < end:
            size = _SSL_write(ssl, at + done if done else at, end - done)
            if size <= 0:
                _release(at)
                return done - start + self._methods.encrypt(part, done, end - done)
            done += size
        return done - start

    def take(self, at: int) -> int:
        size: int = _BIO_read(self._from, _OUTGOING + at if at else _OUTGOING, OUTGOING_SIZE - at)
        return size if size > 0 else 0


try:
    from OpenSSL._util import ffi as _ffi
    from OpenSSL._util import lib as _lib

    _from_buffer: Any = _ffi.from_buffer
    _release: Any = _ffi.release
    _BIO_get_mem_data: Any = _lib.BIO_get_mem_data
    _BIO_read: Any = _lib.BIO_read
    _BIO_write: Any = _lib.BIO_write
    _SSL_clear_mode: Any = _lib.SSL_clear_mode
    _SSL_get_error: Any = _lib.SSL_get_error
    _SSL_read: Any = _lib.SSL_read
    _SSL_write: Any = _lib.SSL_write
    _NULL = _ffi.NULL
    _PARTIAL_WRITE = _lib.SSL_MODE_ENABLE_PARTIAL_WRITE
    _WANT_READ = _lib.SSL_ERROR_WANT_READ
    _INCOMING = _from_buffer(_incoming)
    _OUTGOING = _from_buffer(_outgoing)
    _FUNCTIONS = True
except (ImportError, AttributeError):
    _FUNCTIONS = False


def recordsOf(connection: SSL.Connection) -> Records:
    """The faster of the two that can be had."""
    if _FUNCTIONS:
        try:
            return FunctionRecords(connection)
        except AttributeError:
            pass
    return MethodRecords(connection)
