"""What an agent is put together from, as its configuration says: the same for the commands and for programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import frozen

from diglett.agent.backend import DialledBackend, TLSBackend
from diglett.agent.service import AgentService, Tunnel
from diglett.config.agent import AgentConfig
from diglett.config.backend import Backend as BackendConfig
from diglett.names import isLoopback, randomName
from diglett.plane.channel import Target
from diglett.plane.choose import makePlane
from diglett.state import stateFolder
from diglett.trust.client import BackendTrust, GatewayTrust
from diglett.trust.credentials import loadCredentials
from diglett.wire.messages import Register


@frozen
class Parts:
    """Everything that has to do with the network, ready to be used."""

    plane: Any
    state: Path
    trust: GatewayTrust
    target: Target
    token: Callable[[], str | None]
    """What to show the gateway now."""
    tunnels: tuple[Tunnel, ...]
    dialling: Any
    """`Dialling` of the protocol's version."""


def makeParts(reactor: Any, config: AgentConfig) -> Parts:
    """Put them together. Raises UsageError: a file cannot be read, or a package is missing."""
    plane = makePlane(reactor)
    state = stateFolder(config.state)
    trust = GatewayTrust(
        config.gateway.host,
        ca=config.ca,
        pins=config.pins,
        localCa=state / "ca.pem",
        credentials=loadCredentials(config.certificate, config.privateKey) if config.certificate else None,
    )
    trust.connection()  # a file that cannot be read is a mistake to tell at once
    return Parts(
        plane=plane,
        state=state,
        trust=trust,
        target=Target(host=config.gateway.host, port=config.gateway.port),
        token=tokenOf(config, state / "token"),
        tunnels=tuple(
            Tunnel(
                register=Register(name=tunnel.name or randomName(), type=tunnel.type, share=tunnel.share),
                backend=makeBackend(plane, config, tunnel.backend),
                shown=str(tunnel.backend),
            )
            for tunnel in config.tunnels
        ),
        dialling=_dialling(config),
    )


def makeAgent(reactor: Any, config: AgentConfig, reporter: Any) -> AgentService:
    """The agent as a service. Raises UsageError."""
    parts = makeParts(reactor, config)
    plane = parts.plane
    service = AgentService(
        plane, parts.target, parts.trust, parts.token, parts.tunnels, reporter, config.once, parts.dialling
    )
    # It is over when the backends have got the last of what visitors sent.
    service.done.addCallback(lambda error: plane.close().addCallback(lambda _: error))
    return service


def _dialling(config: AgentConfig) -> Any:
    """How the gateway is reached. Raises UsageError: a package that version 1 needs is not there."""
    if config.protocol == "v1":
        from diglett.link.v1dialling import V1Dialling
        from diglett.wire.v1.cipher import requireCurve

        requireCurve()
        return V1Dialling
    from diglett.link.dialling import Dialling

    return Dialling


def tokenOf(config: AgentConfig, own: Path) -> Callable[[], str | None]:
    """Where the token comes from at each attempt. The user's `own` one is for the user's own gateway only."""

    def read() -> str | None:
        token = config.token.read()
        if token is None and isLoopback(config.gateway.host):
            try:
                return own.read_text(encoding="ascii").strip() or None
            except OSError:
                return None
        return token

    return read


def makeBackend(plane: Any, config: AgentConfig, backend: BackendConfig) -> Any:
    """What visitors are taken to."""
    if backend.kind == "unix":
        return DialledBackend(plane, Target(path=backend.path))
    if backend.kind == "folder":
        from diglett.agent.folder import FolderBackend

        return FolderBackend(plane, backend.path)
    target = Target(host=backend.host, port=backend.port)
    if backend.kind == "https":
        return TLSBackend(plane, target, BackendTrust(backend.host, insecure=config.backendInsecure))
    return DialledBackend(plane, target)
