"""`haproxy` with the real HAProxy and its runtime API."""

from __future__ import annotations

import json
import os

from diglett.errors import Refused, UsageError
from diglett.extensions import openRegistrars
from tests.integration.components import Running, freePort
from tests.integration.registrar.documented import documented
from tests.integration.registrar.slow import SlowTests
from tests.integration.registrar.support import RegistrarTestCase


class HaProxyTestCase(RegistrarTestCase):
    """HAProxy on free ports."""

    def setUp(self) -> None:
        super().setUp()
        self.https, self.sni = freePort(), freePort()
        # The path of a socket is short, and that of a test is not.
        self.short = f"/tmp/diglett-test-{os.getpid()}-{self.https}"
        os.symlink(self.folder, self.short)
        self.addCleanup(os.unlink, self.short)
        for name in ("names.map", "sni.map"):
            self.write(name, "")
        self.maps = f"map={self.folder}/names.map,sni-map={self.folder}/sni.map"
        self.probe = f"https://127.0.0.1:{self.https}"
        self.spec = f"haproxy:{self.short}/admin.sock,{self.maps}"

    async def haproxy(self, send: str = "") -> Running:
        places = {
            "/run/haproxy": self.short,
            "/etc/haproxy": self.folder,
            "bind :443": f"bind 127.0.0.1:{self.https}",
            "bind :8443": f"bind 127.0.0.1:{self.sni}",
        }
        text = documented("haproxy.cfg", places)
        if send:  # the last server is that of TLS passed through
            text = text.rstrip() + f" {send}\n"
        file = self.write("haproxy.cfg", text)
        running = self.spawn("haproxy", "-W", "-db", "-f", str(file))
        await self.listening(self.https, running)
        return running


class HaProxyTests(HaProxyTestCase, SlowTests):
    """Names come and go in HAProxy's maps."""

    async def hangs(self) -> Running:
        return await self.haproxy()

    async def test_fails(self) -> None:
        """If HAProxy refuses to be told, the agent hears that it failed, and the operator what HAProxy said."""
        publisher = await self.publisher(f"haproxy:{self.short}/admin.sock,map={self.folder}/other.map")
        await self.haproxy()
        error = await self.assertFailure(publisher.publish(self.backend("one").registration), Refused)
        self.assertIn("haproxy failed; the gateway's log has the reason", str(error))
        self.assertIn("could not publish one.gateway.test: HAProxy answered about", self.logged())
        self.assertIn("Unknown map identifier", self.logged())

    async def test_names(self) -> None:
        """A name is routed when publishing is done, does not touch another's WebSocket, and is gone at once."""
        await self.haproxy()
        publisher = await self.publisher(f"{self.spec},probe={self.probe}")
        one = await self.publish(publisher, self.backend("one"))
        status, body = await self.visit(self.https, "one")
        self.assertEqual((status, json.loads(body)["name"]), (200, "one"))
        self.assertEqual(json.loads(body)["headers"]["x-forwarded-for"], "127.0.0.1")
        await self.streams(self.https, "one")
        client = await self.webSocket(self.https, "one")
        two = await self.publish(publisher, self.backend("two"))
        self.assertEqual(json.loads((await self.visit(self.https, "two"))[1])["name"], "two")
        await two.withdraw()
        self.assertEqual((await self.visit(self.https, "two"))[0], 404)
        await self.echo(client, b"two has gone")
        await one.withdraw()
        self.assertEqual((await self.visit(self.https, "one"))[0], 404)
        self.assertEqual((self.folder / "names.map").read_text(), "")

    async def test_passthrough(self) -> None:
        """A `tls` name is passed through by its own map."""
        await self.haproxy()
        publisher = await self.publisher(f"haproxy:{self.short}/admin.sock,{self.maps},probe=https://127.0.0.1:{self.sni}")
        own = await self.publish(publisher, self.backend("own", kind="tls", context=self.backendTls("own")))
        self.assertEqual(json.loads((await self.visit(self.sni, "own"))[1])["name"], "own")
        self.assertEqual((await self.visit(self.https, "own"))[0], 404)
        await own.withdraw()
        self.assertEqual((await self.visit(self.sni, "own"))[0], 0)

    async def test_proxyProtocol(self) -> None:
        """With `send-proxy-v2` the visitor's address arrives at the port of a `tls` name."""
        await self.haproxy("send-proxy-v2")
        publisher = await self.publisher(f"{self.spec},probe=https://127.0.0.1:{self.sni}")
        await self.publish(publisher, self.backend("own", kind="tls", context=self.backendTls("own"), proxied=True))
        self.assertEqual(json.loads((await self.visit(self.sni, "own"))[1])["name"], "own")

    async def test_withoutProbe(self) -> None:
        """HAProxy tells where it listens: there both kinds of names are visited before they are called ready."""
        await self.haproxy()
        publisher = await self.publisher(self.spec)
        self.assertIn(f"through 127.0.0.1:{self.https} arrives", self.logged())
        await self.publish(publisher, self.backend("one"))
        await self.publish(publisher, self.backend("own", kind="tls", context=self.backendTls("own")))
        swapped = f"map={self.folder}/sni.map,sni-map={self.folder}/names.map,probe-timeout=1"
        wrong = await self.publisher(f"haproxy:{self.short}/admin.sock,{swapped}", gateway="g2")
        text = str(await self.assertFailure(wrong.publish(self.backend("two").registration), Refused))
        self.assertIn("did not route two.gateway.test", text)
        self.assertIn("the answer was HTTP/1.1 404", text)
        self.assertNotIn("two", (self.folder / "sni.map").read_text())

    async def test_many(self) -> None:
        """More names than fit one line of commands come and go together."""
        await self.haproxy()
        publisher = await self.publisher(self.spec)
        publishing = [publisher.publish(self.backend(f"n{number}").registration) for number in range(120)]
        publications = [await one for one in publishing]
        self.assertEqual(json.loads((await self.visit(self.https, "n119"))[1])["name"], "n119")
        gone = [publication.withdraw() for publication in publications]
        for one in gone:
            await one
        self.assertEqual((await self.visit(self.https, "n119"))[0], 404)

    async def test_restarted(self) -> None:
        """A restarted HAProxy knows the names from the file; what is lost is put back."""
        haproxy = await self.haproxy()
        publisher = await self.publisher(f"{self.spec},probe={self.probe}")
        await self.publish(publisher, self.backend("one"))
        await haproxy.stop()
        error = await self.assertFailure(publisher.publish(self.backend("two").registration), Refused)
        self.assertIn("haproxy failed", str(error))
        await self.haproxy()
        self.assertEqual((await self.visit(self.https, "one"))[0], 200)
        await self.publish(publisher, self.backend("three"))
        status, _ = await self.run_(
            "/bin/sh", "-c", f"echo 'clear map {self.folder}/names.map' | nc -U -q 1 {self.short}/admin.sock"
        )
        self.assertEqual(status, 0)
        await self.gone(self.https, "one")

        async def back() -> bool:
            return (await self.visit(self.https, "one"))[0] == 200

        await self.until("the name is back", back, 10)

    async def test_startsFirst(self) -> None:
        """The gateway may start first; a predecessor's names are gone when HAProxy comes."""
        self.write("names.map", "old.gateway.test 1\n")
        publisher = await self.publisher(f"{self.spec},probe={self.probe}")
        self.assertIn("cannot be reached yet", self.logged())
        await self.haproxy()
        self.assertEqual((await self.visit(self.https, "old"))[0], 404)
        await self.publish(publisher, self.backend("one"))

    async def test_crashedPredecessor(self) -> None:
        """Entries a killed gateway left in a running HAProxy are gone with the next start."""
        self.write("names.map", "old.gateway.test 1\n")
        await self.haproxy()
        self.assertNotEqual((await self.visit(self.https, "old"))[0], 404)
        await self.publisher(f"{self.spec},probe={self.probe}")
        self.assertEqual((await self.visit(self.https, "old"))[0], 404)

    async def test_wrongMap(self) -> None:
        """A map HAProxy does not know keeps the gateway from starting."""
        await self.haproxy()
        publisher = await self.publisher(f"haproxy:{self.short}/admin.sock,map={self.folder}/other.map", start=False)
        error = await self.assertFailure(publisher.start(), UsageError)
        self.assertIn("Unknown map", str(error))

    async def test_badArguments(self) -> None:
        """Without a socket or a map, or with a path HAProxy would misread, nothing starts."""
        for spec in ("haproxy:,map=/x", "haproxy:/x", "haproxy:/x,map=/a;b", "haproxy:/x,map=/a b"):
            self.assertRaises(UsageError, openRegistrars, [spec], self.context())
