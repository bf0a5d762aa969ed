"""Reading a TLS ClientHello (RFC 8446, 4.1.2) without taking it from whoever will do the handshake."""

from __future__ import annotations

from struct import Struct

from attrs import frozen

from diglett.errors import DiglettError
from diglett.peek.hostname import readHostName

LIMIT = 16_384 + 5
"""Bytes that are looked at: a full record. Browsers send 0.5 to 2 kB."""
RECORDS_MAX = 64
"""Records a hello may be split over. All are walked over at each look, and each byte that arrives may be one."""

# With b"", what may be there while nothing is there yet.
_HANDSHAKE = (b"", b"\x16")
_MAJOR = (b"", b"\x03")
_CLIENT_HELLO = (b"", b"\x01")
_RECORD_MAX = 16_384

_SERVER_NAME = 0
_PROTOCOLS = 16
_VERSIONS = 43
_WANTED = frozenset((_SERVER_NAME, _PROTOCOLS, _VERSIONS))
_PAIR = Struct(">HH")
_GREASE = frozenset(0x0A0A + 0x1010 * i for i in range(16))
"""Values without a meaning, sent so that nobody chokes on new ones (RFC 8701)."""
_GREASE_NAMES = frozenset(value.to_bytes(2, "big") for value in _GREASE)


class NotTLS(DiglettError):
    """These bytes are not the beginning of a TLS connection, or not a sound one."""


@frozen
class ClientHello:
    """What a client says before anything is encrypted. With ECH it is the outer hello, which is meant to be seen."""

    serverName: str | None
    """The host it wants, in lower case, without a final dot; None when it names none, or an address."""
    protocols: tuple[bytes, ...]
    """What it would speak (ALPN), the preferred first, without GREASE."""
    versions: tuple[int, ...]
    """Versions of TLS as on the wire (0x0304 is 1.3), the preferred first, without GREASE."""


def peekClientHello(data: bytes, limit: int = LIMIT) -> ClientHello | None:
    """
    Read the hello at the start of `data`, which is all that has arrived; None
    when more is needed. What follows the hello is ignored.

    Raises NotTLS: as early as it is certain, and when the first `limit` bytes
    hold no whole hello.
    """
    seen = data[:limit]
    body = _body(seen, limit)
    if body is not None:
        return _parse(body)
    if len(seen) >= limit:
        raise NotTLS(f"no whole ClientHello in {limit} bytes")
    return None


def _body(data: bytes, limit: int) -> bytes | None:
    """The hello without its headers, put together from its records; None while it is incomplete."""
    message = b""
    position = 0
    for _ in range(RECORDS_MAX):
        header = data[position : position + 5]
        if header[:1] not in _HANDSHAKE or header[1:2] not in _MAJOR:
            raise NotTLS("this is no record of a TLS handshake")
        if len(header) < 5:
            return None
        size = header[3] << 8 | header[4]
        if not 0 < size <= _RECORD_MAX:
            raise NotTLS(f"a handshake record of {size} bytes")
        position += 5
        message += data[position : position + size]
        position += size
        if message[:1] not in _CLIENT_HELLO:
            raise NotTLS("the handshake does not begin with a ClientHello")
        if len(message) >= 4:
            end = 4 + int.from_bytes(message[1:4], "big")
            if 5 + end > limit:
                raise NotTLS(f"a ClientHello of {end} bytes")
            if len(message) >= end:
                return message[4:end]
        if position > len(data):
            return None
    raise NotTLS(f"a ClientHello in more than {RECORDS_MAX} records")


def _parse(body: bytes) -> ClientHello:
    """Read a whole hello. Every length in it must be exact."""
    if body[:1] != b"\x03":
        raise NotTLS("the ClientHello is of an unknown version")
    suites = _end(body, 34, 1, 0, 32)  # behind version, random and the session's id
    methods = _end(body, suites, 2, 2, 65_534)
    if (methods - suites) % 2:
        raise NotTLS("the ClientHello's list of cipher suites is malformed")
    position = _end(body, methods, 1, 1, 255)
    wanted = _extensions(body, position) if position < len(body) else {}
    name = wanted.get(_SERVER_NAME)
    protocols = wanted.get(_PROTOCOLS)
    versions = wanted.get(_VERSIONS)
    return ClientHello(
        None if name is None else _serverName(name),
        () if protocols is None else _protocols(protocols),
        (body[0] << 8 | body[1],) if versions is None else _versions(versions),
    )


def _extensions(body: bytes, position: int) -> dict[int, bytes]:
    """Those of the extensions that matter here. They must fill the hello's rest."""
    if _end(body, position, 2, 0, 65_535) != len(body):
        raise NotTLS("there is something behind the ClientHello's extensions")
    position += 2
    wanted: dict[int, bytes] = {}
    while position < len(body):
        if position + 4 > len(body):
            raise NotTLS("an extension of the ClientHello is cut off")
        kind, size = _PAIR.unpack_from(body, position)
        position += 4
        if position + size > len(body):
            raise NotTLS("an extension of the ClientHello is cut off")
        if kind in _WANTED:
            if kind in wanted:
                raise NotTLS("an extension of the ClientHello is there twice")
            wanted[kind] = body[position : position + size]
        position += size
    return wanted


def _serverName(data: bytes) -> str | None:
    """The one host name of the list (RFC 6066, 3); no other kind of name was ever defined."""
    if _end(data, 0, 2, 4, 65_535) != len(data) or data[2] != 0 or _end(data, 3, 2, 1, 65_535) != len(data):
        raise NotTLS("the ClientHello's server name is malformed")
    try:
        return readHostName(data[5:])
    except ValueError as error:
        raise NotTLS(f"the ClientHello's server name: {error}") from None


def _protocols(data: bytes) -> tuple[bytes, ...]:
    """The names of a list of protocols (RFC 7301, 3.1)."""
    if _end(data, 0, 2, 2, 65_535) != len(data):
        raise NotTLS("the ClientHello's list of protocols is malformed")
    names = []
    position = 2
    while position < len(data):
        start = position + 1
        position = _end(data, position, 1, 1, 255)
        names.append(data[start:position])
    return tuple(name for name in names if name not in _GREASE_NAMES)


def _versions(data: bytes) -> tuple[int, ...]:
    """The versions of a list (RFC 8446, 4.2.1)."""
    if _end(data, 0, 1, 2, 254) != len(data) or not len(data) % 2:
        raise NotTLS("the ClientHello's list of versions is malformed")
    versions = (data[i] << 8 | data[i + 1] for i in range(1, len(data), 2))
    return tuple(version for version in versions if version not in _GREASE)


def _end(data: bytes, position: int, prefix: int, least: int, most: int) -> int:
    """Where the vector ends whose length, `prefix` bytes long, is at `position`."""
    start = position + prefix
    size = int.from_bytes(data[position:start], "big")
    end = start + size
    if not least <= size <= most or end > len(data):
        raise NotTLS("a length in the ClientHello is wrong")
    return end
