"""How streams to the agent end, as the HTTP front sees it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

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
