"""What a link counts as undelivered, from the first byte of a stream to after its end."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from diglett.link.splice import Splice
from diglett.testing import MemoryPlane, connectedLinks
from diglett.wire.frames import Way
from diglett.wire.opening import Opening


class AccountingTests(SynchronousTestCase):
    """Bytes that have left the stream are not counted for ever: thousands of such ends would choke the link."""

    def test_endWhileQueued(self) -> None:
        """When both directions have ended and the visitor has not read it all yet, nothing stays on the account."""
        plane = MemoryPlane()
        gateway, agent = connectedLinks(plane)
        channel, visitor = plane.pair(1_000)
        splice = Splice(channel)
        splice.mux = gateway.link.mux
        splice.stream = splice.mux.open(Opening(1, Way.PORT, "", ""), splice)
        splice.start()
        plane.pump()
        (endpoint,) = agent.handler.endpoints
        visitor.finish()
        endpoint.mux.write(endpoint.stream, bytes(50_000))
        endpoint.mux.finish(endpoint.stream)
        plane.pump()
        self.assertEqual((channel.queued, gateway.link.mux.streams), (49_000, {}))
        self.assertEqual(gateway.link.mux.undelivered, 0)
