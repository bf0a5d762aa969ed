"""A lot of bytes, and a lot of streams: every byte arrives, once and in order."""

from __future__ import annotations

import hashlib
import os

from tests.integration.programs.bulk import BLOCK, blocks, checksum
from tests.integration.services import nginx, python
from tests.integration.tunnel import TunnelTestCase
from tests.integration.visitors import Conversation, connect

SIZE = int(os.environ.get("DIGLETT_BULK", "1000")) * 1_000_000
"""Bytes of each of the four large transfers: a gigabyte, unless DIGLETT_BULK says how many megabytes."""

STREAMS = 500
PIECE = 100_000
"""Bytes in each direction of each of the many streams."""


class LargeTests(TunnelTestCase):
    """A gigabyte in one stream."""

    def test_portDown(self) -> None:
        """A download through the listening port."""
        gateway = self.tunnel(python(self, "bulk"))
        visitor = connect(self, gateway.listeningPort("example"))
        visitor.send(b"down %d\n" % SIZE)
        digest = hashlib.sha256()
        room = bytearray(BLOCK)
        while size := visitor.socket.recv_into(room):
            digest.update(memoryview(room)[:size])
        self.assertEqual(digest.hexdigest(), checksum(SIZE))

    def test_portUp(self) -> None:
        """An upload through the listening port."""
        gateway = self.tunnel(python(self, "bulk"))
        visitor = connect(self, gateway.listeningPort("example"))
        visitor.send(b"up\n")
        for block in blocks(SIZE):
            visitor.send(block)
        visitor.finish()
        self.assertEqual(visitor.line().decode(), checksum(SIZE) + "\n")

    def test_https(self) -> None:
        """A download by https from nginx, and an upload to it, with curl."""
        place = nginx(self)
        files = self.folder / "nginx" / "www"
        with open(files / "large", "wb") as large:
            large.writelines(blocks(SIZE))
        gateway = self.tunnel(place)
        curl = f"curl --silent --show-error --fail --noproxy '*' --cacert {gateway.ca}"
        said = self.perform("sh", "-c", f"{curl} {gateway.url('example', '/large')} | sha256sum", limit=120)
        self.assertEqual(said[:64].decode(), checksum(SIZE))
        self.perform("sh", "-c", f"{curl} --upload-file {files}/large {gateway.url('example', '/put/up')}", limit=120)
        self.perform("cmp", files / "large", files / "put" / "up", limit=120)
        for path in (files / "large", files / "put" / "up"):
            path.unlink()


class ManyTests(TunnelTestCase):
    """Hundreds of streams at a time."""

    def test_port(self) -> None:
        """Streams of a listening port, read and written in turns, each with bytes of its own."""
        gateway = self.tunnel(python(self, "bulk"))
        port = gateway.listeningPort("example")
        visitors = [connect(self, port) for _ in range(STREAMS)]
        for seed, visitor in enumerate(visitors):
            visitor.send(b"down %d %d\n" % (PIECE, seed))
        digests = [hashlib.sha256() for _ in visitors]
        for _ in range(10):
            for digest, visitor in zip(digests, visitors):
                digest.update(visitor.read(PIECE // 10))
        for seed, (digest, visitor) in enumerate(zip(digests, visitors)):
            self.assertEqual((digest.hexdigest(), visitor.rest()), (checksum(PIECE, seed), b""))
            visitor.socket.close()
        visitors = [connect(self, port) for _ in range(STREAMS)]
        parts = [b"up\n" + b"".join(blocks(PIECE, seed)) for seed in range(STREAMS)]
        for begin in range(0, PIECE + 3, PIECE // 10):
            for part, visitor in zip(parts, visitors):
                visitor.send(part[begin : begin + PIECE // 10])
        for visitor in visitors:
            visitor.finish()
        for seed, visitor in enumerate(visitors):
            self.assertEqual(visitor.rest().decode(), checksum(PIECE, seed) + "\n")

    def test_https(self) -> None:
        """Uploads by https, all under way before the first ends, each answered with its own checksum."""
        gateway = self.tunnel(python(self, "site", "waitress"))
        context = gateway.context()
        visitors: list[Conversation] = []
        for seed in range(STREAMS):
            visitor = connect(self, gateway.https, context)
            visitors.append(visitor)
            head = b"POST /echo?%d HTTP/1.1\r\nHost: example.localhost\r\nContent-Length: %d\r\n\r\n"
            visitor.send(head % (seed, PIECE))
        parts = [b"".join(blocks(PIECE, seed)) for seed in range(STREAMS)]
        for half in (slice(0, PIECE // 2), slice(PIECE // 2, PIECE)):
            for part, visitor in zip(parts, visitors):
                visitor.send(part[half])
        for seed, visitor in enumerate(visitors):
            document = visitor.answer().document
            self.assertEqual((document["query"], document["sha256"]), (str(seed), checksum(PIECE, seed)))
