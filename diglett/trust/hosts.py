# -*- test-case-name: tests.trust.test_hosts -*-
"""Host names and addresses, as certificates and SNI know them."""

from __future__ import annotations

import ipaddress
import re
import socket

from diglett.errors import UsageError

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_LOOSE = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")


def isHostName(name: str) -> bool:
    """True for a lower-case host name of letters, digits and hyphens (RFC 1123)."""
    return _HOST.fullmatch(name) is not None


def ownNames(domain: str) -> tuple[str, ...]:
    """Give the names and addresses under which this machine reaches itself, the domain first."""
    names = [domain, "localhost", "127.0.0.1", "::1"]
    host = socket.gethostname().lower().rstrip(".")
    if isHostName(host):
        names += [host, host.partition(".")[0]]
    return tuple(dict.fromkeys(names))


def hostIdentity(host: str) -> tuple[str | None, str]:
    """
    Give a host's address, None if it is a name, and its text for the wire.

    An IPv6 address may be in brackets and have a zone; a name may be
    international and end in a dot. Raises UsageError for neither.
    """
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = str(ipaddress.ip_address(bare.partition("%")[0]))
    except ValueError:
        pass
    else:
        return address, address
    name = host.rstrip(".").lower()
    try:
        if not name.isascii():
            import idna

            name = idna.encode(name, uts46=True).decode("ascii")
    except ValueError as error:  # idna's errors are UnicodeErrors
        raise UsageError(f"the host name {host!r} is not valid: {error}") from None
    # Underscores are no host names, but people have them in theirs.
    if _LOOSE.fullmatch(name) is None:
        raise UsageError(f"the host name {host!r} is not valid")
    return None, name
