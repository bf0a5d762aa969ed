"""How long a visitor is waited for, in each state it can be in."""

from __future__ import annotations

from math import inf

from twisted.trial.unittest import SynchronousTestCase

from diglett.gateway.ingress.exchange import (
    BODY_TIMEOUT,
    HEAD_TIMEOUT,
    IDLE_TIMEOUT,
    STALL_TIMEOUT,
    Exchange,
    patience,
)
from diglett.http.messages import LIMITS
from diglett.http.requesthead import parseRequestHead
from tests.gateway.ingress.rig import Rig, Visitor
from tests.gateway.ingress.test_http import FrontTestCase, get, ok

POST = b"POST / HTTP/1.1\r\nHost: one.gateway.com\r\nContent-Length: 1000000\r\n\r\n"


class PatienceTests(SynchronousTestCase):
    """`patience`."""

    def test_states(self) -> None:
        """A visitor that must do something has so much time; the backend may take as long as it likes."""
        head = parseRequestHead(POST, LIMITS)
        begun, waiting = Exchange(head), Exchange(head)
        waiting.requestEnded = True
        self.assertEqual(patience(None, 0, False, False), IDLE_TIMEOUT)
        self.assertEqual(patience(begun, 0, False, False), BODY_TIMEOUT)
        self.assertEqual(patience(begun, 0, True, False), inf)
        self.assertEqual(patience(waiting, 0, False, False), inf)
        for exchange in (None, begun, waiting):
            self.assertEqual(patience(exchange, 1, False, False), STALL_TIMEOUT)
            self.assertEqual(patience(exchange, 0, False, True), STALL_TIMEOUT)


class SlowVisitorTests(FrontTestCase):
    """Visitors that keep us waiting."""

    def gone(self, visitor: Visitor) -> None:
        """The visitor was let go, and its stream with it."""
        self.assertTrue(visitor.closed)
        self.assertEqual(self.rig.gateway.link.mux.streams, {})

    def test_bodyThatNeverBegins(self) -> None:
        """A request whose body does not come at all is given up, as is one whose body stops."""
        for sent in (b"", b"some of it"):
            visitor = self.rig.visit()
            self.rig.ask(visitor, POST + sent)
            self.rig.advance(BODY_TIMEOUT - 3)
            self.assertFalse(visitor.closed)
            self.rig.advance(6)
            self.assertEqual(self.status(visitor), 408)
            self.gone(visitor)

    def test_dripping(self) -> None:
        """A head that comes byte by byte is given up ten seconds after its first."""
        visitor = self.rig.visit()
        self.rig.advance(HEAD_TIMEOUT - 1)
        for byte in get(b"x" * 30)[:26]:
            self.rig.ask(visitor, bytes([byte]))
            self.rig.advance(0.5)
        self.assertEqual(self.status(visitor), 408)

    def test_emptyLines(self) -> None:
        """Nor do empty lines before it keep a connection for long."""
        visitor = self.rig.visit()
        for _ in range(8):
            self.rig.ask(visitor, b"\r\n")
            self.rig.advance(HEAD_TIMEOUT - 1)
        self.assertTrue(visitor.closed)

    def test_backendThatDoesNotRead(self) -> None:
        """A visitor is not to blame for a body that its backend does not take."""
        self.rig.agent.handler.answer = None
        visitor = self.rig.visit()
        self.rig.ask(visitor, POST)
        self.rig.backends[0].stalled = True
        visitor.send(bytes(900_000))
        self.rig.advance(BODY_TIMEOUT * 3)
        self.assertFalse(visitor.closed)

    def test_halfClosed(self) -> None:
        """A visitor that has said that it says no more gets its answer, if that does not take too long."""
        patient, other = self.rig.visit(), self.rig.visit()
        for visitor in (patient, other):
            self.rig.ask(visitor, get())
            visitor.channel.finish()
        self.rig.advance(STALL_TIMEOUT - 3)
        self.rig.answer(0, ok(b"1"))
        self.assertEqual(bytes(patient.received), ok(b"1"))
        self.rig.advance(6)
        self.assertTrue(patient.closed)
        self.gone(other)


class StallingVisitorTests(FrontTestCase):
    """Visitors that do not read what they asked for."""

    def setUp(self) -> None:
        self.rig = Rig(262_144, capacity=4_096)
        self.addCleanup(self.clean)

    def stalled(self) -> Visitor:
        visitor = self.rig.visit()
        self.rig.ask(visitor, get())
        visitor.channel.pauseReading()
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"
        self.rig.answer(len(self.rig.backends) - 1, head + bytes(60_000))
        return visitor

    def test_givenUp(self) -> None:
        """Who takes nothing for two minutes is reset, and its stream closed: it holds a share of its link's memory."""
        visitor = self.stalled()
        self.rig.advance(STALL_TIMEOUT - 3)
        self.assertFalse(visitor.closed)
        self.assertEqual(len(self.rig.gateway.link.mux.streams), 1)
        self.rig.advance(6)
        self.assertEqual(self.rig.gateway.link.mux.streams, {})
        self.assertIsNotNone(self.rig.backends[0].reason)

    def test_trickle(self) -> None:
        """That the backend goes on makes no difference."""
        self.stalled()
        for _ in range(26):
            self.rig.advance(5)
            if self.rig.backends[0].reason is None:
                self.rig.answer(0, b"more")
        self.assertIsNotNone(self.rig.backends[0].reason)

    def test_slowly(self) -> None:
        """Who reads slowly, and reads, is left alone."""
        visitor = self.stalled()
        for _ in range(6):
            self.rig.advance(STALL_TIMEOUT - 10)
            visitor.channel.chunk = 100
            visitor.readable()
            self.rig.plane.pump()
        self.assertFalse(visitor.closed)
        self.assertIsNone(self.rig.backends[0].reason)
