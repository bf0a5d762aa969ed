"""A gateway, agents, services and visitors in one process: real sockets, and everything can be counted."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, ensureDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, wrapClientTLS
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import Certificate, optionsForClientTLS
from twisted.internet.task import deferLater

from diglett.agent.backend import DialledBackend
from diglett.agent.service import AgentService, Tunnel
from diglett.config.gateway import GatewayConfig
from diglett.errors import DiglettError
from diglett.gateway.service import GatewayService
from diglett.plane.channel import Target
from diglett.plane.choose import makePlane
from diglett.trust.client import GatewayTrust
from diglett.wire.messages import Register

LOOPBACK = "tcp:0:interface=127.0.0.1"
BODY = b"x" * 20_000
GET = b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n"


class _Backend(Protocol):
    """Answers each request with the same body."""

    def connectionMade(self) -> None:
        """Begin."""
        self.head = b""

    def dataReceived(self, data: bytes) -> None:
        """Answer what is whole."""
        self.head += data
        while b"\r\n\r\n" in self.head:
            self.head = self.head.partition(b"\r\n\r\n")[2]
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY))


class _Visitor(Protocol):
    """Asks so many times, one after the other; then leaves in one way or another."""

    def __init__(self, host: str, requests: int, leave: str) -> None:
        self.done: Deferred[bool] = Deferred()
        self._get = GET % host.encode()
        self._left = requests
        self._leave = leave
        self._size = 0

    def connectionMade(self) -> None:
        """Ask."""
        self._ask()

    def _ask(self) -> None:
        self._size = 0
        self.transport.write(self._get)
        if self._left == 1 and self._leave == "early":
            self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        """Count."""
        self._size += len(data)
        if self._size < len(BODY) + 20:
            if self._left == 1 and self._leave == "amid":
                self.transport.abortConnection()
            return
        self._left -= 1
        if self._left:
            self._ask()
        elif self._leave == "reset":
            self.transport.abortConnection()
        else:
            self.transport.loseConnection()

    def connectionLost(self, reason: Any = connectionDone) -> None:
        """Tell whether all was as it should be."""
        self.done.callback(self._left == 0 or self._leave in ("early", "amid"))


class _Reporter:
    """What an agent says, as a Deferred that fires when the agent is done saying it."""

    def __init__(self, reactor: Any) -> None:
        self.isUp: Deferred[str] = Deferred()
        self._reactor = reactor

    def _say(self, what: str) -> None:
        if self._reactor is not None:
            self._reactor.callLater(0, self.isUp.callback, what)
            self._reactor = None

    def up(self, lines: Any, again: bool) -> None:
        """It is."""
        self._say("up")

    def retrying(self, error: DiglettError, delay: float) -> None:
        """It failed."""
        self._say(str(error))

    def lost(self, error: DiglettError) -> None:
        """It was up."""

    def moving(self) -> None:
        """The gateway stops."""


def _cut(link: Any) -> None:
    """Break its connection without either side's doing."""
    link._channel._below._socket.shutdown(socket.SHUT_RDWR)


class House:
    """All of them."""

    def __init__(self, reactor: Any, state: Path) -> None:
        self.reactor = reactor
        self.state = state
        self.said: list[str] = []
        self.failures: list[str] = []
        config = GatewayConfig(listen=LOOPBACK, https=LOOPBACK, http=LOOPBACK, state=str(state))
        self.gateway = GatewayService(reactor, config, self.said.append)
        self.plane = makePlane(reactor)
        self._token = ""
        self._numbers = itertools.count()

    async def start(self) -> None:
        """Until everybody is there."""
        self.gateway.startService()
        await self.gateway.started
        self._token = (self.state / "token").read_text().strip()
        self.trust = GatewayTrust("localhost", localCa=self.state / "ca.pem")
        authority = Certificate.loadPEM((self.state / "ca.pem").read_bytes())
        self.tls = optionsForClientTLS("steady.localhost", trustRoot=authority)
        fronts = [line.split() for line in self.said if "://NAME" in line]
        self.fronts = {url.partition(":")[0]: int(url.rpartition(":")[2]) for *_, url in fronts}
        listening = await TCP4ServerEndpoint(self.reactor, 0, interface="127.0.0.1").listen(
            Factory.forProtocol(_Backend)
        )
        self.backend = listening.getHost().port
        self.steady, reporter = self.agent("steady")
        assert await reporter.isUp == "up"

    async def stop(self) -> None:
        """In order."""
        await self.steady.stopService()
        await self.gateway.stopService()
        await self.plane.close()

    def agent(self, *names: str) -> tuple[AgentService, _Reporter]:
        """An agent that has just been started."""
        reporter = _Reporter(self.reactor)
        backend = DialledBackend(self.plane, Target("127.0.0.1", self.backend))
        tunnels = [Tunnel(Register(name), backend, "a backend") for name in names]
        target = Target("127.0.0.1", self.gateway.agentPort)
        service = AgentService(self.plane, target, self.trust, lambda: self._token, tunnels, reporter)
        service.startService()
        return service, reporter

    # ---- what is done many times ---------------------------------------------------------------------------------

    async def connect(self, number: int) -> None:
        """An agent comes and goes: in order, refused, or cut off."""
        way = number % 10
        if way == 0:
            service, reporter = self.agent("steady")  # which is held
            if await reporter.isUp == "up":
                self.failures.append("an agent got a name that was taken")
            await service.stopService()
            return
        service, reporter = self.agent(f"name-{number % 500}", f"other-{number % 500}")
        said = await reporter.isUp
        if said != "up":
            self.failures.append(said)
        elif way == 1:
            _cut(service._link)
        elif way == 2:
            for session in list(self.gateway._agents):
                if session.agent == service._agent:
                    _cut(session._link)
            await self.rest(0.02)  # it notices, and is about to dial again
        await service.stopService()

    async def stream(self, number: int) -> None:
        """A visitor of the steady agent: by each way in, leaving in each way. Three requests are three streams' worth
        of work, but one or two streams."""
        leave = ("close", "reset", "early", "amid")[number // 3 % 4]
        way = ("port", "http", "https")[number % 3]
        port = self.gateway._registry.find("steady")._listeners[0].address()[1] if way == "port" else self.fronts[way]
        endpoint: Any = TCP4ClientEndpoint(self.reactor, "127.0.0.1", port)
        if way == "https":
            endpoint = wrapClientTLS(self.tls, endpoint)
        visitor = _Visitor("steady.localhost", 1 + number % 2, leave)
        try:
            await endpoint.connect(Factory.forProtocol(lambda: visitor))
        except Exception as error:
            self.failures.append(f"{way}: {error!r}")
            return
        if not await visitor.done:
            self.failures.append(f"a visitor by {way}, who leaves by {leave}, was not served")

    async def many(self, do: Callable[[int], Awaitable[None]], count: int, atOnce: int) -> None:
        """Do it so many times, a few at once."""
        numbers = itertools.islice(self._numbers, count)

        async def work() -> None:
            for number in numbers:
                await do(number)

        await DeferredList([ensureDeferred(work()) for _ in range(atOnce)], fireOnOneErrback=True, consumeErrors=True)

    async def rest(self, seconds: float) -> None:
        """Let closed connections be forgotten."""
        await deferLater(self.reactor, seconds, lambda: None)
