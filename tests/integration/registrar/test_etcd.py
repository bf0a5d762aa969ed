"""`traefik-etcd` with the real etcd and Traefik."""

from __future__ import annotations

import shutil

from diglett.errors import Refused, UsageError
from tests.integration.components import Running, freePort
from tests.integration.registrar.documented import documented
from tests.integration.registrar.stores import StoreTests, TraefikTestCase


class EtcdTestCase(TraefikTestCase):
    """etcd on free ports."""

    def setUp(self) -> None:
        super().setUp()
        self.port, self.peers = freePort(), freePort()
        self.spec = f"traefik-etcd:http://127.0.0.1:{self.port}"
        self.provider = documented("traefik-etcd.yml", {":2379": f":{self.port}"})

    async def store(self) -> Running:
        client, peer = (f"http://127.0.0.1:{port}" for port in (self.port, self.peers))
        running = self.spawn(
            "etcd", "--name", "t", "--data-dir", str(self.folder / "etcd"),
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", f"t={peer}", "--log-level", "error", "--unsafe-no-fsync",
        )  # fmt: skip
        await self.listening(self.port, running)

        async def healthy() -> bool:
            return (await self.fetch(f"{client}/health"))[0] == 200

        await self.until("etcd is healthy", healthy)
        return running

    async def forget(self) -> None:
        shutil.rmtree(self.folder / "etcd")


class EtcdTests(EtcdTestCase, StoreTests):
    """Names come and go in etcd."""

    async def test_storeFails(self) -> None:
        """An etcd that refuses, here for lack of a user, refuses the name; what is there stays."""
        await self.store()
        publisher = await self.publisher(f"{self.spec},probe=none")
        await self.publish(publisher, self.backend("one"))
        await self.etcdctl("user", "add", "root:secret")
        await self.etcdctl("user", "grant-role", "root", "root")
        await self.etcdctl("auth", "enable")
        error = await self.assertFailure(publisher.publish(self.backend("two").registration), Refused)
        self.assertIn("the store of Traefik's routes", str(error))
        self.assertIn("etcd answered 400", self.logged())
        refused = await self.publisher(self.spec, gateway="g2", start=False)
        self.assertIn("user name is empty", str(await self.assertFailure(refused.start(), UsageError)))
        secret = self.write("secret", "wrong\n")
        refused = await self.publisher(f"{self.spec},user=root,password-file={secret}", gateway="g2", start=False)
        self.assertIn("does not let root in", str(await self.assertFailure(refused.start(), UsageError)))
        secret.write_text("secret\n")
        other = await self.publisher(f"{self.spec},user=root,password-file={secret},probe=none", gateway="g2")
        await self.publish(other, self.backend("two"))
        error = await self.assertFailure(other.publish(self.backend("one").registration), Refused)
        self.assertEqual(error.code, "name-taken")

    async def test_quiet(self) -> None:
        """Requests are no news: the log is for what happens."""
        await self.store()
        lines = self.everythingLogged()
        publisher = await self.publisher(f"{self.spec},probe=none")
        await self.publish(publisher, self.backend("one"))
        await publisher.stop()
        self.assertEqual([line for line in lines if "HTTP11" in line], [])

    async def test_notEtcd(self) -> None:
        """Something else at that address keeps the gateway from starting; it would never be right."""
        port = self.backend("web").registration.port
        publisher = await self.publisher(f"traefik-etcd:http://127.0.0.1:{port}", start=False)
        await self.assertFailure(publisher.start(), UsageError)

    async def steal(self, key: str, value: str) -> None:
        for lease in (await self.etcdctl("lease", "list")).splitlines()[1:]:
            await self.etcdctl("lease", "revoke", lease)
        await self.etcdctl("put", key, value)

    async def etcdctl(self, *arguments: str) -> str:
        status, output = await self.run_("etcdctl", f"--endpoints=http://127.0.0.1:{self.port}", *arguments)
        self.assertEqual(status, 0, output)
        return output
