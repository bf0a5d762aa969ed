"""Gateway and agent as processes, the real proxy before them: names come, serve, go, and survive a crash."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from tests.integration.backends import Backend
from tests.integration.components import Running, freePort
from tests.integration.registrar import (
    test_caddy,
    test_etcd,
    test_haproxy,
    test_nginx,
    test_redis,
    test_traefikfile,
    test_traefikhttp,
    test_unixsockets,
)

ROOT = str(Path(__file__).parents[3])


class EndToEnd:
    """A mixin: `proxy` starts the proxy, and `register` is what the gateway is told."""

    spec: str
    probe: str
    told = True
    """Whether the gateway has to be told where the proxy's front door is."""

    async def proxy(self) -> Running:
        """Start it."""
        raise NotImplementedError

    async def gateway(self: Any) -> Running:
        """Start the gateway, on the same port as before, and wait until agents can connect."""
        if not hasattr(self, "agentPort"):
            self.agentPort = freePort()
        running = self.spawn(
            sys.executable, "-u", "-c", "import sys; from diglett.server import main; sys.exit(main())",
            "--state", str(self.folder / "gateway"), "--domain", "gateway.test",
            "--listen", f"tcp:{self.agentPort}:interface=127.0.0.1", "--https", "none", "--http", "none",
            "--register", f"{self.spec},probe={self.probe}" if self.told else self.spec,
            env={"PYTHONPATH": ROOT}, gently=False,
        )  # fmt: skip
        await self.until("the gateway is ready", lambda: self._ready(running, b"connect an agent with"))
        return running

    def _ready(self: Any, running: Running, text: bytes) -> bool:
        if running.ended.called:
            self.fail(f"it ended with {running.status}: {running.output.decode('utf-8', 'replace')}")
        return text in running.output

    async def agent(self: Any, name: str) -> Running:
        """Start an agent before a backend of that name, and wait until it says that it is reachable."""
        backend = Backend(self, name, "gateway.test")
        running = self.spawn(
            sys.executable, "-u", "-m", "diglett", "-g", f"localhost:{self.agentPort}", "-n", name,
            f"127.0.0.1:{backend.registration.port}",
            env={"PYTHONPATH": ROOT, "DIGLETT_STATE": str(self.folder / "gateway")}, gently=False,
        )  # fmt: skip
        line = f"https://{name}.gateway.test -> 127.0.0.1:".encode()
        await self.until("the agent is ready", lambda: self._ready(running, line))
        return running

    async def serves(self: Any, name: str) -> bool:
        status, body = await self.visit(self.https, name)
        return status == 200 and json.loads(body)["name"] == name

    async def test_names(self: Any) -> None:
        """Two agents, a WebSocket through one while the other comes and goes."""
        await self.proxy()
        await self.gateway()
        await self.agent("one")
        self.assertTrue(await self.serves("one"))
        client = await self.webSocket(self.https, "one")
        two = await self.agent("two")
        self.assertTrue(await self.serves("two"))
        two.send(signal.SIGTERM)
        await self.gone(self.https, "two")
        await self.echo(client, b"two has gone")
        self.assertTrue(await self.serves("one"))

    async def test_gatewayStopped(self: Any) -> None:
        """A gateway that is asked to stop withdraws its names at once, whatever it still waits for.

        A Traefik that asks has no more to ask then, and may be left with the route and nothing behind it (502).
        """
        await self.proxy()
        gateway = await self.gateway()
        await self.agent("one")
        gateway.send(signal.SIGTERM)
        await self.gone(self.https, "one", (404, 502))

    async def test_gatewayKilled(self: Any) -> None:
        """After a crash agents come back by themselves, and the proxy routes to the new ports; the lost stay lost."""
        await self.proxy()
        gateway = await self.gateway()
        await self.agent("one")
        lost = await self.agent("lost")
        await gateway.kill()
        await lost.kill()
        self.assertFalse(await self.serves("one"))
        await self.gateway()
        await self.until("the name is served again", lambda: self.serves("one"))
        await self.gone(self.https, "lost")

    async def test_proxyRestarted(self: Any) -> None:
        """A proxy that crashed and comes back routes what is there, and what comes then."""
        proxy = await self.proxy()
        await self.gateway()
        await self.agent("one")
        for pid in await self.family(proxy):  # nginx's workers would hold the port
            os.kill(pid, signal.SIGKILL)
        await proxy.wait()
        await self.proxy()
        await self.until("the name is served again", lambda: self.serves("one"))
        await self.agent("two")
        self.assertTrue(await self.serves("two"))


class StoreEndToEnd(EndToEnd):
    """A mixin for proxies with a store."""

    provider: str

    async def proxy(self: Any) -> Running:
        if not hasattr(self, "keeper"):
            self.keeper = await self.store()
        return await self.traefik(self.provider)

    async def test_storeLater(self: Any) -> None:
        """The gateway starts without its store; an agent waits for it, and is ready when it comes."""
        await self.traefik(self.provider)
        gateway = await self.gateway()
        self.assertIn(b"the store of Traefik's routes cannot be reached", gateway.output)
        coming = Deferred.fromCoroutine(self.agent("one"))
        agent = self.programs[-1]
        await self.until("the agent is told", lambda: b"routes cannot be reached" in agent.output)
        await self.store()
        await coming
        self.assertTrue(await self.serves("one"))

    async def test_storeRestarted(self: Any) -> None:
        """A store that crashed and comes back with nothing in it: names stay, and others come."""
        await self.proxy()
        await self.gateway()
        await self.agent("one")
        await self.keeper.kill()
        await self.forget()
        self.assertTrue(await self.serves("one"))
        self.keeper = await self.store()
        await self.agent("two")
        self.assertTrue(await self.serves("two"))
        await self.until("the name is served again", lambda: self.serves("one"))


class UnixSocketTests(EndToEnd, test_unixsockets.UnixSocketTestCase):
    """With Caddy and sockets."""

    async def proxy(self) -> Running:
        return await self.caddyWithSockets()


class CaddyTests(EndToEnd, test_caddy.CaddyAdminTestCase):
    """With Caddy's admin API."""

    told = False

    async def proxy(self) -> Running:
        return await self.caddyWithAdmin()


class TraefikHttpTests(EndToEnd, test_traefikhttp.TraefikHttpTestCase):
    """With Traefik that asks the gateway."""

    async def proxy(self) -> Running:
        return await self.traefik(self.provider)


class TraefikFileTests(EndToEnd, test_traefikfile.TraefikFileTestCase):
    """With Traefik that watches a folder."""

    async def proxy(self) -> Running:
        return await self.traefik()


class RedisTests(StoreEndToEnd, test_redis.RedisTestCase):
    """With Traefik and Redis."""


class EtcdTests(StoreEndToEnd, test_etcd.EtcdTestCase):
    """With Traefik and etcd."""


class NginxTests(EndToEnd, test_nginx.NginxTestCase):
    """With nginx and reloads."""

    async def proxy(self) -> Running:
        return await self.nginx()


class HaProxyTests(EndToEnd, test_haproxy.HaProxyTestCase):
    """With HAProxy's runtime API."""

    told = False

    async def proxy(self) -> Running:
        return await self.haproxy()
