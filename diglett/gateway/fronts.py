"""The embedded public fronts: which there are, and what their URLs look like."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from diglett.config.gateway import GatewayConfig, Network
from diglett.gateway.agents import Agents
from diglett.gateway.banner import portOf
from diglett.gateway.crowd import VisitorCrowds, VisitorLimits
from diglett.gateway.ingress.front import HttpFront
from diglett.gateway.ingress.tls import TlsFront
from diglett.gateway.registry import Registry
from diglett.plane.channel import Channel, Listener
from diglett.plane.limits import raiseDescriptorLimit
from diglett.trust.server import ServerContexts
from diglett.wire.frames import ALPN

_STANDARD = {"https": 443, "http": 80}


GRACE = 10.0
"""Seconds since serving began in which agents of a predecessor come back: until then no name is said not to exist."""


class Fronts:
    """The HTTPS and the HTTP front; the first that listens gives the URL people are told."""

    def __init__(self, plane: Any, config: GatewayConfig, contexts: ServerContexts) -> None:
        self._plane = plane
        self._config = config
        self._contexts = contexts
        self._ports: dict[str, int] = {}
        self._front: HttpFront | None = None
        self._trusts = trustedPeers(config.trustedProxies)
        self.crowds = VisitorCrowds.make(
            plane.clock.seconds, VisitorLimits.within(raiseDescriptorLimit()), self._trusts
        )

    def start(
        self, registry: Registry, agents: Agents
    ) -> Iterator[tuple[str, str, Callable[[Channel], None]]]:
        """What to listen on: the description, its option, and who takes the connections."""
        config = self._config
        crowds = self.crowds
        front = self._front = HttpFront(self._plane.clock, registry, config.domain, self._trusts, crowds.visitors)
        self.begin()
        if config.https is not None:
            tls = TlsFront(self._plane, self._contexts, front, registry, agents, crowds)
            yield config.https, "https", tls.accepted
        if config.http is not None:
            yield config.http, "http", front.visit

    def listening(self, option: str, listener: Listener) -> None:
        """One of them listens."""
        self._ports[option] = portOf(listener)

    def begin(self) -> None:
        """Serving begins now: at the start, and once more when that was only the start of waiting for a predecessor."""
        if self._front is not None:
            self._front.begin(GRACE)

    def expect(self, names: Iterable[str]) -> None:
        """The agents of these names are about to come: their visitors may wait for them."""
        if self._front is not None:
            self._front.lobby.expect(names)

    def ebb(self, patience: float) -> int:
        """From now on every answer is the last one of its connection. Visitors who have been idle for `patience`
        seconds are let go; how many are not, or are just coming in."""
        return self._front.ebb(patience) + len(self.crowds.handshakes) if self._front is not None else 0

    @property
    def ports(self) -> list[str]:
        """Which there are, and where: `https 8443`."""
        return [f"{scheme} {port}" for scheme, port in self._ports.items()]

    def close(self) -> None:
        """Let idle visitors go."""
        if self._front is not None:
            self._front.close()

    @property
    def visitors(self) -> int:
        """Connections at both fronts now."""
        return self._front.visitors if self._front is not None else 0

    def urls(self, fqdn: str, kind: str) -> tuple[str, ...]:
        """Where a name is reached, best first."""
        if kind == "tcp":
            return ()
        schemes = ("https",) if kind == "tls" else ("https", "http")
        return tuple(self._url(scheme, fqdn) for scheme in schemes if scheme in self._ports)

    def _url(self, scheme: str, host: str) -> str:
        port = self._ports[scheme]
        return f"{scheme}://{host}" if port in (0, _STANDARD[scheme]) else f"{scheme}://{host}:{port}"

    def describe(self) -> Iterator[str]:
        """For the banner."""
        for scheme in self._ports:
            yield f"names are served at {self._url(scheme, 'NAME.' + self._config.domain)}"


def frontContexts(config: GatewayConfig, credentials: Any, authority: Any, clientAuthorities: Any) -> ServerContexts:
    """TLS of the HTTPS front: browsers speak HTTP/1.1, agents their own protocol, and only those show certificates."""
    return ServerContexts(
        credentials,
        authority,
        config.domain,
        alpn=[b"http/1.1", ALPN],
        clientAuthorities=clientAuthorities,
        clientProtocol=ALPN,
        resumes=True,
    )


def trustedPeers(networks: tuple[Network, ...]) -> Callable[[str], bool]:
    """Whether an address is in one of these networks; remembers the last few answers."""
    if not networks:
        return lambda address: False

    @lru_cache(maxsize=1024)
    def trusts(address: str) -> bool:
        try:
            peer = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped is not None:
            peer = peer.ipv4_mapped
        return any(peer in network for network in networks)

    return trusts
