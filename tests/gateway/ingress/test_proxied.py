"""Connections that begin with a PROXY protocol header."""

from __future__ import annotations

import struct
from typing import Any

from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from diglett.gateway.ingress.proxied import HEADER_TIMEOUT, behindProxy
from diglett.testing import MemoryPlane
from tests.gateway.ingress.rig import Visitor

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V2 = SIGNATURE + b"\x21\x11" + struct.pack(">H4s4sHH", 12, b"\xc0\0\2\x4d", b"\xc0\0\2\1", 5_555, 443)
V1 = b"PROXY TCP4 192.0.2.77 192.0.2.1 5555 443\r\n"


class ProxiedTests(SynchronousTestCase):
    """`behindProxy`."""

    def setUp(self) -> None:
        self.plane = MemoryPlane()
        self.taken: list[Any] = []
        self.accept = behindProxy(self.plane.clock, self.taken.append)
        self.addCleanup(lambda: self.assertEqual(self.plane.clock.getDelayedCalls(), []))

    def connect(self, data: bytes = b"", size: int = 1 << 20) -> Visitor:
        """Somebody connects and says this, in pieces of this size."""
        here, there = self.plane.pair()
        self.accept(there)
        visitor = Visitor(here)
        for at in range(0, len(data), size):
            visitor.send(data[at : at + size])
            self.plane.pump()
        return visitor

    def test_header(self) -> None:
        """Either version tells who the visitor is; what follows is the visitor's own first byte, however it is cut."""
        for header in (V1, V2):
            for size in (1, 7, 1 << 20):
                self.connect(header + b"GET /", size)
                taken = self.taken.pop()
                self.assertEqual(tuple(taken.peer)[:2], ("192.0.2.77", 5_555))
                reader = Visitor(taken)
                self.plane.pump()
                self.assertEqual(bytes(reader.received), b"GET /")

    def test_unknown(self) -> None:
        """A proxy that does not say, or speaks for itself, is who it is."""
        for header in (b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x20\x00\0\0"):
            self.connect(header)
            self.assertEqual(self.taken.pop().peer[0], "127.0.0.1")

    def test_none(self) -> None:
        """Without a header, or with a wrong or an endless one, the connection is reset and nobody is bothered."""
        for data in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"PROXY TCP4 192.0.2.77 nonsense 1 2\r\n",
            b"PROXY " + b"x" * 200,
            SIGNATURE + b"\x31\x11\0\0",
            SIGNATURE + b"\x21\x11\0\4\0\0\0\0",
        ):
            self.assertTrue(self.connect(data).closed, data[:20])
        self.assertEqual(self.taken, [])

    def test_slow(self) -> None:
        """It has ten seconds, however busily it does not come."""
        silent, half = self.connect(), self.connect(SIGNATURE + b"\x21\x11\xff\xff")
        for _ in range(20):
            half.send(b"x")
            self.plane.advance(HEADER_TIMEOUT / 20)
        self.plane.advance(1)
        self.assertTrue(silent.closed and half.closed)
        self.assertEqual(self.taken, [])

    def test_leavers(self) -> None:
        """Who closes or resets in the middle leaves nothing behind."""
        for data in (b"", b"PROXY TCP4", V2[:15]):
            self.connect(data).channel.abort()
            self.plane.pump()
            self.connect(data).channel.close()
            self.plane.pump()
        self.assertEqual(self.taken, [])

    def test_log(self) -> None:
        """A thousand connections without one make few lines."""
        lines: list[Any] = []
        globalLogPublisher.addObserver(lines.append)
        self.addCleanup(globalLogPublisher.removeObserver, lines.append)
        for _ in range(1_000):
            self.connect(b"GET / HTTP/1.1\r\n\r\n")
        self.assertEqual(len(lines), 1)
