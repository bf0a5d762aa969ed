"""Established links: what they carry, how they notice that the other side is gone, and how they end."""

from __future__ import annotations

from typing import Any

from diglett.errors import LinkLost, ProtocolError, Refused
from diglett.link.link import Link, reasonOf
from diglett.testing import NotedEndpoint, NotingHandler
from diglett.wire.frames import Kind, Reason, encodeFrame
from diglett.wire.messages import Established, Hello
from tests.link.rooms import OPENING, LinkTestCase


class CarryTests(LinkTestCase):
    """Streams over a link."""

    def test_bothWays(self) -> None:
        """Bytes go both ways, plain and over TLS, in a narrow connection as in a wide one."""
        for tls in (False, True):
            for capacity in (700, 65_536):
                self.connect(tls=tls, capacity=capacity)
                here, there = self.open()
                for endpoint in (here, there):
                    self.send(endpoint, b"x" * 100_000)
                self.assertEqual((len(here.received), len(there.received)), (100_000, 100_000))
                self.gateway.link.close()
                self.plane.pump()
                self.assertOver()

    def send(self, endpoint: NotedEndpoint, data: bytes) -> int:
        """Send all of it as room permits; how often nobody gave room."""
        refused = 0
        while data:
            size = endpoint.mux.write(endpoint.stream, data)
            data = data[size:]
            refused += bool(data)
            self.plane.pump()
            self.assertLess(refused, 10_000)
        return refused

    def test_opening(self) -> None:
        """The agent hears at once where a visitor comes from, before any byte."""
        self.connect()
        self.open()
        self.assertEqual(self.agent.handler.openings, [OPENING])

    def test_dribbled(self) -> None:
        """Frames that arrive byte by byte are the same frames."""
        self.connect()
        self.agent.channel.chunk = 1
        here, there = self.open()
        self.send(here, bytes(range(256)) * 8)
        here.mux.finish(here.stream)
        self.plane.pump()
        self.assertEqual((bytes(there.received), there.ended), (bytes(range(256)) * 8, True))

    def test_partialFrames(self) -> None:
        """Large frames that arrive in pieces of any size are put together."""
        self.connect()
        for chunk in (3, 1_000, 40_000, 65_537):
            self.agent.channel.chunk = chunk
            here, there = self.open()
            self.send(here, b"z" * 150_000)
            self.assertEqual(bytes(there.received), b"z" * 150_000)

    def test_interleaved(self) -> None:
        """Two links whose frames arrive in pieces in turn do not mix up their bytes."""
        first = self.connect(), self.open()
        second = self.connect(), self.open()
        for (_, agent), _ in (first, second):
            agent.channel.chunk = 777
        for index, (_, (here, there)) in enumerate((first, second)):
            here.mux.write(here.stream, bytes([index]) * 60_000)
        self.plane.pump()
        self.assertEqual(bytes(first[1][1].received), bytes(60_000))
        self.assertEqual(bytes(second[1][1].received), b"\1" * 60_000)

    def test_blocked(self) -> None:
        """While the network takes nothing no more than a batch is accepted; all goes on in order afterwards."""
        self.connect(capacity=10_000)
        here, there = self.open()
        other, otherThere = self.open()
        self.gateway.channel.freeze()
        taken = 0
        while True:
            size = here.mux.write(here.stream, b"a" * 10_000)
            self.plane.pump()
            taken += size
            if size < 10_000:
                break
        self.assertLess(taken, 200_000)
        self.assertLess(self.gateway.channel.queued, 200_000)
        self.assertEqual(other.mux.write(other.stream, b"b" * 10), 0)
        self.gateway.channel.thaw()
        self.plane.pump()
        self.assertEqual((here.resumed, other.resumed), (1, 1))
        self.assertEqual(len(there.received), taken)

    def test_isolation(self) -> None:
        """A stream whose reader stalls holds up its own sender after a window, and nobody else's."""
        self.connect(tls=True)
        stalled, lazy = self.open()
        lazy.stalled = True
        window = stalled.stream.credit
        sent = 0
        while size := stalled.mux.write(stalled.stream, b"s" * 10_000):
            sent += size
            self.plane.pump()
        self.assertEqual(sent, window)
        fine, reader = self.open()
        self.send(fine, b"f" * (4 * window))
        self.assertEqual(len(reader.received), 4 * window)
        lazy.mux.delivered(lazy.stream, sent)
        self.plane.pump()
        self.assertEqual(stalled.resumed, 1)

    def test_bugInEndpoint(self) -> None:
        """An endpoint that raises loses its stream, and the link goes on."""
        self.connect()
        here, there = self.open()
        there.deliver = lambda parts, size: print(1 // 0)  # type: ignore[method-assign]
        here.mux.write(here.stream, b"x")
        self.plane.pump()
        self.assertEqual(here.reason, Reason.INTERNAL)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.open()


class EndTests(LinkTestCase):
    """All the ways in which a link ends."""

    def test_close(self) -> None:
        """Both sides hear it once, streams are closed, nothing is left."""
        self.connect(tls=True)
        here, there = self.open()
        self.gateway.link.close()
        self.gateway.link.close()
        self.plane.pump()
        self.assertEqual((here.reason, there.reason), (Reason.LOST, Reason.LOST))
        self.assertEqual(str(self.agent.handler.errors[0]), "the other side ended the link")
        self.assertOver()

    def test_closeWithReason(self) -> None:
        """The other side hears why."""
        self.connect(tls=True)
        self.gateway.link.close(Refused("the token was revoked", code="revoked", permanent=True))
        self.plane.pump()
        (error,) = self.agent.handler.errors
        assert isinstance(error, Refused)
        self.assertEqual((str(error), error.code, error.permanent), ("the token was revoked", "revoked", True))
        self.assertOver()

    def test_closeLosesNothing(self) -> None:
        """What was on its way is delivered before the end."""
        for tls in (False, True):
            self.connect(tls=tls, capacity=5_000)
            here, there = self.open()
            size = here.mux.write(here.stream, b"x" * 60_000)
            self.assertEqual(size, 60_000)
            here.mux.finish(here.stream)
            self.gateway.link.close()
            self.plane.pump()
            self.assertEqual((len(there.received), there.ended, there.reason), (60_000, True, Reason.LOST))
            self.assertOver()

    def test_closeWhileBlocked(self) -> None:
        """The reason is told although the link was blocked."""
        self.connect(capacity=5_000)
        here, there = self.open()
        self.gateway.channel.freeze()
        here.mux.write(here.stream, b"x" * 100_000)
        self.plane.pump()
        self.assertTrue(here.mux.blocked)
        self.gateway.link.close(Refused("go away", code="x"))
        self.gateway.channel.thaw()
        self.plane.pump()
        self.assertEqual(str(self.agent.handler.errors[0]), "go away")
        self.assertOver()

    def test_reset(self) -> None:
        """A connection that breaks ends the link on the side that sees it."""
        self.connect(tls=True)
        here, _ = self.open()
        self.gateway.channel.reset()
        self.agent.channel.reset()
        self.plane.pump()
        self.assertEqual(here.reason, Reason.LOST)
        for side in (self.gateway, self.agent):
            self.assertIn("the connection broke", str(side.handler.errors[0]))
        self.assertOver()

    def test_closedBelow(self) -> None:
        """So does one that is closed without a word, or in the middle of a frame."""
        for tls in (False, True):
            for last in (b"", b"\4\0\0"):
                self.connect(tls=tls)
                raw = self.agent.channel
                self.agent.link._over = True
                if not tls:
                    raw.write((last,), len(last))
                raw.close()
                self.plane.pump()
                self.assertEqual(len(self.gateway.handler.errors), 1)
                self.assertIsInstance(self.gateway.handler.errors[0], LinkLost)

    def test_garbage(self) -> None:
        """What breaks the protocol ends the link; the one who sent it hears that it was wrong."""
        for bad in (b"\xff" * 100, encodeFrame(Kind.OPEN, 2, b""), encodeFrame(Kind.PING, 0, b"short")):
            self.connect()
            self.agent.channel.write((bad,), len(bad))
            self.plane.pump()
            self.assertIsInstance(self.gateway.handler.errors[0], ProtocolError)
            self.assertIsInstance(self.agent.handler.errors[0], Refused)
            self.assertOver()

    def test_terminatedMidway(self) -> None:
        """What stands behind the last frame is not looked at."""
        self.connect()
        data = encodeFrame(Kind.TERMINATE, 0) + b"\xff" * 50
        self.gateway.channel.write((data,), len(data))
        self.plane.pump()
        self.assertEqual(str(self.agent.handler.errors[0]), "the other side ended the link")

    def test_drain(self) -> None:
        """A drained link takes no new streams, lets the others finish, and says when it is empty."""
        self.connect()
        here, there = self.open()
        self.gateway.link.drain()
        self.gateway.link.drain()
        self.plane.pump()
        self.assertEqual((self.agent.handler.drained, self.gateway.handler.empty), (1, 0))
        self.assertRaises(Refused, here.mux.open, OPENING, NotedEndpoint())
        for endpoint in (here, there):
            endpoint.mux.write(endpoint.stream, b"bye")
            endpoint.mux.finish(endpoint.stream)
        self.plane.pump()
        self.assertEqual((bytes(here.received), bytes(there.received)), (b"bye", b"bye"))
        self.assertEqual((self.agent.handler.empty, self.gateway.handler.empty), (1, 1))

    def test_drainEmpty(self) -> None:
        """A link without streams is empty at once."""
        self.connect()
        self.agent.link.drain()
        self.plane.pump()
        self.assertEqual((self.agent.handler.empty, self.gateway.handler.empty), (1, 1))

    def test_closeInCallbacks(self) -> None:
        """The handler and the endpoints may close the link from wherever they are called."""
        for where in ("draining", "deliver", "finished", "closed"):
            self.connect()
            link = self.agent.link

            def closing(*arguments: Any) -> int:
                link.close()
                return 0

            if where == "draining":
                setattr(self.agent.handler, where, closing)
            here = NotedEndpoint()
            here.mux = self.gateway.link.mux
            here.stream = here.mux.open(OPENING, here)
            self.plane.pump()
            if where != "draining":
                setattr(self.agent.handler.endpoints[0], where, closing)
            if where == "draining":
                self.gateway.link.drain()
            here.mux.write(here.stream, b"x")
            here.mux.finish(here.stream)
            if where == "closed":
                here.mux.close(here.stream)
            self.plane.pump()
            self.assertOver()
            self.assertEqual(self.flushLoggedErrors(), [])

    def test_closedBeforeStart(self) -> None:
        """A link that is closed before it was started leaves nothing behind when it is."""
        here, there = self.plane.pair()
        handler = NotingHandler()
        hello = Hello()
        link = Link(self.plane, here, handler, opens=False, ours=hello, theirs=hello, terms=Established(), label="x")
        link.close()
        link.start(encodeFrame(Kind.PING, 0, b"12345678"))
        self.plane.pump()
        self.assertEqual(len(handler.errors), 1)
        self.assertEqual(self.plane.clock.getDelayedCalls(), [])

    def test_rest(self) -> None:
        """What came behind the handshake is the beginning of the link, and may be its end."""
        here, there = self.plane.pair()
        handler = NotingHandler()
        hello = Hello()
        link = Link(self.plane, here, handler, opens=False, ours=hello, theirs=hello, terms=Established(), label="x")
        link.start(encodeFrame(Kind.TERMINATE, 0))
        self.plane.pump()
        self.assertEqual(str(handler.errors[0]), "the other side ended the link")
        self.assertEqual(self.plane.clock.getDelayedCalls(), [])

    def test_reasons(self) -> None:
        """Errors have words."""
        self.assertEqual(reasonOf(ConnectionResetError(104, "Connection reset by peer")), "connection reset by peer")
        self.assertEqual(reasonOf(ConnectionResetError("cut off")), "cut off")
        self.assertEqual(reasonOf(OSError()), "oserror")
