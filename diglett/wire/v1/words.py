"""What version 1 says in words: its errors are texts, and some of them mean something to programs."""

from __future__ import annotations

from diglett.errors import DiglettError, LoginRefused, Refused
from diglett.wire.frames import Kind, encodeFrame, printable
from diglett.wire.messages import Hello
from diglett.wire.mux import STREAMS_MAX

UNLIMITED = 2**62
"""Credit, bytes: this wire has none to give, so nobody ever runs out of it."""
SILENT_HELLO = Hello(software="version 1", window=UNLIMITED, streams=STREAMS_MAX)
"""What a peer of version 1 would have said of itself."""
REFUSED_TOKEN = "fail"
"""The original refuses this one whoever else is let in; its users test their error handling with it."""

UNEXPECTED = "received unexpected message"
ONLY_ONE = "only one name registration is allowed"
NO_NAME = "missing name registration"
_NO_LOGIN = "authentication error"
_NO_PERMISSION = "not authorized to use this domain"
_TEXT_MAX = 1_024
_CODES = {
    UNEXPECTED: "protocol",
    ONLY_ONE: "protocol",
    NO_NAME: "protocol",
    _NO_LOGIN: "login-refused",
    _NO_PERMISSION: "name-not-allowed",
}
"""Beginnings of texts, of which all say that asking again is in vain."""


def encodeError(text: str) -> bytes:
    """An Error frame with this text."""
    said = text[:_TEXT_MAX].encode("utf-8", "replace")
    return encodeFrame(Kind.ERROR, 0, said)


def textOf(error: DiglettError) -> str:
    """What the original would have said, where it has words for it."""
    if isinstance(error, LoginRefused) and error.permanent:
        return f"{_NO_LOGIN}: invalid token"
    if isinstance(error, Refused) and error.code == "name-not-allowed":
        return _NO_PERMISSION
    if isinstance(error, Refused) and error.permanent:
        return f"{_NO_PERMISSION}: {error}"
    return str(error)


def decodeError(payload: bytes) -> Refused:
    """The error that a peer sent, made fit to print; permanent if the text is known to mean that."""
    text = printable(payload[: 4 * _TEXT_MAX].decode("utf-8", "replace"))[:_TEXT_MAX]
    for beginning, code in _CODES.items():
        if text.startswith(beginning):
            return Refused(text, code=code, permanent=True)
    return Refused(text or "refused without a word")
