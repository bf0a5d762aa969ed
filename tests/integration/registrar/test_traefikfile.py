"""`traefik-file` with the real Traefik."""

from __future__ import annotations

import json

from diglett.errors import Refused, UsageError
from diglett.registrar import routing
from tests.integration.components import Running
from tests.integration.registrar.slow import SlowTests
from tests.integration.registrar.traefik import TraefikTestCase


class TraefikFileTestCase(TraefikTestCase):
    """With a folder that Traefik watches."""

    def setUp(self) -> None:
        super().setUp()
        self.spec = f"traefik-file:{self.folder}/dynamic"


class TraefikFileTests(TraefikFileTestCase, SlowTests):
    """Names come and go by a file in the folder Traefik watches."""

    async def hangs(self) -> Running:
        return await self.traefik()

    async def test_frozen(self) -> None:
        """Somebody else's broken file makes Traefik take no changes at all: no name is called ready meanwhile."""
        await self.traefik()
        publisher = await self.publisher(f"{self.spec},probe={self.probe},probe-timeout=1")
        await self.publish(publisher, self.backend("one"))
        broken = self.write("dynamic/broken.yml", "http: [nonsense")
        error = await self.assertFailure(publisher.publish(self.backend("two").registration), Refused)
        self.assertIn("did not route two.gateway.test", str(error))
        self.assertEqual((await self.visit(self.https, "one"))[0], 200)
        broken.unlink()
        await self.publish(publisher, self.backend("three"))
        await self.gone(self.https, "two")

    async def test_names(self) -> None:
        """A name is routed when publishing is done, another one beside it, and neither after withdrawal."""
        await self.traefik()
        publisher = await self.publisher(f"traefik-file:{self.folder}/dynamic,probe={self.probe}")
        one = await self.publish(publisher, self.backend("one"))
        status, body = await self.visit(self.https, "one", path="/a?b")
        self.assertEqual((status, json.loads(body)["name"]), (200, "one"))
        await self.streams(self.https, "one")
        headers = json.loads(body)["headers"]
        self.assertEqual(headers["host"], f"one.gateway.test:{self.https}")
        self.assertEqual((headers["x-forwarded-for"], headers["x-forwarded-proto"]), ("127.0.0.1", "https"))
        self.assertEqual(one.urls, ("https://one.gateway.test",))
        two = await self.publish(publisher, self.backend("two"))
        self.assertEqual(json.loads((await self.visit(self.https, "two"))[1])["name"], "two")
        await one.withdraw()
        await self.gone(self.https, "one")
        self.assertEqual((await self.visit(self.https, "two"))[0], 200)
        await two.withdraw()
        await self.gone(self.https, "two")
        self.assertEqual([path.name for path in (self.folder / "dynamic").iterdir()], ["00-tls.yml"])

    async def test_webSocketSurvives(self) -> None:
        """The coming and going of other names does not touch a name's live WebSocket."""
        await self.traefik()
        publisher = await self.publisher(f"traefik-file:{self.folder}/dynamic,probe={self.probe}")
        await self.publish(publisher, self.backend("one"))
        client = await self.webSocket(self.https, "one")
        two = await self.publish(publisher, self.backend("two"))
        await self.echo(client, b"two has come")
        await two.withdraw()
        await self.gone(self.https, "two")
        await self.echo(client, b"two has gone")

    async def test_passthrough(self) -> None:
        """A `tls` name is passed through: the visitor sees the backend's own certificate."""
        await self.traefik()
        publisher = await self.publisher(f"traefik-file:{self.folder}/dynamic,probe={self.probe}")
        await self.publish(publisher, self.backend("own", kind="tls", context=self.backendTls("own")))
        self.authority.cert_pem.write_to_path(str(self.folder / "ca.pem"))
        (self.folder / "wild.pem").unlink()  # what is verified below can only be the backend's own
        host = f"own.gateway.test:{self.https}"
        status, output = await self.run_(
            "curl", "--silent", "--show-error", "--cacert", str(self.folder / "ca.pem"),
            "--resolve", f"{host}:127.0.0.1", "--verbose", f"https://{host}/",
        )  # fmt: skip
        self.assertEqual(status, 0, output)
        self.assertIn('"name": "own"', output)
        self.assertNotIn("*.gateway.test", output)

    async def test_proxyProtocol(self) -> None:
        """If the port of a `tls` name expects it, Traefik sends the PROXY protocol's header, version 2."""
        await self.traefik()
        publisher = await self.publisher(f"traefik-file:{self.folder}/dynamic,probe={self.probe}")
        await self.publish(publisher, self.backend("own", kind="tls", context=self.backendTls("own"), proxied=True))
        self.assertEqual(json.loads((await self.visit(self.https, "own"))[1])["name"], "own")

    async def test_notRouted(self) -> None:
        """If Traefik does not route the name, publishing fails with an honest message, and nothing stays."""
        await self.traefik()
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir()
        publisher = await self.publisher(f"traefik-file:{elsewhere},probe={self.probe},probe-timeout=0.5")
        error = await self.assertFailure(publisher.publish(self.backend("one").registration), Refused)
        self.assertIn("did not route one.gateway.test", str(error))
        self.assertIn("404", str(error))
        await self.until("the file is gone", lambda: not list(elsewhere.iterdir()))

    async def test_traefikDown(self) -> None:
        """While Traefik is down publishing fails and says so; when it is back, it works."""
        traefik = await self.traefik()
        await traefik.stop()
        publisher = await self.publisher(f"traefik-file:{self.folder}/dynamic,probe={self.probe},probe-timeout=0.5")
        error = await self.assertFailure(publisher.publish(self.backend("one").registration), Refused)
        self.assertIn("refused", str(error))
        await self.traefik()
        await self.publish(publisher, self.backend("one"))

    async def test_withoutProbe(self) -> None:
        """Without `probe=` Traefik is visited where it usually is; nobody there is a warning, a wrong answer is not."""
        (self.folder / "dynamic").mkdir()
        publisher = await self.publisher(f"traefik-file:{self.folder}/dynamic")
        self.assertIn(f"through {routing.FRONT} arrives", self.logged())
        await self.publish(publisher, self.backend("zero"))
        self.assertIn(f"without proof: nobody listens at {routing.FRONT}", self.logged())
        await self.traefik()
        self.patch(routing, "FRONT", self.probe)
        publisher = await self.publisher(f"traefik-file:{self.folder}/dynamic", gateway="g2")
        await self.publish(publisher, self.backend("one"))
        self.assertEqual((await self.visit(self.https, "one"))[0], 200)
        (self.folder / "elsewhere").mkdir()
        wrong = await self.publisher(f"traefik-file:{self.folder}/elsewhere,probe-timeout=0.5", gateway="g3")
        text = str(await self.assertFailure(wrong.publish(self.backend("two").registration), Refused))
        self.assertIn("if its front door is elsewhere, tell the gateway by probe=URL", text)

    async def test_traefikRestarted(self) -> None:
        """Names that are published are routed again when Traefik comes back."""
        traefik = await self.traefik()
        publisher = await self.publisher(f"traefik-file:{self.folder}/dynamic,probe={self.probe}")
        await self.publish(publisher, self.backend("one"))
        await traefik.kill()
        await self.traefik()
        self.assertEqual((await self.visit(self.https, "one"))[0], 200)

    async def test_crashedPredecessor(self) -> None:
        """What a killed gateway left in the folder is gone with the next start; a second gateway's is not."""
        await self.traefik()
        spec = f"traefik-file:{self.folder}/dynamic,probe={self.probe}"
        killed = await self.publisher(spec)
        await self.publish(killed, self.backend("one"))
        other = await self.publisher(spec, gateway="g2")
        await self.publish(other, self.backend("two"))
        await self.publisher(spec)
        await self.gone(self.https, "one")
        self.assertEqual((await self.visit(self.https, "two"))[0], 200)

    async def test_noFolder(self) -> None:
        """A folder that cannot be written to keeps the gateway from starting."""
        publisher = await self.publisher(f"traefik-file:{self.folder}/missing", start=False)
        error = await self.assertFailure(publisher.start(), UsageError)
        self.assertIn("cannot write to", str(error))
