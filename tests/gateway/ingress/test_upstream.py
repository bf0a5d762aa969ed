"""How streams to the agent end, as the HTTP front sees it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from diglett.testing import clientTrust, serverContexts
from tests.gateway.ingress.rig import Rig, Visitor

UPGRADE = b"GET /ws HTTP/1.1\r\nHost: one.gateway.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


class UpgradedTests(SynchronousTestCase):
    """Connections that are no HTTP any more: whichever half ends first, nothing is left when both have."""

    def setUp(self) -> None:
        self.rig = Rig(window=32_768)
        self.visitor: Visitor = self.rig.visit()
        self.rig.ask(self.visitor, UPGRADE)
        self.rig.answer(0, SWITCHED)

    def assertGone(self) -> None:
        """Nobody remembers the visitor."""
        self.assertTrue(self.visitor.closed)
        self.assertIsNone(self.visitor.error)
        self.assertEqual((self.rig.front.visitors, self.rig.gateway.link.mux.streams), (0, {}))

    def test_visitorFirst(self) -> None:
        """The visitor ends its half, then the backend."""
        self.visitor.channel.finish()
        self.rig.plane.pump()
        self.assertEqual(self.rig.front.visitors, 1)
        self.rig.answer(0, b"bye", finish=True)
        self.assertGone()

    def test_backendFirst(self) -> None:
        """The backend ends its half, then the visitor."""
        self.rig.answer(0, b"bye", finish=True)
        self.assertTrue(self.visitor.ended)
        self.rig.ask(self.visitor, b"good bye")
        self.assertEqual((bytes(self.rig.backends[0].received[-8:]), self.rig.front.visitors), (b"good bye", 1))
        self.visitor.channel.finish()
        self.rig.plane.pump()
        self.assertTrue(self.rig.backends[0].ended)
        self.assertGone()

    def test_backendFirstAndSlow(self) -> None:
        """The same when the last of the visitor's bytes had to wait: the backend gets them all."""
        backend = self.rig.backends[0]
        backend.stalled = True
        self.rig.answer(0, b"bye", finish=True)
        before = len(backend.received)
        self.rig.ask(self.visitor, bytes(60_000))
        self.visitor.channel.finish()
        self.rig.plane.pump()
        self.assertEqual(self.rig.front.visitors, 1)
        backend.stalled = False
        backend.mux.delivered(backend.stream, len(backend.received))
        self.rig.plane.pump()
        self.assertEqual((len(backend.received) - before, backend.ended), (60_000, True))
        self.assertGone()


class SlowVisitorTests(SynchronousTestCase):
    """Answers that wait for their visitor."""

    def test_smallRecords(self) -> None:
        """A visitor over TLS that has read all of many small records in the end owes nothing: the agent has its credit
        back, and the answer goes on."""
        rig = Rig(window=65_536, capacity=2_048)
        there, here = rig.plane.pair()
        server = rig.plane.tls(here, serverContexts().connection())
        client = rig.plane.tls(there, clientTrust().connection())
        shaken: list[Exception | None] = []
        for side in (server, client):
            side.handshake(shaken.append)
        rig.plane.pump()
        self.assertEqual(shaken, [None, None])
        rig.front.visit(server, True, None)
        visitor = Visitor(client)
        rig.ask(visitor, 2 * b"GET / HTTP/1.1\r\nHost: one.gateway.com\r\n\r\n")
        client.pauseReading()
        rig.answer(0, b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n" + bytes(4_000))
        # What the visitor gets is shorter than what came: this field is not for it.
        rig.answer(0, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nKeep-Alive: timeout=5, max=1000\r\n\r\n")
        for _ in range(400):
            rig.answer(0, b"1\r\nx\r\n")
        self.assertGreater(server.queued, 4_096, "the test needs a queue")
        client.resumeReading()
        rig.plane.pump()
        self.assertEqual((server.queued, visitor.received.count(b"x")), (0, 400))
        self.assertEqual(rig.gateway.link.mux.undelivered, 0)
        for _ in range(200):
            rig.answer(0, b"3e8\r\n" + b"y" * 1_000 + b"\r\n")
        self.assertEqual(visitor.received.count(b"y"), 200_000)
