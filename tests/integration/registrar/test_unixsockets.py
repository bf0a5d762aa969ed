"""`unix` with the real Caddy and nginx, both configured once and for all."""

from __future__ import annotations

import json
import os
import socket
import stat

from diglett.errors import Refused, UsageError
from tests.integration.components import Running, freePort
from tests.integration.registrar.caddy import CaddyTestCase
from tests.integration.registrar.nginx import nginxOf
from tests.integration.registrar.slow import SlowTests


class UnixSocketTestCase(CaddyTestCase):
    """With a folder for sockets."""

    def setUp(self) -> None:
        super().setUp()
        self.sockets = self.folder / "socks"
        self.spec = f"unix:{self.short}/socks"


class UnixSocketTests(UnixSocketTestCase, SlowTests):
    """Names come and go by sockets."""

    async def hangs(self) -> Running:
        return await self.caddyWithSockets()

    async def test_caddy(self) -> None:
        """With Caddy a name is there at once, does not touch another's WebSocket, and is gone at once."""
        await self.caddyWithSockets()
        publisher = await self.publisher(f"{self.spec},probe={self.probe}")
        backends = {name: self.backend(name) for name in ("one", "two")}
        one = await self.publish(publisher, backends["one"])
        status, body = await self.visit(self.https, "one")
        self.assertEqual((status, json.loads(body)["name"]), (200, "one"))
        self.assertEqual(json.loads(body)["headers"]["x-forwarded-for"], "127.0.0.1")
        await self.streams(self.https, "one")
        client = await self.webSocket(self.https, "one")
        two = await self.publish(publisher, backends["two"])
        self.assertEqual((await self.visit(self.https, "two"))[0], 200)
        await two.withdraw()
        backends["two"].drop()
        await self.gone(self.https, "two")
        await self.echo(client, b"still there")
        await one.withdraw()
        backends["one"].drop()
        await self.gone(self.https, "one")
        self.assertEqual(list(self.sockets.iterdir()), [])

    async def test_nginx(self) -> None:
        """With nginx likewise; a `tls` name is passed through by its stream module."""
        sni = await self.nginx()
        publisher = await self.publisher(f"{self.spec},mode=666,probe={self.probe}")
        backends = {name: self.backend(name) for name in ("one", "two")}
        one = await self.publish(publisher, backends["one"])
        status, body = await self.visit(self.https, "one", path="/a%2Fb")
        self.assertEqual((status, json.loads(body)["request"]), (200, "GET /a%2Fb HTTP/1.1"))
        await self.streams(self.https, "one")
        client = await self.webSocket(self.https, "one")
        two = await self.publish(publisher, backends["two"])
        self.assertEqual((await self.visit(self.https, "two"))[0], 200)
        await two.withdraw()
        backends["two"].drop()
        await self.gone(self.https, "two")
        await self.echo(client, b"still there")
        await one.withdraw()

        passed = await self.publisher(f"{self.spec},probe=https://127.0.0.1:{sni}", gateway="g2")
        await self.publish(passed, self.backend("own", kind="tls", context=self.backendTls("own")))
        self.assertEqual(json.loads((await self.visit(sni, "own"))[1])["name"], "own")

    async def nginx(self) -> int:
        """Start it; the port of its stream module."""
        sni = freePort()
        places = {"/run/diglett": f"{self.short}/socks", r"gateway\.com": r"gateway\.test"}
        text = nginxOf("nginx-sockets.conf", self.short, self.https, sni, places)
        configuration = self.write("nginx.conf", text)
        running = self.spawn("nginx", "-c", str(configuration), "-e", f"{self.short}/error.log")
        await self.listening(self.https, running)
        return sni

    async def test_taken(self) -> None:
        """A name another gateway listens for is refused; its socket stays."""
        first, second = await self.publisher(self.spec), await self.publisher(self.spec, gateway="g2")
        backend = self.backend("one")
        await self.publish(first, backend)
        error = await self.assertFailure(second.publish(self.backend("one").registration), Refused)
        self.assertEqual(error.code, "name-taken")
        self.assertTrue((self.sockets / "one.sock").exists())

    async def test_crashedPredecessor(self) -> None:
        """Sockets nobody listens at are removed at start; live ones and other files stay."""
        self.sockets.mkdir()
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(f"{self.short}/socks/dead.sock")
        (self.sockets / "file.sock").write_text("")
        first = await self.publisher(self.spec)
        await self.publish(first, self.backend("live"))
        await self.publisher(self.spec, gateway="g2")
        self.assertEqual(sorted(os.listdir(self.sockets)), ["file.sock", "live.sock"])

    async def test_mode(self) -> None:
        """The socket's mode is as asked for, whatever the umask is."""
        publisher = await self.publisher(f"{self.spec},mode=622")
        await self.publish(publisher, self.backend("one"))
        self.assertEqual(stat.S_IMODE((self.sockets / "one.sock").stat().st_mode), 0o622)

    async def test_replaced(self) -> None:
        """Withdrawing leaves a socket that somebody else has put in its place."""
        publisher = await self.publisher(self.spec)
        one = await self.publish(publisher, self.backend("one"))
        (self.sockets / "one.sock").unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(f"{self.short}/socks/one.sock")
            await one.withdraw()
        self.assertTrue((self.sockets / "one.sock").exists())

    async def test_unusable(self) -> None:
        """A folder that cannot be made, an unknown group, and a name that does not fit are told."""
        (self.folder / "file").write_text("")
        for spec in (f"unix:{self.short}/file", f"{self.spec},group=no-such-group"):
            publisher = await self.publisher(spec, start=False)
            await self.assertFailure(publisher.start(), UsageError)
        publisher = await self.publisher(f"unix:{self.short}/{'x' * 40}")
        error = await self.assertFailure(publisher.publish(self.backend("y" * 63).registration), Refused)
        self.assertIn("too long", str(error))
