"""`traefik-http` with the real Traefik polling us."""

from __future__ import annotations

import json
import os

from diglett.errors import Refused, UsageError
from diglett.extensions import openRegistrars
from tests.integration.components import Running, freePort
from tests.integration.registrar.documented import documented
from tests.integration.registrar.slow import SlowTests
from tests.integration.registrar.traefik import TraefikTestCase


class TraefikHttpTestCase(TraefikTestCase):
    """With a port and a secret for the document."""

    def setUp(self) -> None:
        super().setUp()
        self.port = freePort()
        secret = self.write("secret", "s3cret\n")
        self.spec = f"traefik-http:{self.port},secret-file={secret}"
        self.provider = documented("traefik-http.yml", {":8090": f":{self.port}", "SECRET": "s3cret"})


class TraefikHttpTests(TraefikHttpTestCase, SlowTests):
    """Names come and go in the document Traefik fetches."""

    async def hangs(self) -> Running:
        return await self.traefik(self.provider)

    async def test_names(self) -> None:
        """A name is routed when publishing is done, another one beside it, and neither after withdrawal."""
        await self.traefik(self.provider)
        publisher = await self.publisher(f"{self.spec},probe={self.probe}")
        one = await self.publish(publisher, self.backend("one"))
        self.assertEqual(json.loads((await self.visit(self.https, "one"))[1])["name"], "one")
        client = await self.webSocket(self.https, "one")
        two = await self.publish(publisher, self.backend("two"))
        self.assertEqual(json.loads((await self.visit(self.https, "two"))[1])["name"], "two")
        await two.withdraw()
        await self.gone(self.https, "two")
        await self.echo(client, b"two has gone")
        await one.withdraw()
        await self.gone(self.https, "one")

    async def test_quiet(self) -> None:
        """That Traefik asks is no news: the log is for what happens."""
        lines = self.everythingLogged()
        publisher = await self.publisher(f"{self.spec},probe=none")
        for _ in range(3):
            await self.fetch(f"http://127.0.0.1:{self.port}/")
        await publisher.stop()
        self.assertEqual([line for line in lines if "GET" in line], [])

    async def test_withoutProbe(self) -> None:
        """Without a probe publishing is done when Traefik has fetched the document with the name."""
        await self.traefik(self.provider)
        publisher = await self.publisher(self.spec)
        await self.publish(publisher, self.backend("one"))
        await self.until("routed", lambda: self._answers("one"), 2)

    async def _answers(self, name: str) -> bool:
        return (await self.visit(self.https, name))[0] == 200

    async def test_traefikDown(self) -> None:
        """If nobody fetches the document, publishing fails and says so."""
        publisher = await self.publisher(f"{self.spec},fetch-timeout=0.3")
        error = await self.assertFailure(publisher.publish(self.backend("one").registration), Refused)
        self.assertIn("Traefik did not fetch", str(error))

    async def test_wrongSecret(self) -> None:
        """Who does not know the secret learns no name, and counts as nobody."""
        publisher = await self.publisher(f"{self.spec},fetch-timeout=0.5")
        publishing = publisher.publish(self.backend("one").registration)
        for options in ((), ("--header", "Authorization: Bearer wrong")):
            status, body = await self.fetch(f"http://127.0.0.1:{self.port}/", *options)
            self.assertEqual((status, body), (401, "{}"))
        await self.assertFailure(publishing, Refused)

    async def test_gatewayRestarted(self) -> None:
        """While the gateway restarts Traefik keeps the routes, until the agents are back."""
        await self.traefik(self.provider)
        spec = f"{self.spec},warmup=10,probe={self.probe}"
        first = await self.publisher(spec)
        for name in ("one", "two"):
            await self.publish(first, self.backend(name))
        await first.stop()
        self.assertEqual((await self.visit(self.https, "one"))[0], 200)  # the backend is still there in this test
        again = await self.publisher(spec)
        header = "Authorization: Bearer s3cret"
        self.assertEqual((await self.fetch(f"http://127.0.0.1:{self.port}/", "--header", header))[0], 503)
        publishing = again.publish(self.backend("one").registration)
        await self.sleep(0.5)
        self.assertEqual((await self.visit(self.https, "two"))[0], 200)
        await again.publish(self.backend("two").registration)
        await publishing
        self.assertEqual((await self.visit(self.https, "one"))[0], 200)

    async def test_gatewayKilled(self) -> None:
        """A killed gateway's names that do not come back are dropped after the warm-up."""
        await self.traefik(self.provider)
        (self.folder / "state").mkdir()
        (self.folder / "state" / "traefik-http.json").write_text('["one.gateway.test", "two.gateway.test"]')
        publisher = await self.publisher(f"{self.spec},warmup=1,probe={self.probe}")
        publishing = publisher.publish(self.backend("one").registration)
        took = await self.until("published", lambda: publishing.called)
        await publishing
        self.assertGreater(took, 0.5)
        self.assertEqual((await self.visit(self.https, "two"))[0], 404)

    async def test_traefikRestarted(self) -> None:
        """Names that are published are routed again when Traefik comes back."""
        traefik = await self.traefik(self.provider)
        publisher = await self.publisher(f"{self.spec},probe={self.probe}")
        await self.publish(publisher, self.backend("one"))
        await traefik.kill()
        await self.traefik(self.provider)
        await self.until("routed", lambda: self._answers("one"))

    async def test_cannotListen(self) -> None:
        """A port that is taken, or one anybody could read from, keeps the gateway from starting."""
        await self.publisher(self.spec)
        publisher = await self.publisher(self.spec, state="other", start=False)
        error = await self.assertFailure(publisher.start(), UsageError)
        self.assertIn("cannot listen", str(error))
        self.patch(os, "environ", {})
        error = self.assertRaises(UsageError, openRegistrars, [f"traefik-http:tcp:{self.port}"], self.context())
        self.assertIn("interface=127.0.0.1", str(error))
