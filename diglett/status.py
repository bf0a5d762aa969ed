"""How a gateway and an agent are, as frozen values: what people and programs are shown, and cannot disturb."""

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


@frozen
class TunnelStatus:
    """One name of an agent, and what stands behind it."""

    name: str
    type: str
    urls: tuple[str, ...]
    backend: str
    """As it was written."""
    reachable: bool
    """A connection could be made just now."""
    reason: str
    """Why not; empty if it could."""


@frozen
class RunningAgent:
    """What a running agent knows of itself, with its backends and its link tried at this moment."""

    pid: int
    version: str
    gateway: str
    started: str
    """ISO 8601, as all times here."""
    state: str
    """`connected`, `silent` (the link is there, and the gateway does not answer), `connecting`, `stopping`."""
    connectedSince: str | None
    connected: float | None
    """The same in seconds until now."""
    silence: float
    """Seconds since the gateway was last heard; 0 when it answered just now, or there is no link."""
    roundTrip: float | None
    """Seconds, the shortest measured on this link; None until then."""
    reconnects: int
    lastDown: str | None
    """When the last link was lost."""
    lastReason: str
    """And why; empty when none was."""
    lastCode: str
    trouble: str
    """Why the last attempt to connect failed; empty when it did not."""
    nextTry: float | None
    """Seconds until the next attempt; None when one is under way, or none is needed."""
    streams: int
    streamsTotal: int
    received: int
    """Bytes of frames that came from the gateway."""
    sent: int
    tunnels: tuple[TunnelStatus, ...]

    @property
    def ok(self) -> bool:
        """Whether a visitor's request would get to each of the backends now."""
        return self.state == "connected" and all(tunnel.reachable for tunnel in self.tunnels)
