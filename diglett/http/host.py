"""The Host of a request: one spelling for what may be written in many."""

from __future__ import annotations

import re
from functools import lru_cache

_LONGEST = 262  # a full domain name, its dot, a colon and a port
_HOST = re.compile(
    rb"(?:([A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*)\.?|(\[[0-9A-Fa-f:.]{2,45}\]))"
    rb"(?::([0-9]{1,5}))?"
)


def parseHost(value: bytes) -> tuple[str, int | None]:
    """Host and port of a Host header or an authority.

    The host comes in lower case and without the final dot. Raises ValueError
    for anything but a plain name, an address and a port: user names, escapes,
    empty labels, empty ports.
    """
    if len(value) > _LONGEST:
        raise ValueError("the host is too long")
    return _parse(value)


@lru_cache(maxsize=1024)
def _parse(value: bytes) -> tuple[str, int | None]:
    match = _HOST.fullmatch(value)
    if match is None:
        raise ValueError("the host is not a name, an address, or one of them with a port")
    name, literal, digits = match.groups()
    port = None if digits is None else int(digits)
    if port is not None and not 0 < port < 65536:
        raise ValueError("the port of the host is out of range")
    if literal is not None:
        from ipaddress import IPv6Address

        return f"[{IPv6Address(literal[1:-1].decode())}]", port
    return name.decode().lower(), port
