"""How a gateway is, as frozen values: what admin pages show, and nothing they could disturb."""

from __future__ import annotations

from attrs import frozen


@frozen
class AgentStatus:
    """One connected agent."""

    account: str
    address: str
    """`address port` of its connection."""
    connected: float
    """Seconds since the link was established."""
    names: tuple[str, ...]
    streams: int
    undelivered: int
    """Bytes received from it that visitors have not taken yet."""
    roundTrip: float | None
    """Seconds, the shortest measured; None until then."""


@frozen
class NameStatus:
    """One public name."""

    name: str
    kind: str
    urls: tuple[str, ...]
    agents: int


@frozen
class GatewayStatus:
    """Everything at one moment."""

    version: str
    domain: str
    uptime: float
    """Seconds since the gateway listens."""
    draining: bool
    agents: tuple[AgentStatus, ...]
    names: tuple[NameStatus, ...]
    handshakes: int
    """Agents that are just coming in."""
    visitors: int
    """Connections at the HTTP and HTTPS fronts."""
    agentsTotal: int
    """Links established since the start."""
    refusedTotal: int
    """Connections and handshakes of agents that were turned away since the start."""
