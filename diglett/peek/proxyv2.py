"""Version 2 of the PROXY protocol: binary, with options behind the addresses."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from struct import Struct
from typing import Any

from diglett.peek.crc32c import crc32c
from diglett.peek.hostname import readHostName
from diglett.peek.proxyinfo import BadProxyHeader, ProxyInfo, pair, plain

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LONGEST = 4_096
"""Bytes of addresses and options."""

_HEAD = Struct(">12sBBH")
_LOCAL = 0x20
_PROXY = 0x21
_UNSPEC = 0x00
# Each over a stream or over datagrams: a visitor over QUIC has an address all the same.
_INET = (0x11, 0x12)
_INET6 = (0x21, 0x22)
_UNIX = (0x31, 0x32)
_BLOCK = Struct(">4s4sHH")
_BLOCK6 = Struct(">16s16sHH")
_UNIX_SIZE = 216

_OPTION = Struct(">BH")
_AUTHORITY = 0x02
_CRC32C = 0x03


def endOfHeader(buffer: bytes) -> int:
    """Where the header ends: beyond the buffer while it is incomplete. Raises BadProxyHeader."""
    if len(buffer) > 12 and buffer[12] not in (_LOCAL, _PROXY):
        raise BadProxyHeader("an unknown version or command")
    if len(buffer) < _HEAD.size:
        return _HEAD.size
    size: int = _HEAD.unpack_from(buffer)[3]
    if size > LONGEST:
        raise BadProxyHeader(f"{size} bytes of addresses and options (at most {LONGEST})")
    return _HEAD.size + size


def readHeader(header: bytes) -> ProxyInfo:
    """Read a whole header. Raises BadProxyHeader."""
    _, command, family, size = _HEAD.unpack_from(header)
    if command == _LOCAL:
        return ProxyInfo(local=True)  # whatever follows is to be ignored
    if family == _UNSPEC:
        return ProxyInfo()
    if family in _UNIX:
        if size < _UNIX_SIZE:
            raise BadProxyHeader("the addresses are cut off")
        return ProxyInfo(authority=_authority(header, _HEAD.size + _UNIX_SIZE))
    if family not in _INET and family not in _INET6:
        raise BadProxyHeader("an unknown family of addresses")
    block = _BLOCK if family in _INET else _BLOCK6
    make = IPv4Address if family in _INET else IPv6Address
    if size < block.size:
        raise BadProxyHeader("the addresses are cut off")
    source, destination, sourcePort, destinationPort = block.unpack_from(header, _HEAD.size)
    return ProxyInfo(
        (plain(make(source)), sourcePort),
        (plain(make(destination)), destinationPort),
        authority=_authority(header, _HEAD.size + block.size),
    )


def encodeProxyV2(source: Any, destination: Any) -> bytes:
    """A header for these socket addresses; it has none unless both are IP addresses and ports."""
    both = pair(source, destination)
    if both is None:
        return _HEAD.pack(SIGNATURE, _PROXY, _UNSPEC, 0)
    a, sourcePort, b, destinationPort = both
    family, block = (_INET[0], _BLOCK) if a.version == 4 else (_INET6[0], _BLOCK6)
    head = _HEAD.pack(SIGNATURE, _PROXY, family, block.size)
    return head + block.pack(a.packed, b.packed, sourcePort, destinationPort)


def _authority(header: bytes, position: int) -> str | None:
    """The host among the options; all of them must fit, and the checksum be right where there is one."""
    found: dict[int, bytes] = {}
    for kind, start, end in _options(header, position):
        if kind in found:
            raise BadProxyHeader("an option is there twice")
        value = header[start:end]
        if kind == _AUTHORITY:
            found[kind] = value
        elif kind == _CRC32C:
            found[kind] = value
            covered = header[:start] + bytes(len(value)) + header[end:]
            if value != crc32c(covered).to_bytes(4, "big"):
                raise BadProxyHeader("the checksum is wrong")
    try:
        return readHostName(found[_AUTHORITY]) if _AUTHORITY in found else None
    except ValueError as error:
        raise BadProxyHeader(f"the authority: {error}") from None


def _options(header: bytes, position: int) -> Iterator[tuple[int, int, int]]:
    """The kind of each option, and where its value starts and ends."""
    while position < len(header):
        start = position + _OPTION.size
        if start > len(header):
            raise BadProxyHeader("an option is cut off")
        kind, size = _OPTION.unpack_from(header, position)
        position = start + size
        if position > len(header):
            raise BadProxyHeader("an option is cut off")
        yield kind, start, position
