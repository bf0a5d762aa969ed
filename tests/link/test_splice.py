"""Visitors and backends joined by a link, all in memory: bytes, ends, pressure, and connections still being made."""

from __future__ import annotations

import hashlib

from diglett.wire.frames import Reason
from tests.link.tunnels import CAPACITY, SpliceTestCase


class BytesTests(SpliceTestCase):
    """Bytes through the whole tunnel."""

    def test_conversation(self) -> None:
        """Question and answer."""
        visitor, backend = self.both()
        visitor.write(b"question")
        self.plane.pump()
        self.assertEqual(bytes(backend.received), b"question")
        backend.write(b"answer")
        self.plane.pump()
        self.assertEqual(bytes(visitor.received), b"answer")

    def test_serverSpeaksFirst(self) -> None:
        """A backend may greet a visitor who has not said a word."""
        visitor, backend = self.both()
        backend.write(b"220 ready\r\n")
        self.plane.pump()
        self.assertEqual(bytes(visitor.received), b"220 ready\r\n")

    def test_large(self) -> None:
        """Many windows' worth both ways at once, unharmed."""
        visitor, backend = self.both()
        up = bytes(range(256)) * 8_000
        down = bytes(reversed(range(256))) * 8_000
        visitor.write(up)
        backend.write(down)
        self.plane.pump()
        self.assertEqual(hashlib.sha256(backend.received).digest(), hashlib.sha256(up).digest())
        self.assertEqual(hashlib.sha256(visitor.received).digest(), hashlib.sha256(down).digest())
        self.assertEqual(self.gateway.link.mux.undelivered, 0)

    def test_many(self) -> None:
        """Fifty visitors at once get each their own bytes."""
        pairs = [self.both() for _ in range(50)]
        for index, (visitor, backend) in enumerate(pairs):
            visitor.write(b"%d?" % index * 5_000)
            backend.write(b"%d!" % index * 5_000)
        self.plane.pump()
        for index, (visitor, backend) in enumerate(pairs):
            self.assertEqual(bytes(backend.received), b"%d?" % index * 5_000)
            self.assertEqual(bytes(visitor.received), b"%d!" % index * 5_000)


class PressureTests(SpliceTestCase):
    """Who does not read slows down whoever writes to them, and nobody else."""

    def test_slowVisitor(self) -> None:
        """A visitor who does not read stops its backend after a window and the buffers on the way."""
        visitor, backend = self.both()
        visitor.channel.pauseReading()
        window = self.agent.link.mux.streams[1].credit
        backend.write(b"x" * (window * 4))
        self.plane.pump()
        out = window * 4 - backend.channel.queued
        self.assertLessEqual(out, window + 2 * CAPACITY)
        self.assertGreaterEqual(out, window)
        self.assertLessEqual(self.gateway.link.mux.undelivered, window)
        visitor.channel.resumeReading()
        self.plane.pump()
        self.assertEqual(len(visitor.received), window * 4)
        self.assertEqual(backend.gone + backend.sent, window * 4)

    def test_othersGoOn(self) -> None:
        """Meanwhile the next visitor gets megabytes."""
        stalled, busy = self.both()
        stalled.channel.pauseReading()
        busy.write(b"x" * 2_000_000)
        self.plane.pump()
        visitor, backend = self.both()
        backend.write(b"y" * 2_000_000)
        self.plane.pump()
        self.assertEqual(len(visitor.received), 2_000_000)
        self.assertEqual(len(stalled.received), 0)

    def test_blockedLink(self) -> None:
        """While the link itself takes nothing, backends are not read; it all comes afterwards, fairly."""
        pairs = [self.both() for _ in range(4)]
        self.agent.channel.freeze()
        for index, (_, backend) in enumerate(pairs):
            backend.write(bytes([index]) * 500_000)
        self.plane.pump()
        held = sum(500_000 - backend.channel.queued for _, backend in pairs)
        self.assertLess(held, 400_000 + 4 * 2 * CAPACITY)
        self.agent.channel.thaw()
        self.plane.pump()
        for index, (visitor, _) in enumerate(pairs):
            self.assertEqual(bytes(visitor.received), bytes([index]) * 500_000)

    def test_visitorLeavesBlocked(self) -> None:
        """A visitor who leaves while its stream waits for the link leaves nothing there."""
        visitor, backend = self.both()
        other, otherBackend = self.both()
        self.agent.channel.freeze()
        otherBackend.write(b"x" * 300_000)
        backend.write(b"x" * 100_000)
        self.plane.pump()
        backend.abort()
        self.plane.pump()
        self.agent.channel.thaw()
        self.plane.pump()
        self.assertEqual((len(other.received), visitor.events), (300_000, ["broken"]))
        other.abort()
        self.plane.pump()
        self.assertNoStreams()


class EndTests(SpliceTestCase):
    """How visits end."""

    def test_visitorFinishes(self) -> None:
        """A visitor who has said everything still gets the answer; the backend's end ends the visit."""
        visitor, backend = self.both()
        visitor.write(b"request")
        visitor.channel.finish()
        self.plane.pump()
        self.assertEqual((bytes(backend.received), backend.events), (b"request", ["end"]))
        backend.write(b"x" * 100_000)
        backend.channel.finish()
        self.plane.pump()
        self.assertEqual((len(visitor.received), visitor.events), (100_000, ["end"]))
        self.assertNoStreams()

    def test_backendFinishes(self) -> None:
        """The same the other way round."""
        visitor, backend = self.both()
        backend.write(b"greeting")
        backend.channel.finish()
        self.plane.pump()
        self.assertEqual((bytes(visitor.received), visitor.events), (b"greeting", ["end"]))
        visitor.write(b"x" * 100_000)
        visitor.channel.finish()
        self.plane.pump()
        self.assertEqual((len(backend.received), backend.events), (100_000, ["end"]))
        self.assertNoStreams()

    def test_closeAfterAnswer(self) -> None:
        """A backend that answers and closes at once loses nothing of a large answer, to a slow visitor neither."""
        visitor, backend = self.both()
        visitor.channel.pauseReading()
        backend.write(b"x" * 300_000)
        backend.close()
        self.plane.pump()
        visitor.channel.resumeReading()
        self.plane.pump()
        self.assertEqual((len(visitor.received), visitor.events), (300_000, ["end"]))
        visitor.close()
        self.plane.pump()
        self.assertNoStreams()

    def test_visitorAborts(self) -> None:
        """A visitor's reset resets the backend's connection."""
        visitor, backend = self.both()
        visitor.abort()
        self.plane.pump()
        self.assertEqual(backend.events, ["broken"])
        self.assertNoStreams()

    def test_backendAborts(self) -> None:
        """And the other way round."""
        visitor, backend = self.both()
        backend.abort()
        self.plane.pump()
        self.assertEqual(visitor.events, ["broken"])
        self.assertNoStreams()

    def test_abortAfterFinish(self) -> None:
        """A reset after a half-close is a reset."""
        visitor, backend = self.both()
        visitor.channel.finish()
        self.plane.pump()
        visitor.abort()
        self.plane.pump()
        backend.write(b"anybody?")
        self.plane.pump()
        self.assertEqual(backend.events, ["end", "broken"])
        self.assertNoStreams()

    def test_linkLost(self) -> None:
        """When the link is gone every connection is reset, at both ends."""
        pairs = [self.both() for _ in range(5)]
        self.slow = True
        self.visit()
        self.gateway.channel.reset()
        self.agent.channel.reset()
        self.plane.pump()
        for visitor, backend in pairs:
            self.assertEqual((visitor.events, backend.events), (["broken"], ["broken"]))
        self.assertEqual(self.cancelled, 1)
        self.assertNoStreams()
        self.assertOver()

    def test_linkDead(self) -> None:
        """Also when it only stopped answering."""
        visitor, backend = self.both()
        self.gateway.channel.freeze()
        self.agent.channel.freeze()
        self.plane.advance(35)
        self.assertEqual((visitor.events, backend.events), (["broken"], ["broken"]))
        self.assertOver()

    def test_linkClosedBehindTheEnd(self) -> None:
        """A visit that was complete is delivered although the link is closed right behind it."""
        visitor, backend = self.both()
        visitor.channel.pauseReading()
        visitor.channel.finish()
        self.plane.pump()
        backend.write(b"x" * 50_000)
        backend.close()
        self.plane.pump()
        self.gateway.link.close()
        self.plane.pump()
        visitor.channel.resumeReading()
        self.plane.pump()
        self.assertEqual((len(visitor.received), visitor.events), (50_000, ["end"]))
        self.assertOver()

    def test_nothingAfterTheEnd(self) -> None:
        """Whatever comes late for a splice that is over is harmless."""
        visitor, backend = self.both()
        splice = self.splice
        visitor.abort()
        self.plane.pump()
        splice.closed(Reason.RESET, "")
        splice.resume()
        splice.drained(10)
        splice.broken(OSError())
        self.plane.pump()
        self.assertNoStreams()


class TLSEndTests(EndTests):
    """The same over TLS."""

    tls = True
