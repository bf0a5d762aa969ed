"""The gateway as a service: puts its parts together, starts them in order, stops them in the other."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from diglett import __version__
from diglett.config.gateway import GatewayConfig
from diglett.errors import DiglettError, UsageError
from diglett.extensions import gatewayIdentity, openAuthenticator, openRegistrars
from diglett.gateway.agents import AgentLimits, Agents
from diglett.gateway.banner import banner, portOf
from diglett.gateway.fronts import Fronts, frontContexts
from diglett.gateway.ingress.proxied import behindProxy
from diglett.gateway.publicname import NameContext
from diglett.gateway.registry import Registry
from diglett.gateway.session import SessionContext
from diglett.gateway.succession import Names, Succession, isShared
from diglett.guarding import GuardedAuthenticator
from diglett.interfaces import PluginContext
from diglett.link.arrival import Arrival
from diglett.link.v1arrival import EitherArrival
from diglett.plane.channel import Channel, Listener
from diglett.plane.choose import makePlane
from diglett.plane.limits import raiseDescriptorLimit
from diglett.publishing import Publisher
from diglett.state import ensureFolder, stateFolder
from diglett.status import GatewayStatus
from diglett.trust.authority import LocalAuthority
from diglett.trust.clients import clientNameOf
from diglett.trust.credentials import loadCredentials
from diglett.trust.server import ServerContexts
from diglett.wire.frames import ALPN
from diglett.wire.v1.cipher import requireCurve

log = Logger()

RELOAD = 30.0
"""Seconds between looks at the certificate files."""
DRAIN_LIMIT = 30.0
"""Seconds that running streams have to finish when the gateway stops."""
LAST_CALL = 1.0
"""Seconds, before it accepts no more and again afterwards, in which visitors may ask once more."""
EBB = 0.02
"""Seconds between looks at who has."""


AdminSite = Callable[[Callable[[], GatewayStatus]], Any]
"""Makes the admin endpoint's factory from what gives a snapshot."""


class GatewayService(Service):
    """`started` fires when everything listens, or fails with why it could not: a CancelledError when it was stopped."""

    def __init__(
        self, reactor: Any, config: GatewayConfig, announce: Callable[[str], None], admin: AdminSite | None = None
    ) -> None:
        self.started: Deferred[None] = Deferred()
        self.agentPort = 0
        """Where agents connect, once started; 0 when that is no TCP port."""
        self._reactor = reactor
        self._config = config
        self._announce = announce
        self._admin = admin
        self._plane: Any = None
        self._listeners: list[Listener] = []
        self._authenticator: Any = None
        self._publisher: Publisher | None = None
        self._agents: Agents | None = None
        self._fronts: Fronts | None = None
        self._registry: Registry | None = None
        self._started = 0.0
        self._starting: Deferred[None] | None = None
        self._reload: LoopingCall | None = None
        self._succession: Succession | None = None

    # ---- start ---------------------------------------------------------------------------------------------------

    def startService(self) -> None:
        super().startService()
        self._starting = Deferred.fromCoroutine(self._start())
        self._starting.addCallbacks(self.started.callback, self._notStarted)

    async def _start(self) -> None:
        config = self._config
        raiseDescriptorLimit()
        state = ensureFolder(stateFolder(config.state))
        credentials = [loadCredentials(*pair) for pair in config.certificates]
        authority = None if credentials else LocalAuthority.open(state)
        context = PluginContext(
            reactor=self._reactor,
            state=state,
            domain=config.domain,
            gateway=gatewayIdentity(state),
            log=Logger("diglett.plugin"),
        )
        authenticator = GuardedAuthenticator(openAuthenticator(config.auth, context), self._reactor)
        publisher = Publisher(openRegistrars(config.register, context), self._reactor)
        plane = self._plane = makePlane(self._reactor)
        await authenticator.start(self._recheck)
        self._authenticator = authenticator
        if not isShared(config.listen):
            await self._startPublishing(publisher)
        await self._listen(plane, authenticator, publisher, credentials, authority, state)
        if self._succession is not None:
            # The proxies' and stores' entries are our predecessor's until it has let go of them.
            names = await self._succession.turn(self._waitForTurn)
            await self._startPublishing(publisher)
            self._succeed(names)

    async def _startPublishing(self, publisher: Publisher) -> None:
        await publisher.start()
        self._publisher = publisher

    def _waitForTurn(self) -> None:
        self._announce("diglett-server: another gateway serves these sockets; this one will when that one stops")

    def _succeed(self, names: Names) -> None:
        """Our turn has come."""
        assert self._registry is not None and self._fronts is not None
        self._fronts.begin()
        self._registry.missed(name for name, kind in names if kind == "http")
        self._fronts.expect(name for name, kind in names if kind != "tcp")
        for listener in self._listeners:
            listener.resume()
        log.info("serving; the agents of {count} names are expected", count=len(names))

    async def _listen(
        self, plane: Any, authenticator: Any, publisher: Any, credentials: Any, authority: Any, state: Path
    ) -> None:
        config = self._config
        agentContexts = ServerContexts(
            credentials,
            authority,
            config.domain,
            alpn=[ALPN],
            clientAuthorities=authenticator.clientAuthorities,
        )
        frontTls = frontContexts(config, credentials, authority, authenticator.clientAuthorities)
        fronts = self._fronts = Fronts(plane, config, frontTls)
        registry = Registry(
            NameContext(
                plane=plane, publisher=publisher, bind=config.bind, domain=config.domain, urls=fronts.urls,
                visitors=fronts.crowds.visitors, proxyProtocol=config.proxyProtocol,
            )
        )
        agents = self._agents = Agents(
            plane,
            lambda agents: SessionContext(
                clock=self._reactor,
                authenticator=authenticator,
                registry=registry,
                sessions=agents,
                reserved=config.reserved,
                certificateName=clientNameOf,
            ),
            AgentLimits(),
            _arrivals(config),
        )

        def accepted(channel: Channel) -> None:
            agents.accepted(channel, agentContexts.connection)

        listener = await self._accept(config.listen, "listen", accepted)
        if isShared(config.listen):
            self._succession = Succession(self._reactor, state, listener.address())
            listener.pause()
        self.agentPort = portOf(listener)
        for description, option, accept in fronts.start(registry, agents):
            fronts.listening(option, await self._accept(description, option, accept))
        self._started = self._reactor.seconds()
        self._registry = registry
        admin = await self._listenAdmin(config.admin) if config.admin is not None else None
        self._reload = LoopingCall(_reloadCertificates, (agentContexts, frontTls))
        self._reload.clock = self._reactor
        self._reload.start(RELOAD, now=False)
        for line in banner(config, listener, fronts, admin, agentContexts.fingerprint, authority, authenticator):
            self._announce(line)
        log.debug(
            "{domain} is served",
            event="started",
            version=__version__,
            domain=config.domain,
            agents=self.agentPort or config.listen,
            fronts=fronts.ports,
            fingerprint=agentContexts.fingerprint,
        )

    async def _accept(self, description: str, option: str, accepted: Callable[[Channel], None]) -> Listener:
        """Listen; `haproxy:` before an endpoint means, as in Twisted, that a PROXY protocol header comes first."""
        place = description
        if place.startswith("haproxy:"):
            place = place.removeprefix("haproxy:")
            accepted = behindProxy(self._reactor, accepted)
        return await self._open(description, option, self._plane.listen(place, accepted))

    async def _listenAdmin(self, description: str) -> Listener:
        if self._admin is None:
            raise UsageError("there is no admin site in this program")
        listening = serverFromString(self._reactor, description).listen(self._admin(self.status))
        return await self._open(description, "admin", listening.addCallback(_AdminPort))

    def status(self) -> GatewayStatus:
        """How everything is at this moment; only once started."""
        agents, fronts, registry = self._agents, self._fronts, self._registry
        assert agents is not None and fronts is not None and registry is not None
        return GatewayStatus(
            version=__version__,
            domain=self._config.domain,
            uptime=self._reactor.seconds() - self._started,
            draining=agents.draining,
            agents=tuple(session.status() for session in agents),
            names=tuple(public.status() for public in registry),
            handshakes=agents.handshakes,
            visitors=fronts.visitors,
            agentsTotal=agents.total,
            refusedTotal=agents.refused,
        )

    async def _open(self, description: str, option: str, listening: Deferred[Listener]) -> Listener:
        try:
            listener = await listening
        except Exception as error:
            raise UsageError(f"--{option} {description}: cannot listen: {_why(error)}") from error
        self._listeners.append(listener)
        if self._succession is not None:
            listener.pause()
        return listener

    def _notStarted(self, failure: Any) -> None:
        if not self.running:
            failure = Failure(CancelledError())
        elif failure.check(DiglettError):
            log.error("the gateway cannot start: {reason}", event="start-failed", reason=str(failure.value))
        else:
            log.failure("the gateway cannot start", failure=failure)
        self.started.errback(failure)

    def _recheck(self) -> None:
        if self._agents is not None:
            self._agents.recheck()

    # ---- stop ----------------------------------------------------------------------------------------------------

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        """Accept nothing new, let what runs finish for a while, withdraw, and let go."""
        if self._starting is not None:
            self._starting.cancel()
        if self._reload is not None and self._reload.running:
            self._reload.stop()
        await self._ebb()
        for listener in self._listeners:
            if self._succession is not None:
                listener.pause()  # whoever waits is the next one's
            else:
                await maybeDeferred(listener.close)
        await self._ebb()
        if self._fronts is not None:
            self._fronts.close()
        names = [(public.name, public.kind) for public in self._registry or ()]
        drained = self._agents.drain(DRAIN_LIMIT) if self._agents is not None else succeed(None)
        if self._publisher is not None:
            await self._publisher.stop()  # all names have been released
        if self._succession is not None:
            for listener in self._listeners:
                await maybeDeferred(listener.close)
            self._succession.leave(names)
        await drained
        if self._authenticator is not None:
            await maybeDeferred(self._authenticator.stop)
        if self._plane is not None:
            await self._plane.close()

    async def _ebb(self) -> None:
        """Whoever has just had an answer may be asking again: let them, for a moment, and tell them to connect anew."""
        clock = self._reactor
        end = clock.seconds() + LAST_CALL
        while self._fronts is not None and self._fronts.ebb(LAST_CALL) and clock.seconds() < end:
            await deferLater(clock, EBB, lambda: None)


class _AdminPort:
    """A port of Twisted's, as a listener: the admin site is not on the data path."""

    def __init__(self, port: Any) -> None:
        self._port = port

    def address(self) -> Any:
        return self._port.socket.getsockname()

    def pause(self) -> None:
        """Leave those who come to another process."""
        self._port.stopReading()

    def resume(self) -> None:
        self._port.startReading()

    def close(self) -> Any:
        return self._port.stopListening()


def _reloadCertificates(contexts: Sequence[ServerContexts]) -> None:
    for each in contexts:
        try:
            if each.reload():
                log.info("the certificates have changed and were read anew", event="certificates-read")
        except DiglettError as error:
            log.error(
                "the changed certificates cannot be used, the old ones stay: {reason}",
                event="certificates-unusable",
                reason=str(error),
            )


def _why(error: Exception) -> str:
    inner = getattr(error, "socketError", error)
    return getattr(inner, "strerror", None) or str(inner)


def _arrivals(config: GatewayConfig) -> type[Arrival]:
    """How agents come in. Raises UsageError: version 1 is wanted, and a package that it needs is not there."""
    if config.allowV1:
        requireCurve()
        return EitherArrival
    return Arrival


def makeGateway(config: GatewayConfig, admin: AdminSite | None = None) -> Service:
    """For `twistd`: stops the process with status 1 when the gateway cannot start."""
    from twisted.internet import reactor

    _arrivals(config)
    clock: Any = reactor
    service = GatewayService(reactor, config, _logLine if config.logFormat == "json" else _printLine, admin)

    def giveUp(failure: Any) -> None:
        if failure.check(CancelledError):
            return
        clock.addSystemEventTrigger("after", "shutdown", _exitWithFailure)
        clock.callWhenRunning(clock.stop)

    service.started.addErrback(giveUp)
    clock.callWhenRunning(_stopOnSignals, clock)
    return service


def _stopOnSignals(reactor: Any) -> None:
    """Being asked to stop is no failure: twistd's own handlers end with the signal once all has been let go."""

    def stop(number: int, frame: Any) -> None:
        reactor.callFromThread(lambda: reactor.stop() if reactor.running else None)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _exitWithFailure() -> None:
    """twistd ends with status 0 whatever happened, and systemd would believe it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _printLine(line: str) -> None:
    """To the terminal as it is; a daemon, which has none, writes it into its log."""
    if _hasOutput():
        print(line, file=sys.__stdout__, flush=True)
    else:
        _logLine(line)


def _logLine(line: str) -> None:
    """Into the log, without a token that it may hold."""
    line = re.sub(r"\bdig_\S+", "(not logged; see the state folder)", line)
    log.info("{_line}", event="notice", _line=line.strip())


def _hasOutput() -> bool:
    try:
        return not os.path.samestat(os.fstat(1), os.stat(os.devnull))
    except OSError:
        return False
