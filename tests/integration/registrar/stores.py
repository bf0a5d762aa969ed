"""What must be true of Traefik with any store of routes; each store runs all of it."""

from __future__ import annotations

import json
from typing import Any

from diglett.errors import Refused, UsageError
from tests.integration.components import Running
from tests.integration.registrar.traefik import TraefikTestCase


class StoreTests:
    """A mixin for `TraefikTestCase`: `spec` names the store, `provider` tells Traefik of it, `store()` starts it."""

    spec: str
    provider: str

    async def _answers(self: Any, name: str, status: int = 200) -> bool:
        return (await self.visit(self.https, name))[0] == status

    async def test_names(self: Any) -> None:
        """A name is routed when publishing is done, another one beside it, and neither after withdrawal."""
        await self.store()
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

    async def test_passthrough(self: Any) -> None:
        """A `tls` name is passed through."""
        await self.store()
        await self.traefik(self.provider)
        publisher = await self.publisher(f"{self.spec},probe={self.probe}")
        await self.publish(publisher, self.backend("own", kind="tls", context=self.backendTls("own")))
        self.assertEqual(json.loads((await self.visit(self.https, "own"))[1])["name"], "own")

    async def test_twoGateways(self: Any) -> None:
        """A name one gateway has is refused to another, until it is withdrawn; other names are not touched."""
        await self.store()
        first = await self.publisher(self.spec)
        second = await self.publisher(self.spec, gateway="g2")
        one = await self.publish(first, self.backend("one"))
        await self.publish(second, self.backend("two"))
        error = await self.assertFailure(second.publish(self.backend("one").registration), Refused)
        self.assertEqual(error.code, "name-taken")
        await one.withdraw()
        await self.publish(second, self.backend("one"))

    async def test_gatewayDies(self: Any) -> None:
        """The names of a gateway that died are free, and gone from Traefik, when its leases have run out."""
        await self.store()
        await self.traefik(self.provider)
        died = await self.publisher(f"{self.spec},ttl=2,probe={self.probe}")
        await self.publish(died, self.backend("one"))
        second = await self.publisher(f"{self.spec},ttl=2", gateway="g2")
        await self.sleep(3)
        self.assertEqual((await self.visit(self.https, "one"))[0], 200)
        self.crash(died)
        took = await self.gone(self.https, "one")
        self.assertLess(took, 8)
        await self.publish(second, self.backend("one"))
        await self.until("routed", lambda: self._answers("one"))

    def crash(self, publisher: Any) -> None:
        """Let a gateway do nothing any more, as if it had been killed."""
        [(_, registrar)] = publisher._registrars
        registrar._upkeep.stop()

        async def nothing() -> None:
            pass

        registrar._store.close, close = nothing, registrar._store.close
        registrar._store.release = lambda claim, keys: nothing()
        self.addCleanup(close)

    async def test_crashedPredecessor(self: Any) -> None:
        """What a killed gateway left is gone with its next start, without waiting for the lease."""
        await self.store()
        await self.traefik(self.provider)
        died = await self.publisher(f"{self.spec},ttl=60,probe={self.probe}")
        await self.publish(died, self.backend("one"))
        self.crash(died)
        await self.publisher(self.spec)
        self.assertLess(await self.gone(self.https, "one"), 8)

    async def test_storeForgets(self: Any) -> None:
        """When the store comes back empty, what is published is put there again, and Traefik routes it."""
        store = await self.store()
        await self.traefik(self.provider)
        publisher = await self.publisher(f"{self.spec},ttl=6,probe={self.probe}")
        await self.publish(publisher, self.backend("one"))
        await store.kill()
        await self.forget()
        await self.assertFailure(self.publishSoon(publisher), Refused)
        await self.store()
        await self.publish(publisher, self.backend("two"))
        await self.until("routed", lambda: self._answers("one"))
        self.assertEqual((await self.visit(self.https, "two"))[0], 200)
        await publisher.stop()

    async def forget(self) -> None:
        """Remove what the store has on disk."""

    def publishSoon(self: Any, publisher: Any) -> Any:
        """Try to publish, with little patience."""
        publisher.publishTimeout, patience = 1.0, publisher.publishTimeout
        publishing = publisher.publish(self.backend("two").registration)
        publisher.publishTimeout = patience
        return publishing

    async def test_nameLost(self: Any) -> None:
        """A name that another gateway has taken while the store could not be reached is given up."""
        await self.store()
        first = await self.publisher(f"{self.spec},ttl=2")
        backend = self.backend("one")
        await self.publish(first, backend)
        await self.steal("diglett/claims/one.gateway.test", "g2")
        await self.until("the name is lost", lambda: backend.lost, 5)
        self.assertIn("taken at another gateway", backend.lost[0])
        self.assertIn("belongs to the gateway g2", self.logged())

    async def test_storeDown(self: Any) -> None:
        """Without the store the gateway does not start, and says why."""
        publisher = await self.publisher(self.spec, start=False)
        error = await self.assertFailure(publisher.start(), UsageError)
        self.assertIn("the store of Traefik's routes", str(error))


__all__ = ["StoreTests", "TraefikTestCase"]
