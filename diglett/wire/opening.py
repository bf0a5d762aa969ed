"""The payload of Open: which registration, how the visitor came in, and from where."""

from __future__ import annotations

from attrs import frozen

from diglett.errors import ProtocolError
from diglett.wire.frames import Way


@frozen
class Opening:
    """What the opener tells of a new stream."""

    registration: int
    way: int = Way.PORT
    visitor: str = ""
    """`address port`, or empty when unknown."""
    front: str = ""
    """`address port` that the visitor reached, or empty."""

    def encode(self) -> bytes:
        """The payload of the Open frame."""
        return b"%c%c%c%b\0%b" % (
            self.registration >> 8,
            self.registration & 255,
            self.way,
            self.visitor.encode("utf-8"),
            self.front.encode("utf-8"),
        )

    @classmethod
    def decode(cls, payload: bytes) -> Opening:
        """Read an Open's payload.

        Raises ProtocolError: when it is none.
        """
        visitor, separator, front = payload[3:].partition(b"\0")
        if len(payload) < 4 or not separator:
            raise ProtocolError("malformed Open")
        try:
            return cls(
                registration=payload[0] << 8 | payload[1],
                way=payload[2],
                visitor=visitor.decode("utf-8"),
                front=front.decode("utf-8"),
            )
        except UnicodeDecodeError:
            raise ProtocolError("Open's addresses are not UTF-8") from None
