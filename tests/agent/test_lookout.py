"""Our own test visitor among all others."""

from __future__ import annotations

from tests.gateway.housekeeping import OK, HouseTestCase
from tests.gateway.people import HTTP

MARKER = b" /.well-known/diglett-doctor/0123456789abcdef "
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nours"


class LookoutTests(HouseTestCase):
    """An agent that expects somebody, behind a real front."""

    def setUp(self) -> None:
        super().setUp()
        self.services = self.house.backend()
        self.hand = self.agent("example")
        self.lookout = self.hand.service.lookout
        self.seen = self.lookout.expect(MARKER, ANSWER, 10)

    def ask(self, *parts: bytes) -> object:
        """A visitor who says this, piece by piece."""
        visitor = self.house.connect(HTTP)
        for part in parts:
            visitor.send(part)
            self.plane.pump()
        return visitor

    def test_found(self) -> None:
        """It gets its answer from the agent, and the backend hears nothing of it."""
        visitor = self.ask(b"GET" + MARKER + b"HTTP/1.1\r\nHost: example.gateway.com\r\n\r\n")
        self.assertTrue(self.successResultOf(self.seen))
        self.assertTrue(bytes(visitor.received).endswith(b"ours"))  # type: ignore[attr-defined]
        self.assertEqual(len(self.services), 0)
        self.assertFalse(self.lookout.expects)

    def test_others(self) -> None:
        """Everybody else gets through to the backend with all they have said."""
        visitor = self.visit()
        self.assertEqual(bytes(self.services[0].received).count(b"GET / HTTP/1.1"), 1)
        self.services.say(0, OK)
        self.assertEqual(self.status(visitor), 200)
        self.assertNoResult(self.seen)
        self.seen.cancel()
        self.failureResultOf(self.seen)

    def test_notInTime(self) -> None:
        """Who does not come in time is expected no more, and who is still silent then is passed on."""
        port = self.house.portOf("example")
        silent = self.house.connect(port)
        self.plane.pump()
        self.assertEqual(len(self.services), 0)
        self.plane.advance(11)
        self.assertFalse(self.successResultOf(self.seen))
        self.assertEqual(len(self.services), 1)
        silent.send(b"late")
        self.plane.pump()
        self.assertEqual(bytes(self.services[0].received), b"late")

    def test_leaves(self) -> None:
        """One who leaves without a word is forgotten."""
        silent = self.house.connect(self.house.portOf("example"))
        self.plane.pump()
        silent.channel.abort()
        self.plane.pump()
        self.assertEqual(self.lookout._waiting, [])
        self.lookout.close()
        self.assertFalse(self.successResultOf(self.seen))

    def test_finishes(self) -> None:
        """One who has finished without being found is passed on, end included."""
        visitor = self.house.connect(self.house.portOf("example"))
        visitor.send(b"all")
        visitor.channel.finish()
        self.plane.pump()
        self.assertEqual((bytes(self.services[0].received), self.services[0].ended), (b"all", True))
        self.lookout.close()
        self.successResultOf(self.seen)

    def test_backendGone(self) -> None:
        """One whose backend is gone hears that as always."""
        self.services.listener.close()
        self.house.backends.clear()
        visitor = self.visit()
        self.assertEqual(self.status(visitor), 502)
        self.lookout.close()
        self.successResultOf(self.seen)

    def test_bounded(self) -> None:
        """Only so many are expected at the same time, and only for what nobody else says."""
        self.assertRaises(ValueError, self.lookout.expect, b"", b"", 10)
        for _ in range(15):
            self.lookout.expect(MARKER, b"", 10)
        self.assertRaises(ValueError, self.lookout.expect, MARKER, b"", 10)
        self.lookout.close()
        self.successResultOf(self.seen)

    def test_idle(self) -> None:
        """When nobody is expected nobody is looked at."""
        self.lookout.close()
        self.successResultOf(self.seen)
        self.house.connect(self.house.portOf("example"))
        self.plane.pump()
        self.assertEqual(len(self.services), 1)


