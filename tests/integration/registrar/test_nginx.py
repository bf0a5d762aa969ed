"""`nginx` with the real nginx, a map file and reloads."""

from __future__ import annotations

import json
import os

from diglett.errors import Refused, UsageError
from tests.integration.components import Running, find, freePort
from tests.integration.registrar.nginx import nginxOf
from tests.integration.registrar.slow import SlowTests
from tests.integration.registrar.support import RegistrarTestCase


class NginxTestCase(RegistrarTestCase):
    """nginx on free ports, with map files."""

    def setUp(self) -> None:
        super().setUp()
        self.https, self.sni = freePort(), freePort()
        for name in ("names.map", "sni.map"):
            self.write(name, "")
        text = nginxOf("nginx-map.conf", self.folder, self.https, self.sni, {"gateway.com": "gateway.test"})
        configuration = self.write("nginx.conf", text)
        self.command = (find("nginx"), "-c", str(configuration), "-e", f"{self.folder}/error.log")
        program = " ".join(self.command)
        self.spec = (
            f"nginx:{self.folder}/names.map,sni-map={self.folder}/sni.map,"
            f"reload={program} -t -q,reload={program} -s reload"
        )
        self.probe = f"https://127.0.0.1:{self.https}"

    async def nginx(self) -> Running:
        number = self.folder / "nginx.pid"
        number.unlink(missing_ok=True)
        running = self.spawn(*self.command)
        await self.listening(self.https, running)
        # It listens before it has written its number, without which nobody can make it reload.
        await self.until("nginx wrote its pid", lambda: number.exists() and number.read_text().strip())
        return running


class NginxTests(NginxTestCase, SlowTests):
    """Names come and go in a file."""

    async def hangs(self) -> Running:
        return await self.nginx()

    async def test_names(self) -> None:
        """A name is routed when publishing is done, does not touch another's WebSocket, and is gone soon."""
        await self.nginx()
        publisher = await self.publisher(f"{self.spec},probe={self.probe}")
        one = await self.publish(publisher, self.backend("one"))
        status, body = await self.visit(self.https, "one", path="/a%2Fb?c")
        self.assertEqual((status, json.loads(body)["name"]), (200, "one"))
        self.assertEqual(json.loads(body)["request"], "GET /a%2Fb?c HTTP/1.1")
        self.assertEqual(json.loads(body)["headers"]["x-forwarded-for"], "127.0.0.1")
        await self.streams(self.https, "one")
        client = await self.webSocket(self.https, "one")
        two = await self.publish(publisher, self.backend("two"))
        self.assertEqual(json.loads((await self.visit(self.https, "two"))[1])["name"], "two")
        await two.withdraw()
        await self.gone(self.https, "two")
        await self.echo(client, b"two has gone")
        await one.withdraw()
        await self.gone(self.https, "one")

    async def test_passthrough(self) -> None:
        """A `tls` name is passed through by its own map."""
        await self.nginx()
        publisher = await self.publisher(f"{self.spec},probe=https://127.0.0.1:{self.sni}")
        await self.publish(publisher, self.backend("own", kind="tls", context=self.backendTls("own")))
        self.assertEqual(json.loads((await self.visit(self.sni, "own"))[1])["name"], "own")

    async def test_proxyProtocol(self) -> None:
        """With `proxy_protocol on` the visitor's address arrives at the port of a `tls` name."""
        configuration = self.folder / "nginx.conf"
        text = configuration.read_text()
        configuration.write_text(text.replace("ssl_preread on;", "ssl_preread on; proxy_protocol on;"))
        await self.nginx()
        publisher = await self.publisher(f"{self.spec},probe=https://127.0.0.1:{self.sni}")
        await self.publish(publisher, self.backend("own", kind="tls", context=self.backendTls("own"), proxied=True))
        self.assertEqual(json.loads((await self.visit(self.sni, "own"))[1])["name"], "own")

    async def test_many(self) -> None:
        """A crowd of names that comes at once costs a few reloads only."""
        await self.nginx()
        publisher = await self.publisher(f"{self.spec},probe={self.probe}")
        publishing = [publisher.publish(self.backend(f"n{number}").registration) for number in range(30)]
        for one in publishing:
            await one
        self.assertEqual((await self.visit(self.https, "n29"))[0], 200)

    async def test_crashedPredecessor(self) -> None:
        """What a killed gateway left is gone with the next start."""
        self.write("names.map", "old.gateway.test 127.0.0.1:1;\n")
        await self.nginx()
        self.assertEqual((await self.visit(self.https, "old"))[0], 502)
        publisher = await self.publisher(f"{self.spec},probe={self.probe}")
        await self.publish(publisher, self.backend("one"))
        await self.gone(self.https, "old")

    async def test_nginxDown(self) -> None:
        """While nginx is down, or its configuration is broken, publishing fails and says so in the log."""
        nginx = await self.nginx()
        publisher = await self.publisher(f"{self.spec},probe={self.probe}")
        one = await self.publish(publisher, self.backend("one"))
        await nginx.stop()
        await self.assertFailure(publisher.publish(self.backend("two").registration), Refused)
        self.assertIn("ended with status 1", self.logged())
        await self.nginx()
        self.assertEqual((await self.visit(self.https, "one"))[0], 200)
        self.write("sni.map", "nonsense")
        configuration = self.folder / "nginx.conf"
        configuration.write_text(configuration.read_text().replace("access_log off;", "acess_log off;"))
        await self.assertFailure(publisher.publish(self.backend("two").registration), Refused)
        self.assertIn("acess_log", self.logged())
        self.assertEqual((await self.visit(self.https, "one"))[0], 200)
        await one.withdraw()
        self.assertIn("one.gateway.test, which may stay published", self.logged())
        configuration.write_text(configuration.read_text().replace("acess_log off;", "access_log off;"))
        await self.gone(self.https, "one")

    async def test_reloadHangs(self) -> None:
        """A reload command that hangs is killed; the agent is told in time."""
        await self.nginx()
        publisher = await self.publisher(f"nginx:{self.folder}/names.map,reload=sleep 600,probe={self.probe}")
        publisher.publishTimeout = 2.0
        error = await self.assertFailure(publisher.publish(self.backend("one").registration), Refused)
        self.assertIn("nginx did not answer in time", str(error))
        await self.until("the file is empty", lambda: not (self.folder / "names.map").read_text(), 20)
        await publisher.stop()

        async def alone() -> bool:
            _, output = await self.run_("ps", "-A", "-o", "ppid=,args=")
            return [str(os.getpid()), "sleep", "600"] not in map(str.split, output.splitlines())

        await self.until("the command is gone", alone, 5)

    async def test_noFolder(self) -> None:
        """A file that cannot be written keeps the gateway from starting."""
        publisher = await self.publisher(f"nginx:{self.folder}/missing/names.map", start=False)
        error = await self.assertFailure(publisher.start(), UsageError)
        self.assertIn("cannot write", str(error))
