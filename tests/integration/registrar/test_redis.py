"""`traefik-redis` with the real Redis and Traefik."""

from __future__ import annotations

from diglett.errors import Refused, UsageError
from diglett.extensions import openRegistrars
from tests.integration.components import Running, freePort
from tests.integration.registrar.documented import documented
from tests.integration.registrar.stores import StoreTests, TraefikTestCase


class RedisTestCase(TraefikTestCase):
    """Redis on a free port."""

    password = ""

    def setUp(self) -> None:
        super().setUp()
        self.port = freePort()
        self.spec = f"traefik-redis:redis://127.0.0.1:{self.port}"
        self.provider = documented("traefik-redis.yml", {":6379": f":{self.port}"})

    async def store(self) -> Running:
        configuration = self.write(
            "redis.conf",
            documented("redis.conf", {})
            + f'bind 127.0.0.1\nport {self.port}\nsave ""\nappendonly no\ndir {self.folder}\n'
            + (f"requirepass {self.password}\n" if self.password else ""),
        )
        running = self.spawn("redis-server", str(configuration))
        await self.listening(self.port, running)
        return running

    async def forget(self) -> None:
        """It keeps nothing on disk."""


class RedisTests(RedisTestCase, StoreTests):
    """Names come and go in Redis."""

    async def steal(self, key: str, value: str) -> None:
        await self.redis("set", key, value)

    async def persist(self) -> None:
        await self.redis("save")

    async def test_storeFails(self) -> None:
        """A Redis that takes no more (it is full) refuses the name, and leaves what is there."""
        await self.store()
        publisher = await self.publisher(f"{self.spec},probe=none")
        one = await self.publish(publisher, self.backend("one"))
        await self.redis("config", "set", "maxmemory", "1")
        error = await self.assertFailure(publisher.publish(self.backend("two").registration), Refused)
        self.assertIn("the store of Traefik's routes", str(error))
        self.assertIn("OOM command not allowed", self.logged())
        await self.redis("config", "set", "maxmemory", "0")
        await self.publish(publisher, self.backend("two"))
        await one.withdraw()

    async def redis(self, *words: str) -> None:
        status, output = await self.run_("redis-cli", "-p", str(self.port), *words)
        self.assertEqual((status, output.strip()), (0, "OK"))

    async def test_password(self) -> None:
        """A wrong password keeps the gateway from starting, the right one does not; neither is logged."""
        self.password = "hunter2"
        await self.store()
        secret = self.write("secret", "hunter3")
        publisher = await self.publisher(f"{self.spec},password-file={secret}", start=False)
        error = await self.assertFailure(publisher.start(), UsageError)
        self.assertNotIn("hunter", str(error) + self.logged())
        secret.write_text("hunter2\n")
        publisher = await self.publisher(f"{self.spec},password-file={secret}")
        await self.publish(publisher, self.backend("one"))

    async def test_badArguments(self) -> None:
        """An address that is none, or with a password in it, is told at once."""
        for spec in ("http://x", "redis://", "redis://x/y", "redis://:secret@x", "redis://x,ttl=0", "redis://x:99999"):
            error = self.assertRaises(UsageError, openRegistrars, [f"traefik-redis:{spec}"], self.context())
            self.assertNotIn("secret", str(error))
