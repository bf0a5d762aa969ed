"""Visitors see what is wrong: else the matrix would say that all was well, whatever happened."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.chaos.programs.client import Client
from tests.chaos.programs.noise import blocks, checksum
from tests.chaos.programs.visitors import Visitors


class VisitorTests(SynchronousTestCase):
    """One visitor, and a server that answers in a way of its own."""

    def noted(self, kind: str, *pieces: bytes, times: int = 1) -> tuple[str, str]:
        """Let a visitor ask a server that answers with these bytes and ends; how it ended, and what was wrong.

        `times`: it asks so often on its connection, and the last one counts.
        """
        notes = io.StringIO()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            for piece in pieces:
                writer.write(piece)
            await writer.drain()
            writer.close()

        async def ask() -> None:
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            asking: Any = Visitors("idle", port, "example.localhost", None, 100_000, notes)
            client = Client(port, "example.localhost", None)
            for _ in range(times):
                await asking._try(kind, lambda: getattr(asking, f"_{kind}")(client))
            client.close()
            server.close()

        asyncio.run(ask())
        _, began, ended, result, flaw = json.loads(notes.getvalue().splitlines()[-1])
        self.assertLessEqual(began, ended)
        return result, flaw

    def ok(self, body: bytes, length: int | None = None) -> bytes:
        """An answer."""
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (length or len(body)) + body

    def test_download(self) -> None:
        """A download is good when each byte is, at its place."""
        body = b"".join(blocks(100_000, 1))
        self.assertEqual(hashlib.sha256(body).hexdigest(), checksum(100_000, 1))
        self.assertEqual(self.noted("download", self.ok(body)), ("200", ""))
        swapped = body[:65_535] + body[65_536:65_537] + body[65_535:65_536] + body[65_537:]
        self.assertRegex(self.noted("download", self.ok(swapped))[1], "instead of")
        self.assertRegex(self.noted("download", self.ok(body[:-1]))[1], "instead of")

    def test_cut(self) -> None:
        """One that ends before its end is cut, and no answer at all is as well."""
        body = b"".join(blocks(100_000, 1))
        self.assertEqual(self.noted("download", self.ok(body[:-1], len(body))), ("cut", ""))
        self.assertEqual(self.noted("download"), ("cut", ""))

    def test_unkept(self) -> None:
        """A kept connection that ends before anything came of the next answer is not an answer that was cut."""
        first = self.ok(b"1-" + b"x" * 100)
        self.assertEqual(self.noted("echo", first, times=2), ("unkept", ""))

    def test_upload(self) -> None:
        """An upload is good when the backend has counted all of its bytes."""
        self.assertEqual(self.noted("upload", self.ok(b"100000 " + checksum(100_000, 1).encode())), ("200", ""))
        self.assertRegex(self.noted("upload", self.ok(b"99999 " + checksum(100_000, 1).encode()))[1], "instead of")

    def test_status(self) -> None:
        """A page that says what is wrong is told from an answer."""
        page = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nConnection: close\r\n\r\naway"
        self.assertEqual(self.noted("echo", page), ("503", ""))

    def test_others(self) -> None:
        """An answer that is meant for somebody else is not right."""
        self.assertRegex(self.noted("echo", self.ok(b"2-" + b"x" * 100))[1], "got '2-x+' instead of '1-x+'")
