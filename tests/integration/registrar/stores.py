"""What must be true of Traefik with any store of routes; each store runs all of it."""

from __future__ import annotations

import json
import signal
from typing import Any

from diglett.errors import Refused
from tests.integration.components import reactor
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

    async def test_storeLater(self: Any) -> None:
        """The gateway starts without the store; names wait for it, and a predecessor's are gone when it comes."""
        store = await self.store()
        died = await self.publisher(f"{self.spec},ttl=60")
        await self.publish(died, self.backend("one"))
        self.crash(died)
        await self.persist()
        await store.kill()
        publisher = await self.publisher(f"{self.spec},ttl=6")
        self.assertEqual(self.logged().count("cannot be reached, and no name published until it can"), 1)
        began = reactor.seconds()
        error = await self.assertFailure(publisher.publish(self.backend("two").registration), Refused)
        self.assertIn("the store of Traefik's routes cannot be reached", str(error))
        self.assertFalse(error.permanent)
        self.assertLess(reactor.seconds() - began, 5)
        await self.store()
        await self.until("it was noticed", lambda: "routes has been reached" in self.logged(), 10)
        other = await self.publisher(self.spec, gateway="g2")
        await self.publish(other, self.backend("one"))
        await self.publish(publisher, self.backend("two"))

    async def persist(self) -> None:
        """See that what the store has will be there when it comes back."""

    async def test_storeHangs(self: Any) -> None:
        """A store that does not answer costs the agent a bounded wait, and nothing is left of it afterwards.

        Names that are there are served on, and one that goes meanwhile is gone once the store answers again.
        """
        store = await self.store()
        await self.traefik(self.provider)
        publisher = await self.publisher(f"{self.spec},probe={self.probe}")
        one = await self.publish(publisher, self.backend("one"))
        two = await self.publish(publisher, self.backend("two"))
        store.send(signal.SIGSTOP)
        began = reactor.seconds()
        error = await self.assertFailure(publisher.publish(self.backend("three").registration), Refused)
        self.assertIn("the store of Traefik's routes cannot be reached", str(error))
        self.assertLess(reactor.seconds() - began, 25)
        self.assertTrue(await self._answers("one"))
        publisher.withdrawTimeout = 0.5
        await two.withdraw()
        self.assertIn("could not withdraw two.gateway.test, which may stay published", self.logged())
        publisher.withdrawTimeout = 10.0
        store.send(signal.SIGCONT)
        await self.gone(self.https, "two")
        other = await self.publisher(self.spec, gateway="g2")
        await self.publish(other, self.backend("three"))
        await self.publish(other, self.backend("two"))
        self.assertTrue(await self._answers("one"))
        await one.withdraw()

    async def test_owed(self: Any) -> None:
        """A name that went while the store was away is gone when the store is back, whatever lived on in it."""
        store = await self.store()
        publisher = await self.publisher(f"{self.spec},ttl=12")
        await self.publish(publisher, self.backend("one"))
        two = await self.publish(publisher, self.backend("two"))
        await self.persist()
        await store.kill()
        await two.withdraw()
        await self.store()
        other = await self.publisher(self.spec, gateway="g2")

        async def free() -> bool:
            try:
                await self.publish(other, self.backend("two"))
            except Refused:
                return False
            return True

        await self.until("the name is free", free, 10)
        error = await self.assertFailure(other.publish(self.backend("one").registration), Refused)
        self.assertEqual(error.code, "name-taken")


__all__ = ["StoreTests", "TraefikTestCase"]
