"""How many connections there are, all together and from one place, and whether one more may come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from attrs import evolve, frozen
from twisted.logger import Logger

from diglett.guarding import network
from diglett.hushed import Hushed
from diglett.plane.channel import Channel

log = Logger()

placeOf = lru_cache(maxsize=4_096)(network)
"""What connections are counted by: an IPv4 address, an IPv6 /64."""


class Crowd:
    """At most `most` at a time, and at most `each` from one place, unless that is `exempt`; the others are reset.

    Exempt are always this machine and those of whom no address is known; `exempt` is for the operator's own proxies,
    behind which everybody has one address.
    """

    def __init__(
        self,
        what: str,
        clock: Callable[[], float],
        most: int,
        each: int | None = None,
        exempt: Callable[[str], bool] = lambda address: False,
        makeRoom: Callable[[], None] = lambda: None,
    ) -> None:
        self._what = what
        self._makeRoom = makeRoom
        """Called when it is full: somebody may be made to leave."""
        self._most = most
        self._each = each
        self._exempt = exempt
        self._hushed = Hushed(log, clock)
        self._places: Counter[str] = Counter()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def admit(self, channel: Channel, peer: Any = "") -> bool:
        """Whether it may come in, counted as from `peer` (empty: from nowhere); it is over if not.

        `leave` follows, with the same peer.
        """
        address = hostOf(peer)
        why = self._enter(address)
        if why is None:
            return True
        address = hostOf(channel.peer)
        self._hushed.warn(
            f"{address} {why}", "{peer}: turned away: {reason}", event="turned-away", peer=address, reason=why
        )
        channel.abort()
        return False

    def _enter(self, address: str) -> str | None:
        place = placeOf(address) if self._each is not None and self._counts(address) else ""
        if place and self._places[place] >= self._each:  # type: ignore[operator]
            return f"there are {self._each} {self._what} from {place} already"
        if self._count >= self._most:
            self._makeRoom()
        if self._count >= self._most:
            return f"there are {self._most} {self._what} already"
        self._count += 1
        if place:
            self._places[place] += 1
        return None

    def leave(self, peer: Any = "") -> None:
        """One that had come has gone."""
        address = hostOf(peer)
        self._count -= 1
        if self._each is not None and self._counts(address):
            place = placeOf(address)
            self._places[place] -= 1
            if not self._places[place]:
                del self._places[place]

    def _counts(self, address: str) -> bool:
        return address != "" and not isLoopback(address) and not self._exempt(address)


@frozen
class VisitorLimits:
    """What the gateway takes from visitors at a time; `each` and `handshakesEach` from one place, at the fronts."""

    visitors: int = 50_000
    each: int = 2_000
    handshakes: int = 2_000
    handshakesEach: int = 500

    @classmethod
    def within(cls, descriptors: int) -> VisitorLimits:
        """Visitors never take the last quarter of the file descriptors: agents need some. 0: nobody knows how many."""
        limits = cls()
        return evolve(limits, visitors=min(limits.visitors, descriptors * 3 // 4)) if descriptors else limits


@frozen
class VisitorCrowds:
    """All visitors, at ports and at fronts, and those of the HTTPS front who are still at their TLS handshake."""

    visitors: Crowd
    handshakes: Crowd

    @classmethod
    def make(cls, clock: Callable[[], float], limits: VisitorLimits, exempt: Callable[[str], bool]) -> VisitorCrowds:
        """Empty ones."""
        return cls(
            Crowd("visitors", clock, limits.visitors, limits.each, exempt),
            Crowd("TLS handshakes with visitors", clock, limits.handshakes, limits.handshakesEach, exempt),
        )


def hostOf(peer: Any) -> str:
    """The address of a socket's other side, without its port; empty for a Unix socket."""
    return str(peer[0]) if isinstance(peer, tuple) else ""


@lru_cache(maxsize=1_024)
def isLoopback(address: str) -> bool:
    """Whether it is this very machine."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
