"""Whether the other side of a link is still there, and what it costs to know."""

from __future__ import annotations

from typing import Any

from diglett.errors import LinkLost, ProtocolError
from diglett.wire.frames import Kind, Reason, encodeFrame
from diglett.wire.messages import Established
from tests.link.rooms import LinkTestCase


class LivenessTests(LinkTestCase):
    """Is the other side still there?"""

    def test_idle(self) -> None:
        """An idle link stays up, at the price of a few bytes now and then."""
        self.connect(tls=True)
        pings = []
        write = self.gateway.channel.write

        def counting(parts: Any, size: int) -> int:
            pings.append(size)
            return write(parts, size)

        self.gateway.channel.write = counting  # type: ignore[method-assign]
        self.plane.advance(3_600, step=2.5)
        self.assertEqual(self.gateway.handler.errors + self.agent.handler.errors, [])
        self.assertLess(len(pings), 3_600 / 5)
        self.assertGreater(len(pings), 3_600 / 30)

    def test_silence(self) -> None:
        """When nothing comes any more the link is over after its time-out, with everything on it."""
        self.connect(tls=True)
        here, there = self.open()
        self.gateway.channel.freeze()
        self.agent.channel.freeze()
        self.plane.advance(29)
        self.assertEqual(self.gateway.handler.errors, [])
        self.plane.advance(4)
        self.assertEqual((here.reason, there.reason), (Reason.LOST, Reason.LOST))
        for side in (self.gateway, self.agent):
            self.assertIsInstance(side.handler.errors[0], LinkLost)
        self.assertOver()

    def test_oneWaySilence(self) -> None:
        """One direction that is dead is enough."""
        self.connect()
        self.agent.channel.freeze()
        self.plane.advance(35)
        self.assertOver()

    def test_terms(self) -> None:
        """The gateway says how long."""
        self.connect(terms=Established(keepalive=2, timeout=5))
        self.gateway.channel.freeze()
        self.agent.channel.freeze()
        self.plane.advance(6, step=0.25)
        self.assertOver()

    def test_busyIsAlive(self) -> None:
        """A link that carries bytes is alive without any answer to a ping."""
        self.connect()
        here, there = self.open()
        for _ in range(100):
            self.plane.advance(1)
            there.mux.write(there.stream, b"x")
        self.assertEqual(self.gateway.handler.errors, [])

    def test_sleptThrough(self) -> None:
        """A process that was stopped for longer than the time-out takes the link for dead when it wakes up."""
        self.connect()
        self.plane.advance(5)
        self.gateway.channel.freeze()
        self.agent.channel.freeze()
        self.plane.clock.advance(3_600)
        self.plane.pump()
        self.assertOver()

    def test_probe(self) -> None:
        """Whoever answers is alive; whoever does not, is not, after the time given."""
        self.connect()
        alive = self.gateway.link.probe(3)
        self.plane.pump()
        self.assertTrue(self.successResultOf(alive))
        self.agent.channel.freeze()
        alive = self.gateway.link.probe(3)
        self.plane.advance(2.9)
        self.assertNoResult(alive)
        self.plane.advance(0.1)
        self.assertFalse(self.successResultOf(alive))

    def test_twoProbes(self) -> None:
        """Each has its own time."""
        self.connect()
        self.agent.channel.freeze()
        first = self.gateway.link.probe(3)
        self.plane.advance(2)
        second = self.gateway.link.probe(3)
        self.plane.advance(1)
        self.assertFalse(self.successResultOf(first))
        self.assertNoResult(second)
        self.agent.channel.thaw()
        self.plane.pump()
        self.assertTrue(self.successResultOf(second))

    def test_probeOfTheDead(self) -> None:
        """A link that is over, or ends meanwhile, is not alive."""
        self.connect()
        alive = self.gateway.link.probe(3)
        self.gateway.link.close()
        self.assertFalse(self.successResultOf(alive))
        self.assertFalse(self.successResultOf(self.gateway.link.probe(3)))
        self.plane.pump()
        self.assertOver()

    def test_unreadAnswers(self) -> None:
        """A peer that makes us answer and never reads is dropped, and does not fill our memory."""
        self.connect(capacity=1_000)
        self.gateway.channel.freeze()
        raw = self.agent.channel
        self.agent.link._over = True  # the agent's own link looks on
        ping = encodeFrame(Kind.PING, 0, b"12345678")
        for _ in range(500):
            raw.write((ping * 500,), len(ping) * 500)
            self.plane.pump()
            if self.gateway.handler.errors:
                break
        self.assertIsInstance(self.gateway.handler.errors[0], ProtocolError)
        self.assertEqual(self.gateway.link.mux._control, b"")
        self.assertLess(self.gateway.channel.queued, 1_100_000)


    def test_neverRead(self) -> None:
        """So is one that reads nothing and says nothing, while others make us tell it more and more."""
        self.connect(capacity=1_000)
        here, _ = self.open()
        self.gateway.channel.freeze()
        self.agent.channel.freeze()
        here.mux.write(here.stream, b"x" * 50_000)
        self.plane.pump()
        while not here.mux.overflowed:
            here.mux.ping(b"12345678")
        self.plane.advance(3)
        self.assertIn("does not read", str(self.gateway.handler.errors[0]))
        self.assertEqual(here.reason, Reason.LOST)
