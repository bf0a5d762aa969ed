"""Who connects and what they may do: the values authenticators and gateway exchange."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from attrs import field, frozen

BANDWIDTH_MIN = 100_000
"""Below this a link would be so slow to answer that it seemed dead."""

_UNITS = {"": 1, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000}


def bandwidthOf(value: object) -> int:
    """Bytes a second from a number, or a text such as `500K`, `10M`, `1G`. Raises ValueError: not one, or too low."""
    found = re.match(r"([0-9]{1,12})([KMG]?)\Z", value) if isinstance(value, str) else None
    if found is not None:
        value = int(found[1]) * _UNITS[found[2]]
    if type(value) is not int or value < BANDWIDTH_MIN:
        raise ValueError("bandwidth must be bytes per second, at least 100K, such as 500K, 10M or 1G")
    return value


@frozen
class Limits:
    """The most one account may have at a time; `None` leaves it to the gateway's own limits."""

    agents: int | None = None
    names: int | None = None
    streams: int | None = None
    bandwidth: int | None = None
    """Bytes a second, both directions of all links together."""


@frozen
class Credentials:
    """What an agent showed. At least one of `token` and `certificateName` is usual; both may be absent.

    `certificateName` is set only after TLS verified the certificate. `peer` is
    the agent's address as text, without its port.
    """

    token: str | None = field(default=None, repr=False)
    certificateName: str | None = None
    peer: str = ""


@frozen
class Account:
    """One user, as an authenticator knows it at this moment.

    `patterns` are globs over names (`alice`, `alice-*`); none of them means no
    name at all. At `expires` (seconds since the epoch) the gateway asks the
    authenticator's `refresh` again. `credential` belongs to the authenticator:
    whatever `refresh` needs in order to tell which token this was.
    """

    id: str
    patterns: tuple[str, ...] = ()
    limits: Limits = Limits()
    expires: float | None = None
    credential: object = field(default=None, repr=False, eq=False)

    def allows(self, name: str) -> bool:
        """True if a pattern matches `name`, which is normalised (lower case) already."""
        return any(fnmatchcase(name, pattern) for pattern in self.patterns)
