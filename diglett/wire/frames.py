"""Frame kinds, sizes and codes: `docs/wire.md`, sections 3, 6 and 10."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct

HEADER = Struct(">BIH")
"""kind, id, payload size."""
HEADER_SIZE = HEADER.size
FRAME_MAX = 65_536
"""Header and payload together, bytes: four whole TLS records."""
PAYLOAD_MAX = FRAME_MAX - HEADER_SIZE
HANDSHAKE_MAX = 8_192
"""Payload of a handshake frame, bytes."""
CONTROL_MAX = 1_024 + 2
"""Payload of Open and Close, bytes."""
REGISTRATIONS_MAX = 64
CREDIT_MAX = 2**31 - 1
ID_MAX = 2**32 - 1

MAGIC = b"digl"
VERSION = 2
ALPN = b"diglett/2"


class Kind(IntEnum):
    """What a frame is."""

    OK = 0
    ERROR = 1
    REGISTER = 2
    FINISH_REGISTER = 3
    PAYLOAD = 4
    CLOSE = 5
    TERMINATE = 6
    LOGIN = 7
    OPEN = 8
    FINISH = 9
    WINDOW = 10
    PING = 11
    PONG = 12
    DRAIN = 13


EXTENSIONS = range(64, 128)
"""Kinds that a receiver skips when it does not know them."""


class Reason(IntEnum):
    """Why a stream was closed (the code of a Close frame)."""

    NONE = 0
    INTERNAL = 1
    REFUSED = 2
    BACKEND_UNREACHABLE = 3
    BACKEND_TIMEOUT = 4
    BACKEND_TLS = 5
    RESET = 6
    PROTOCOL = 7
    CREDIT = 8
    BUFFER = 9
    IDLE = 10
    LOST = -1
    """The link itself is gone; never on the wire, where codes have no sign."""
    ENDED = -2
    """Version 1, which tells no reason: nothing more comes, perhaps in good order. What came before is to be
    delivered. Never on the wire, either."""


class Way(IntEnum):
    """How a visitor came in (a field of Open)."""

    PORT = 0
    HTTP = 1
    HTTPS = 2
    TLS = 3


def encodeFrame(kind: int, id: int, payload: bytes = b"") -> bytes:
    """One whole frame."""
    return HEADER.pack(kind, id, len(payload)) + payload


def printable(text: str) -> str:
    """A peer's text without what would move a terminal's cursor or start a new line of a log."""
    return text if text.isprintable() else "".join(c for c in text if c.isprintable())


def encodeClose(id: int, reason: int, text: str = "") -> bytes:
    """A Close frame; no payload when there is nothing to say."""
    if not reason and not text:
        return HEADER.pack(Kind.CLOSE, id, 0)
    said = text.encode("utf-8", "replace")
    if len(said) > CONTROL_MAX - 2:
        said = said[: CONTROL_MAX - 2].decode("utf-8", "ignore").encode("utf-8")  # never half a character
    return encodeFrame(Kind.CLOSE, id, reason.to_bytes(2, "big") + said)


def decodeClose(payload: bytes) -> tuple[Reason, str]:
    """The reason and text of a Close; unknown codes count as no reason, and the text is made fit to print."""
    if len(payload) < 2:
        return Reason.NONE, ""
    code = int.from_bytes(payload[:2], "big")
    text = printable(payload[2:].decode("utf-8", "replace"))
    try:
        return Reason(code), text
    except ValueError:
        return Reason.NONE, text
