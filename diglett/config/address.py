"""Host and port, as people write them."""

from __future__ import annotations

import re

from attrs import frozen

from diglett.errors import UsageError

_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?\.?\Z", re.IGNORECASE)


@frozen
class Address:
    """Where to connect; an IPv6 address is kept without its brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parseAddress(text: str, what: str, defaultPort: int | None = None) -> Address:
    """
    Read HOST:PORT, or HOST alone when there is a default port; IPv6 in brackets.

    `what` names the thing in the UsageError that anything else raises.
    """
    host, port = _split(text, what)
    if not host:
        raise UsageError(f"{what} {text!r} has no host in front of the port")
    if host.startswith("["):
        host = _checkAddress(host[1:-1], text, what)
    else:
        host = _checkHost(host, text, what)
    if port is None:
        if defaultPort is None:
            raise UsageError(f"{what} {text!r} has no port: write {text}:PORT")
        return Address(host, defaultPort)
    return Address(host, parsePort(port, what))


def parsePort(text: str, what: str) -> int:
    """Read a port number from 1 to 65535, or raise UsageError."""
    # str.isdigit alone takes the digits of every script.
    if text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) <= 65535:
        return int(text)
    raise UsageError(f"{what}: {text!r} is not a port (1 to 65535)")


def _split(text: str, what: str) -> tuple[str, str | None]:
    """Cut off the port, if there is one."""
    if text.startswith("["):
        host, bracket, rest = text.partition("]")
        if bracket and not rest:
            return text, None
        if bracket and rest.startswith(":"):
            return host + "]", rest[1:]
    elif text.count(":") > 1:
        raise UsageError(f"{what} {text!r}: an IPv6 address is written in brackets, as in [::1]:80")
    elif ":" in text:
        host, _, port = text.partition(":")
        return host, port
    else:
        return text, None
    raise UsageError(f"{what} {text!r} is not HOST:PORT")


def _checkAddress(host: str, text: str, what: str) -> str:
    """Let an IPv6 address (with or without a zone) through."""
    import ipaddress

    try:
        return str(ipaddress.IPv6Address(host))
    except ValueError:
        raise UsageError(f"{what} {text!r}: {host!r} is not an IPv6 address") from None


def _checkHost(host: str, text: str, what: str) -> str:
    """Let a host name or an IPv4 address through; an international name becomes ASCII."""
    if not host.isascii() and len(host) < 254:
        import idna

        try:
            return idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError:
            pass
    elif _HOST.match(host):
        return host.lower()
    raise UsageError(f"{what} {text!r}: {host!r} is not a host name")
