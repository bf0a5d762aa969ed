"""Payloads: JSON of the handshake, Open, Close, Error, in both versions."""

from __future__ import annotations

from typing import Any

from diglett.errors import ProtocolError
from diglett.wire.frames import CONTROL_MAX, decodeClose, encodeClose
from diglett.wire.messages import (
    Established,
    Hello,
    Login,
    Register,
    Registered,
    decodeRefusal,
    encodeRefusal,
)
from diglett.wire.opening import Opening
from diglett.wire.v1.words import decodeError

MODULES = ("diglett.wire.messages", "diglett.wire.opening", "diglett.wire.frames", "diglett.wire.v1.words")
READERS: list[Any] = [Hello, Login, Register, Registered, Established, Opening]
SEEDS = [
    b"\0" + Hello("agent/1", 65_536, 100, ("a", "b")).encode(),
    b"\1" + Login("hush", "0123456789abcdef").encode(),
    b"\2" + Register("example", "tcp", True).encode(),
    b"\3" + Registered("example", ("https://example.gateway.com", "tcp://gateway.com:1")).encode(),
    b"\4" + Established(5, 20).encode(),
    b"\5" + Opening(1, 2, "203.0.113.5 4711", "2001:db8::1 443").encode(),
    b"\6" + b'{"code":"name-taken","message":"it is taken","permanent":false}',
    b"\7" + encodeClose(1, 3, "connection refused")[7:],
    b"\x08" + b"authentication error: invalid token",
]


def check(data: bytes) -> None:
    kind, payload = data[:1], data[1:]
    which = kind[0] % 9 if kind else 0
    if which < 6:
        reader = READERS[which]
        try:
            value = reader.decode(payload)
        except ProtocolError:
            return
        assert reader.decode(value.encode()) == value, "written and read it is another"
    elif which == 6:
        try:
            error = decodeRefusal(payload)
        except ProtocolError:
            return
        again = decodeRefusal(encodeRefusal(error))
        assert (str(again), again.code, again.permanent) == (str(error), error.code, error.permanent)
        assert str(error).isprintable() and error.code.isprintable() and error.code
    elif which == 7:
        payload = payload[:CONTROL_MAX]
        reason, text = decodeClose(payload)
        assert text.isprintable()
        if reason >= 0:
            assert len(encodeClose(1, reason, text)) <= 7 + CONTROL_MAX
            assert decodeClose(encodeClose(1, reason, text)[7:])[0] is reason
    else:
        error = decodeError(payload)
        assert str(error) and str(error).isprintable() and len(str(error)) <= 1_024
