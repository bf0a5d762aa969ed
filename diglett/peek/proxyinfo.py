"""What a PROXY header tells, and the addresses in it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from attrs import frozen

from diglett.errors import DiglettError

Address = tuple[str, int]
"""An IP address and a port."""
IP = IPv4Address | IPv6Address
_MAPPED = 0xFFFF << 32


class BadProxyHeader(DiglettError):
    """These bytes are no PROXY header, or not a sound one; nothing on the connection can be trusted."""


@frozen
class ProxyInfo:
    """What a header tells. IPv4 addresses in the clothes of IPv6 are given as IPv4."""

    source: Address | None = None
    """The visitor; None when the proxy does not say, or it is at no IP address: then use the connection's own."""
    destination: Address | None = None
    """What the visitor connected to, or None."""
    local: bool = False
    """The proxy speaks for itself, as in a health check: then, too, the connection's own address is all there is."""
    authority: str | None = None
    """The host that the visitor asked the proxy for (SNI), where that is a name."""


def plain(address: IP) -> str:
    """The address as text."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def pair(source: Any, destination: Any) -> tuple[IP, int, IP, int] | None:
    """Two socket addresses, made of one family; None unless both are IP addresses and ports."""
    try:
        a, b = (ip_address(plain(ip_address(address[0].partition("%")[0]))) for address in (source, destination))
        sourcePort, destinationPort = source[1], destination[1]
    except (ValueError, TypeError, LookupError, AttributeError):
        return None
    if a.version != b.version:
        a, b = _widened(a), _widened(b)
    return a, sourcePort, b, destinationPort


def _widened(address: IP) -> IPv6Address:
    return address if isinstance(address, IPv6Address) else IPv6Address(_MAPPED | int(address))
