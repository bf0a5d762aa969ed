"""Links in memory, and what must be true of them in the end."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from diglett.testing import MemoryPlane, NotedEndpoint, Side, connectedLinks
from diglett.wire.opening import Opening

OPENING = Opening(1, 0, "192.0.2.1 5000", "192.0.2.2 80")


class LinkTestCase(SynchronousTestCase):
    """A plane in memory, and one link on it when `connect` was called."""

    def setUp(self) -> None:
        self.plane = MemoryPlane()

    def connect(self, **settings: Any) -> tuple[Side, Side]:
        self.gateway, self.agent = connectedLinks(self.plane, **settings)
        return self.gateway, self.agent

    def open(self) -> tuple[NotedEndpoint, NotedEndpoint]:
        """A stream: its endpoint at the gateway and that at the agent."""
        here = NotedEndpoint()
        here.mux = self.gateway.link.mux
        here.stream = here.mux.open(OPENING, here)
        before = len(self.agent.handler.endpoints)
        self.plane.pump()
        return here, self.agent.handler.endpoints[before]

    def assertOver(self) -> None:
        """Both ends are over, told once, with no stream, timer, waiting stream or open channel left."""
        for side in (self.gateway, self.agent):
            self.assertEqual(len(side.handler.errors), 1)
            self.assertEqual(side.link.mux.streams, {})
            self.assertEqual(len(side.link.mux._waiting), 0)
            self.assertTrue(side.channel.closed)
        self.assertEqual(self.plane.clock.getDelayedCalls(), [])
