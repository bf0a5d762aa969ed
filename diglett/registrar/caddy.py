"""`caddy:ADMIN`: routes by Caddy's admin API, one group of them for this gateway."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.web.client import Agent
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from diglett.errors import UsageError
from diglett.extensions import splitArgument
from diglett.fetching import Answer, Fetcher, FetchFailed
from diglett.interfaces import IRegistrar
from diglett.registrar import routing
from diglett.registrar.routing import Lease, Routing, address, single
from diglett.registrar.table import Table
from diglett.registrar.upkeep import Upkeep

if TYPE_CHECKING:
    from twisted.web.client import URI

    from diglett.interfaces import PluginContext, Registration

_LOOK = 5.0
"""Seconds between looks whether Caddy still has what it was told: a restart may have made it forget."""

_DOUBT = 30.0
"""Seconds for which it is told again and again after a change that failed."""


def create(argument: str, context: PluginContext) -> Caddy:
    """`ADMIN[,server=NAME][,probe=URL]...`, where ADMIN is `HOST:PORT` or, as in Caddy, `unix//run/caddy.sock`."""
    admin, options = splitArgument(argument, dict.fromkeys((*routing.OPTIONS, "server")))
    host = "127.0.0.1"
    if admin.startswith("unix/"):
        base, agent = "http://localhost", _socketAgent(context.reactor, admin[len("unix/") :])
    else:
        base, agent = "http://" + re.sub(r"\Ahttp://|/\Z", "", admin or "localhost:2019"), None
        if not re.match(r"http://[^/:@]+:\d+\Z|http://\[[0-9a-f:]+\]:\d+\Z", base):
            raise UsageError(f"caddy: {admin!r} is neither HOST:PORT nor unix//PATH")
        host = base[len("http://") :].rpartition(":")[0]
    fetcher = Fetcher(context.reactor, timeout=10.0, limit=4 * 1024 * 1024, agent=agent)
    way = Routing.parse(options, context, guess={})
    return Caddy(base, host, fetcher, single(options, "server", ""), way, context)


@implementer(IRegistrar)
class Caddy:
    """Keeps one route with the id `diglett-GATEWAY`, and in it one for each name.

    Changes replace that route as a whole: each is one reload of Caddy's
    configuration, whatever its size. `stream_close_delay` saves the WebSockets
    of all the other routes from it.
    """

    def __init__(
        self, base: str, host: str, fetcher: Fetcher, server: str, way: Routing, context: PluginContext
    ) -> None:
        self._base = base
        self._host = host
        self._fetcher = fetcher
        self._server = server
        self._way = way
        self._id = "diglett-" + re.sub(r"[^A-Za-z0-9._-]", "-", context.gateway)
        self._log = context.log
        self._table: Table[Registration] = Table(self._write, context.reactor, timeout=15.0)
        self._sure = False
        """Whether Caddy has what the table says, as far as we know."""
        self._clock = context.reactor
        self._doubtful = 0.0
        """Until then a change that Caddy did not answer may come true yet, and undo a later one."""
        self._upkeep = Upkeep(self._look, context.reactor, _LOOK, context.log, "keep Caddy's routes")

    async def start(self) -> None:
        """Remove a predecessor's routes; if Caddy is not there yet, do so when it comes."""
        try:
            await self._table.write()
            self._server = await self._chooseServer()
            self._way.announce("Caddy")
        except UsageError:
            raise
        except Exception as error:
            self._log.error("Caddy cannot be reached yet: {reason}", reason=str(error) or type(error).__name__)
        self._upkeep.start()

    async def stop(self) -> None:
        """Look after it no longer."""
        self._upkeep.stop()
        self._table.stop()
        closing = self._fetcher.stop()
        if closing is not None:
            await closing

    async def publish(self, registration: Registration) -> Lease:
        """Add a route for it."""
        return await self._way.publish(
            registration,
            ("http",),
            lambda: self._table.put(registration.fqdn, registration),
            lambda: self._table.remove(registration.fqdn),
        )

    async def _look(self) -> None:
        if self._clock.seconds() < self._doubtful:
            self._sure = False
        if self._sure and self._table.entries:
            answer = await self._fetcher.fetch("GET", f"{self._base}/id/{self._id}/@id")
            self._sure = answer.status == 200
        if not self._sure:
            await self._table.write()

    async def _write(self, entries: Mapping[str, Registration]) -> None:
        self._sure = False
        try:
            await self._put(entries)
        except BaseException:
            self._doubtful = self._clock.seconds() + _DOUBT
            raise
        self._sure = True

    async def _put(self, entries: Mapping[str, Registration]) -> None:
        ours = f"/id/{self._id}"
        if not entries:
            self._expect(await self._fetcher.fetch("DELETE", self._base + ours), 200, 404)
        else:
            group = self._group(entries)
            answer = await self._fetcher.fetch("PATCH", self._base + ours, group)
            if answer.status == 404:
                self._server = await self._chooseServer()
                routes = f"/config/apps/http/servers/{quote(self._server, safe='')}/routes"
                # First, so that it comes before any catch-all.
                answer = await self._fetcher.fetch("PUT", f"{self._base}{routes}/0", group)
            self._expect(answer, 200)

    def _group(self, entries: Mapping[str, Registration]) -> dict[str, Any]:
        routes = [
            {
                "@id": f"{self._id}-{fqdn}",
                "match": [{"host": [fqdn]}],
                "handle": [
                    {
                        "handler": "reverse_proxy",
                        "upstreams": [{"dial": address(registration.host, registration.port)}],
                        "flush_interval": -1,
                        "stream_close_delay": "8760h",
                    }
                ],
                "terminal": True,
            }
            for fqdn, registration in entries.items()
        ]
        return {"@id": self._id, "handle": [{"handler": "subroute", "routes": routes}]}

    async def _chooseServer(self) -> str:
        """The server that was named, or else the only one; it must be there, and tells where it listens."""
        answer = await self._fetcher.fetch("GET", self._base + "/config/apps/http/servers")
        self._expect(answer, 200)
        servers = answer.json()
        names = sorted(servers) if isinstance(servers, dict) else []
        if (self._server and self._server not in names) or (not self._server and len(names) != 1):
            there = ", ".join(names) or "none"
            raise UsageError(f"caddy: say with ,server=NAME in which of Caddy's HTTP servers: there are {there}")
        name = str(self._server or names[0])
        self._way.learn({"http": doorsOf(servers[name], self._host)})
        return name

    def _expect(self, answer: Answer, *good: int) -> None:
        if answer.status not in good:
            reason = answer.body.decode("utf-8", "replace").strip()[:300]
            raise FetchFailed(f"Caddy answered {answer.status}: {reason}")


def doorsOf(server: Any, host: str) -> list[str]:
    """Where one of Caddy's servers listens; `host` is where Caddy itself is."""
    doors = []
    for place in (server.get("listen") or [] if isinstance(server, dict) else ()):
        found = re.match(r"(?:tcp[46]?/)?(\[[0-9a-f:.]+\]|[A-Za-z0-9.-]*):(\d+)(?:-\d+)?\Z", str(place))
        if found is not None:
            name, port = found.groups()
            doors.append(f"//{host if name in ('', '0.0.0.0', '[::]') else name}:{port}")
    return doors


def _socketAgent(reactor: Any, path: str) -> Agent:
    """An agent whose every request goes to one socket."""

    @implementer(IAgentEndpointFactory)
    class AtSocket:
        def endpointForURI(self, uri: URI) -> UNIXClientEndpoint:
            return UNIXClientEndpoint(reactor, path, timeout=5)

    agent: Agent = Agent.usingEndpointFactory(reactor, AtSocket())
    return agent
