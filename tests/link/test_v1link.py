"""Links of version 1, beyond what `tests.gateway.test_v1` sees of them."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import LinkClosed
from diglett.link.link import UNASKED
from diglett.link.v1link import BREATH, V1Link
from diglett.testing import MemoryPlane, NotedEndpoint, NotingHandler
from diglett.wire.frames import Kind, encodeFrame
from diglett.wire.opening import Opening
from diglett.wire.v1.mux import CROWDED

FULL = 65_535


class V1LinkTests(SynchronousTestCase):
    """`V1Link`, at the gateway, over a channel that is not even encrypted."""

    def setUp(self) -> None:
        self.plane = MemoryPlane(capacity=4 * CROWDED)
        here, self.agent = self.plane.pair()
        here.chunk = FULL
        self.agent.owner = NotedEndpoint()
        self.handler = NotingHandler()
        self.link = V1Link(self.plane, here, self.handler, opens=True, label="agent")
        self.link.start()
        self.end: Any = NotedEndpoint()
        self.end.mux = self.link.mux
        self.end.stream = self.link.mux.open(Opening(0), self.end)
        self.end.stalled = True
        self.plane.pump()

    def flood(self) -> None:
        """The agent sends more than is taken."""
        frames = [encodeFrame(Kind.PAYLOAD, 1, bytes(FULL))] * (CROWDED // FULL + 4)
        self.agent.write(frames, sum(map(len, frames)))
        self.plane.pump()

    def test_quiet(self) -> None:
        """Nothing is asked, and nothing expected; only the mux is told the time."""
        told: list[float] = []
        self.patch(self.link.mux, "tick", told.append)
        self.plane.advance(10 * UNASKED, UNASKED)
        self.assertEqual((len(told), self.handler.errors), (10, []))
        self.assertTrue(self.successResultOf(self.link.probe(3.0)))
        self.link.close()
        self.assertFalse(self.successResultOf(self.link.probe(3.0)))

    def test_breath(self) -> None:
        """More comes with each breath, however long nothing is taken; at once when it is."""
        self.flood()
        taken = [self.link.mux.undelivered]
        for _ in range(3):
            self.plane.advance(BREATH)
            taken.append(self.link.mux.undelivered)
        self.assertEqual(sorted(set(taken)), taken)
        self.end.stalled = False
        self.end.mux.delivered(self.end.stream, taken[-1])
        self.plane.pump()
        self.assertEqual((self.link.mux.undelivered, len(self.end.received)), (0, (CROWDED // FULL + 4) * FULL))

    def test_over(self) -> None:
        """The end of a link in the middle of a breath leaves no timer."""
        self.flood()
        self.assertEqual(len(self.plane.clock.getDelayedCalls()), 2)
        self.link.close()
        self.assertEqual(self.plane.clock.getDelayedCalls(), [])
        self.assertEqual([type(error) for error in self.handler.errors], [LinkClosed])
