"""Version 1 of the PROXY protocol: a line of text."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from diglett.peek.proxyinfo import Address, BadProxyHeader, ProxyInfo, pair, plain

SIGNATURE = b"PROXY "
LONGEST = 107
"""Bytes of a header, its end of line included."""

_FAMILIES: dict[str, type[IPv4Address | IPv6Address]] = {"TCP4": IPv4Address, "TCP6": IPv6Address}
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")


def endOfHeader(buffer: bytes) -> int:
    """Where the header ends: beyond the buffer while it is incomplete. Raises BadProxyHeader."""
    end = buffer.find(b"\r\n", 0, LONGEST)
    if end >= 0:
        return end + 2
    if len(buffer) >= LONGEST:
        raise BadProxyHeader(f"no end of line in {LONGEST} bytes")
    return LONGEST


def readHeader(header: bytes) -> ProxyInfo:
    """Read a whole header. Raises BadProxyHeader."""
    try:
        words = header[:-2].decode("ascii").split(" ")
    except UnicodeDecodeError:
        raise BadProxyHeader("it is not ASCII") from None
    if words[1] == "UNKNOWN":
        return ProxyInfo()  # whatever follows is to be ignored
    family = _FAMILIES.get(words[1])
    if family is None or len(words) != 6:
        raise BadProxyHeader("it is not PROXY TCP4|TCP6 SOURCE DESTINATION PORT PORT")
    source, destination, sourcePort, destinationPort = words[2:]
    return ProxyInfo(_address(family, source, sourcePort), _address(family, destination, destinationPort))


def encodeProxyV1(source: Any, destination: Any) -> bytes:
    """A header for these socket addresses; it says UNKNOWN unless both are IP addresses and ports."""
    both = pair(source, destination)
    if both is None:
        return b"PROXY UNKNOWN\r\n"
    a, sourcePort, b, destinationPort = both
    family = "TCP4" if a.version == 4 else "TCP6"
    return f"PROXY {family} {a} {b} {sourcePort} {destinationPort}\r\n".encode("ascii")


def _address(family: type[IPv4Address | IPv6Address], host: str, port: str) -> Address:
    try:
        address = family(host)
    except ValueError:
        raise BadProxyHeader("an address is malformed") from None
    if "%" in host:
        raise BadProxyHeader("an address is malformed")
    if not _PORT.fullmatch(port) or int(port) > 65_535:
        raise BadProxyHeader("a port is malformed")
    return plain(address), int(port)
