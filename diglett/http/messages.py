"""What the readers tell: heads, bodies, ends, and the two ways in which it goes wrong."""

from __future__ import annotations

from enum import Enum

from attrs import define, field, frozen

from diglett.errors import DiglettError

Buffer = bytes | memoryview
Fields = list[tuple[bytes, bytes]]


class Framing(Enum):
    """How the end of a body is known."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    UNTIL_CLOSE = "until-close"


# Looking a member up in its Enum costs more than most of what is done with it.
NONE, LENGTH, CHUNKED, UNTIL_CLOSE = Framing


@frozen
class Limits:
    """Bounds on what is read before anything is known about the peer (bytes, or counts)."""

    head: int = 65536
    target: int = 32768
    requestFields: int = 128
    responseFields: int = 512
    trailers: int = 8192
    trailerFields: int = 32
    interims: int = 16


LIMITS = Limits()

REMEMBERED = 4096
"""Heads up to this size, bytes, are remembered by their reader: when the next of its connection is the same, as those
of programs often are, it need not be read again."""


@define(eq=False)
class RequestHead:
    """A visitor's request, checked.

    `version` is 10 or 11. `target` is in origin form, or `*`. `host` is lower
    case, without port, brackets kept on IPv6 literals; it and `port` are None
    when HTTP/1.0 came without Host. `connection` holds the lower-cased options
    of Connection. `upgrade` is the lower-cased value of Upgrade when the
    visitor really asked for one. Two equal heads may be one object: change nothing.
    """

    method: bytes
    target: bytes
    version: int
    headers: Fields = field(repr=False)  # may hold cookies and credentials
    host: str | None
    port: int | None
    hostHeader: bytes | None
    framing: Framing
    length: int
    keepAlive: bool
    connection: frozenset[bytes]
    upgrade: bytes | None
    expectContinue: bool


@define(eq=False)
class ResponseHead:
    """A backend's answer, checked; interim when its status is below 200.

    `framing` is how the body reaches the visitor, which need not be how it
    came (see `ResponseReader`); `length` counts only for Framing.LENGTH.
    `keepAlive` tells whether the backend will take another request. Two equal
    heads may be one object: change nothing.
    """

    status: int
    reason: bytes
    version: int
    headers: Fields = field(repr=False)
    framing: Framing
    length: int
    keepAlive: bool
    connection: frozenset[bytes]
    encoded: tuple[bool, int, bytes] | None = field(default=None, repr=False)
    """What `buildResponseHead` has made of it last, and for whom."""

    @property
    def interim(self) -> bool:
        """More is to come: this head does not answer the request."""
        return self.status < 200 and self.status != 101


@define
class Body:
    """Some bytes of a body, possibly a view of what was fed: use it before that is overwritten."""

    data: Buffer


@define
class End:
    """The message is complete. `trailers` are the request's, already filtered."""

    trailers: tuple[tuple[bytes, bytes], ...] = ()


END = End()

RequestEvent = RequestHead | Body | End
ResponseEvent = ResponseHead | Body | End


class BadMessage(DiglettError):
    """What came is not HTTP/1.1 as we accept it; `reason` is fit to be shown."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BadRequest(BadMessage):
    """The visitor's request is refused with `status`; its connection must be closed after."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class BadGateway(BadMessage):
    """The backend broke the protocol; its connection must be dropped."""


class Truncated(BadGateway):
    """The backend closed in the middle: the visitor's connection must be reset, not ended."""
