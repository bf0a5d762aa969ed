"""Host names as TLS clients and proxies write them, in one spelling."""

from __future__ import annotations

import re

LONGEST = 253
"""Characters in a host name, without a final dot."""

# The same characters as in the Host of a request, because the two are compared.
_NAME = re.compile(rb"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*")
_ADDRESS = re.compile(rb"[0-9]+(?:\.[0-9]+)*|[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*")


def readHostName(raw: bytes) -> str | None:
    """
    The name in lower case and without a final dot; None for an address, which
    is no name (RFC 6066 forbids it where some clients send it all the same).

    Raises ValueError, with what is wrong.
    """
    if len(raw) > LONGEST + 1:
        raise ValueError("the host name is too long")
    if raw[-1:] == b".":
        raw = raw[:-1]
    if len(raw) > LONGEST:
        raise ValueError("the host name is too long")
    if _ADDRESS.fullmatch(raw):
        return None
    if not _NAME.fullmatch(raw):
        raise ValueError("the host name is malformed")
    return raw.decode("ascii").lower()
