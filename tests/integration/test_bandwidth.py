"""An account whose bandwidth is limited: slower, whole, and nobody else's business."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Any

from diglett.auth.tokenfile import digestOf
from tests.integration.programs.bulk import BLOCK, blocks, checksum
from tests.integration.services import python
from tests.integration.tunnel import TunnelTestCase
from tests.integration.visitors import connect

RATE = 2_000_000
SIZE = 5_000_000

TOKENS = """
[user.slow]
names = ["*"]
bandwidth = "2M"
[[user.slow.token]]
sha256 = "{slow}"
[user.quick]
names = ["*"]
[[user.quick.token]]
sha256 = "{quick}"
"""


class BandwidthTests(TunnelTestCase):
    """Two accounts, one of them limited; the limited one has two agents."""

    def setUp(self) -> None:
        super().setUp()
        tokens = self.folder / "tokens.toml"
        tokens.write_text(TOKENS.format(slow=digestOf("a-token"), quick=digestOf("b-token")))
        self.house = self.gateway("--auth", f"tokens:{tokens}")
        place = str(python(self, "bulk"))
        for name, token in (("one", "a-token"), ("two", "a-token"), ("quick", "b-token")):
            options = ("--ca", self.house.ca, "-n", name, place)
            self.agent(self.house, *options, state=name, DIGLETT_TOKEN=token).waitFor(" -> ")

    def _down(self, name: str, took: dict[str, Any]) -> None:
        visitor = connect(self, self.house.listeningPort(name))
        began = time.monotonic()
        visitor.send(b"down %d\n" % SIZE)
        digest = hashlib.sha256()
        room = bytearray(BLOCK)
        while size := visitor.socket.recv_into(room):
            digest.update(memoryview(room)[:size])
        took[name] = (time.monotonic() - began, digest.hexdigest())

    def test_down(self) -> None:
        """Downloads through two agents share what their account has; another account's is not slowed down."""
        took: dict[str, Any] = {}
        threads = [threading.Thread(target=self._down, args=(name, took)) for name in ("one", "two", "quick")]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        took["both"] = (time.monotonic() - began, checksum(SIZE))
        self.assertEqual({digest for _, digest in took.values()}, {checksum(SIZE)})
        self.assertGreater(took["both"][0], 2 * SIZE / RATE * 0.9)
        self.assertLess(took["both"][0], 2 * SIZE / RATE * 2)
        self.assertLess(took["quick"][0], SIZE / RATE / 2)

    def test_up(self) -> None:
        """An upload is limited likewise, and arrives whole."""
        visitor = connect(self, self.house.listeningPort("one"))
        began = time.monotonic()
        visitor.send(b"up\n")
        for block in blocks(SIZE):
            visitor.send(block)
        visitor.finish()
        self.assertEqual(visitor.line().decode(), checksum(SIZE) + "\n")
        self.assertGreater(time.monotonic() - began, SIZE / RATE * 0.9)
