"""The command `diglett`, once its words are read: everything is put together here, run, and ended."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from diglett.agent.report import JsonReporter, TextReporter
from diglett.config.agent import AgentConfig
from diglett.config.backend import Backend as BackendConfig
from diglett.errors import DiglettError, Refused


def run(config: AgentConfig) -> int:
    """Run the agent until it is stopped; the exit status: 0 asked to, 1 given up (`--once`), 3 refused for good."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, until the reactor runs
    from twisted.internet import reactor

    from diglett.agent.logging import startLogging

    startLogging(config.debug, config.logFormat)
    clock: Any = reactor
    reporter = (
        JsonReporter(str(config.gateway))
        if config.logFormat == "json"
        else TextReporter(clock.seconds, str(config.gateway))
    )
    ended: list[DiglettError | None] = []
    service = makeAgent(reactor, config, reporter)

    def over(error: DiglettError | None) -> None:
        ended.append(error)
        reporter.stopped(error)
        if clock.running:
            clock.stop()

    def begin() -> None:
        service.done.addCallback(over)
        service.startService()

    clock.callWhenRunning(begin)
    _onSignals(clock, service)
    clock.run(installSignalHandlers=False)
    error = ended[0] if ended else None
    if error is None:
        return 0
    return 3 if isinstance(error, Refused) and error.permanent else 1


def _onSignals(reactor: Any, service: Any) -> None:
    """The first signal lets running streams finish, the second does not."""
    asked: list[int] = []

    def stop(number: int, frame: Any) -> None:
        asked.append(number)
        reactor.callFromThread(service.stopService if len(asked) == 1 else service.abandon)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)


def makeAgent(reactor: Any, config: AgentConfig, reporter: Any) -> Any:
    """The agent as a service."""
    from diglett.agent.service import AgentService, Tunnel
    from diglett.names import randomName
    from diglett.plane.channel import Target
    from diglett.plane.choose import makePlane
    from diglett.plane.limits import raiseDescriptorLimit
    from diglett.state import stateFolder
    from diglett.trust.client import GatewayTrust
    from diglett.trust.credentials import loadCredentials
    from diglett.wire.messages import Register

    raiseDescriptorLimit()
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
    makeBackend = _backends(plane, config)
    tunnels = [
        Tunnel(
            register=Register(name=tunnel.name or randomName(), type=tunnel.type, share=tunnel.share),
            backend=makeBackend(tunnel.backend),
            shown=str(tunnel.backend),
        )
        for tunnel in config.tunnels
    ]
    target = Target(host=config.gateway.host, port=config.gateway.port)
    service = AgentService(
        plane, target, trust, _tokens(config, state / "token"), tunnels, reporter, config.once, _dialling(config)
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


def _tokens(config: AgentConfig, own: Any) -> Callable[[], str | None]:
    """Where the token comes from at each attempt. The user's own one is for the user's own gateway only."""

    def read() -> str | None:
        token = config.token.read()
        if token is None and _isLoopback(config.gateway.host):
            try:
                return own.read_text(encoding="ascii").strip() or None
            except OSError:
                return None
        return token

    return read


def _isLoopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name, such as 127.example.com


def _backends(plane: Any, config: AgentConfig) -> Callable[[BackendConfig], Any]:
    from diglett.agent.backend import DialledBackend, TLSBackend
    from diglett.plane.channel import Target

    def make(backend: BackendConfig) -> Any:
        if backend.kind == "unix":
            return DialledBackend(plane, Target(path=backend.path))
        if backend.kind == "folder":
            from diglett.agent.folder import FolderBackend

            return FolderBackend(plane, backend.path)
        target = Target(host=backend.host, port=backend.port)
        if backend.kind == "https":
            from diglett.trust.client import BackendTrust

            return TLSBackend(plane, target, BackendTrust(backend.host, insecure=config.backendInsecure))
        return DialledBackend(plane, target)

    return make
