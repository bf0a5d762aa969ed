"""`caddy` with the real Caddy and its admin API."""

from __future__ import annotations

import json

from diglett.errors import Refused, UsageError
from tests.integration.components import Running
from tests.integration.registrar.caddy import CaddyTestCase
from tests.integration.registrar.slow import SlowTests


class CaddyAdminTestCase(CaddyTestCase):
    """With the admin API at a socket."""

    def setUp(self) -> None:
        super().setUp()
        self.spec = f"caddy:unix/{self.short}/admin.sock"


class CaddyTests(CaddyAdminTestCase, SlowTests):
    """Names come and go by the admin API."""

    async def hangs(self) -> Running:
        return await self.caddyWithAdmin()

    async def admin(self, path: str, *options: str) -> tuple[int, str]:
        return await self.fetch(f"http://localhost{path}", "--unix-socket", f"{self.short}/admin.sock", *options)

    async def test_names(self) -> None:
        """A name is routed when publishing is done, another one beside it, and neither after withdrawal."""
        await self.caddyWithAdmin()
        publisher = await self.publisher(f"{self.spec},probe={self.probe}")
        one = await self.publish(publisher, self.backend("one"))
        status, body = await self.visit(self.https, "one")
        self.assertEqual((status, json.loads(body)["name"]), (200, "one"))
        self.assertEqual(json.loads(body)["headers"]["x-forwarded-for"], "127.0.0.1")
        await self.streams(self.https, "one")
        two = await self.publish(publisher, self.backend("two"))
        self.assertEqual(json.loads((await self.visit(self.https, "two"))[1])["name"], "two")
        self.assertIn("reverse_proxy", (await self.admin("/id/diglett-g1-one.gateway.test"))[1])
        await one.withdraw()
        self.assertEqual((await self.visit(self.https, "one"))[0], 404)
        self.assertEqual((await self.visit(self.https, "two"))[0], 200)
        await two.withdraw()
        self.assertEqual((await self.visit(self.https, "two"))[0], 404)
        self.assertEqual((await self.admin("/id/diglett-g1"))[0], 404)

    async def test_webSocketSurvives(self) -> None:
        """Every change reloads Caddy; the WebSockets of other names live on."""
        await self.caddyWithAdmin()
        publisher = await self.publisher(f"{self.spec},probe={self.probe}")
        await self.publish(publisher, self.backend("one"))
        client = await self.webSocket(self.https, "one")
        for name in ("two", "three"):
            other = await self.publish(publisher, self.backend(name))
            await self.echo(client, name.encode())
            await other.withdraw()
            await self.echo(client, b"gone")

    async def test_many(self) -> None:
        """A crowd of names that comes at once costs a few reloads only."""
        await self.caddyWithAdmin()
        publisher = await self.publisher(f"{self.spec},url=none,probe={self.probe}")
        publishing = [publisher.publish(self.backend(f"n{number}").registration) for number in range(50)]
        for one in publishing:
            self.assertEqual((await one).urls, ())
        self.assertEqual((await self.visit(self.https, "n49"))[0], 200)

    async def test_passthrough(self) -> None:
        """Caddy as it ships cannot pass TLS through, and the agent is told."""
        await self.caddyWithAdmin()
        publisher = await self.publisher(f"{self.spec},probe={self.probe}")
        error = await self.assertFailure(publisher.publish(self.backend("own", kind="tls").registration), Refused)
        self.assertIn("cannot be published as tls", str(error))

    async def test_caddyDown(self) -> None:
        """While Caddy is down publishing fails; what stands is put back when a new Caddy has forgotten it."""
        caddy = await self.caddyWithAdmin()
        publisher = await self.publisher(f"{self.spec},probe={self.probe}")
        await self.publish(publisher, self.backend("one"))
        await caddy.kill()
        await self.assertFailure(publisher.publish(self.backend("two").registration), Refused)
        await self.caddyWithAdmin()
        await self.until("routed", lambda: self._answers("one"), 15)
        self.assertEqual((await self.visit(self.https, "two"))[0], 404)

    async def _answers(self, name: str) -> bool:
        return (await self.visit(self.https, name))[0] == 200

    async def test_fails(self) -> None:
        """If Caddy refuses to be told, the agent hears that it failed, and the operator what Caddy said."""
        places = {"\"config\": {\"persist\": false}": "\"enforce_origin\": true, \"origins\": [\"other\"]"}
        await self.caddyWithAdmin(places)
        publisher = await self.publisher(f"{self.spec},probe={self.probe}")
        error = await self.assertFailure(publisher.publish(self.backend("one").registration), Refused)
        self.assertIn("caddy failed; the gateway's log has the reason", str(error))
        self.assertIn("could not publish one.gateway.test: Caddy answered 403", self.logged())

    async def test_caddyLater(self) -> None:
        """The gateway may start first."""
        publisher = await self.publisher(f"{self.spec},probe={self.probe}")
        self.assertIn("cannot be reached yet", self.logged())
        await self.caddyWithAdmin()
        await self.publish(publisher, self.backend("one"))

    async def test_crashedPredecessor(self) -> None:
        """What a killed gateway left is gone with the next start; a second gateway's is not."""
        await self.caddyWithAdmin()
        await self.publish(await self.publisher(f"{self.spec},probe={self.probe}"), self.backend("one"))
        await self.publish(await self.publisher(f"{self.spec},probe={self.probe}", gateway="g2"), self.backend("two"))
        await self.publisher(f"{self.spec},probe={self.probe}")
        self.assertEqual((await self.visit(self.https, "one"))[0], 404)
        self.assertEqual((await self.visit(self.https, "two"))[0], 200)

    async def test_withoutProbe(self) -> None:
        """Caddy tells where it listens, so a name that it was told to route, and does not, is not called ready."""
        await self.caddyWithAdmin()
        publisher = await self.publisher(self.spec)
        self.assertIn(f"when a visit to it through 127.0.0.1:{self.https} arrives", self.logged())
        await self.publish(publisher, self.backend("one"))
        self.assertEqual((await self.visit(self.https, "one"))[0], 200)
        # Whoever is first answers all; ours is the first that Caddy has from now on, but for this one.
        first = json.dumps({"handle": [{"handler": "static_response", "status_code": 418}]})
        status, body = await self.admin(
            "/config/apps/http/servers/front/routes/0", "--request", "PUT",
            "--header", "Content-Type: application/json", "--data", first,
        )  # fmt: skip
        self.assertEqual(status, 200, body)
        publishing = publisher.publish(self.backend("two").registration)
        text = str(await self.assertFailure(publishing, Refused))
        self.assertIn("did not route two.gateway.test to the gateway within 10 s", text)
        self.assertIn("the answer was HTTP/1.1 418", text)
        self.assertEqual((await self.admin("/id/diglett-g1-two.gateway.test"))[0], 404)

    async def test_servers(self) -> None:
        """With several HTTP servers one has to be named."""
        await self.caddyWithAdmin()
        extra = json.dumps({"listen": [f"unix/{self.short}/extra.sock"], "automatic_https": {"disable": True}})
        status, body = await self.admin(
            "/config/apps/http/servers/extra", "--request", "PUT",
            "--header", "Content-Type: application/json", "--data", extra,
        )  # fmt: skip
        self.assertEqual(status, 200, body)
        for wrong in ("", ",server=bakc"):
            publisher = await self.publisher(self.spec + wrong, start=False)
            error = await self.assertFailure(publisher.start(), UsageError)
            self.assertIn("there are extra, front", str(error))
        named = await self.publisher(f"{self.spec},server=front", gateway="g2")
        await self.publish(named, self.backend("one"))

    async def test_badArguments(self) -> None:
        """An address that is none is told at once."""
        for spec in ("caddy:https://x", "caddy:localhost", "caddy:http://user@x:1", "caddy:localhost:2019,sever=x"):
            await self.assertFailure(self._open(spec), UsageError)

    def _open(self, spec: str):
        from twisted.internet.defer import Deferred

        return Deferred.fromCoroutine(self.publisher(spec, start=False))
