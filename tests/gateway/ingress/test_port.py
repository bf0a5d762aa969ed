"""A name's own port, and all that is passed through as it is."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import Refused
from diglett.gateway.crowd import Crowd
from diglett.gateway.ingress.port import PortIngress, letThrough
from diglett.testing import MemoryPlane, connectedLinks
from diglett.wire.frames import Reason, Way
from diglett.wire.messages import Hello
from tests.gateway.ingress.rig import Name, Visitor


class Reachable(Name):
    """A name that notes who has come."""

    def __init__(self, link: Any, fqdn: str) -> None:
        super().__init__(link, fqdn)
        self.reached = 0

    def wasReached(self, channel: Any) -> None:
        self.reached += 1


class PortTestCase(SynchronousTestCase):
    """A link with small windows, a name on it, and room for two visitors."""

    def setUp(self) -> None:
        self.plane = MemoryPlane()
        hello = Hello(streams=100, window=16_384)
        self.gateway, self.agent = connectedLinks(self.plane, gatewayHello=hello, agentHello=hello)
        self.name = Reachable(self.gateway.link, "one.gateway.com")
        self.crowd = Crowd("visitors", self.plane.clock.seconds, 2)
        self.ingress = PortIngress(self.name, "127.0.0.1", 4_711, self.crowd)
        self.addCleanup(self.nobodyLeft)

    def nobodyLeft(self) -> None:
        """When the link is over, so is everybody's visit."""
        self.gateway.link.close()
        self.plane.pump()
        self.assertEqual(len(self.crowd), 0)

    def visit(self) -> Visitor:
        """A visitor's connection to the port."""
        there, here = self.plane.pair()
        visitor = Visitor(there)
        self.ingress.accepted(here)
        self.plane.pump()
        return visitor

    @property
    def backends(self) -> Any:
        return self.agent.handler.endpoints


class PortTests(PortTestCase):
    """`PortIngress`."""

    def test_opaque(self) -> None:
        """What a visitor says comes out as it is, as does the answer; the agent knows who it is and by which port."""
        visitor = self.visit()
        opening = self.name.openings[0]
        self.assertEqual((opening.way, opening.front), (Way.PORT, "127.0.0.1 4711"))
        self.assertTrue(opening.visitor.startswith("127.0.0.1 "))
        visitor.send(b"\x00anything\r\n")
        self.plane.pump()
        self.assertEqual(bytes(self.backends[0].received), b"\x00anything\r\n")
        self.assertEqual(self.name.reached, 1)

    def test_nobodyThere(self) -> None:
        """Without an agent the connection is reset, and nobody is counted; the port was reached all the same."""
        self.name.refusal = Refused("away", code="agent-away")
        self.assertTrue(self.visit().closed)
        self.assertEqual((len(self.crowd), self.name.reached), (0, 1))

    def test_tooMany(self) -> None:
        """Beyond what the gateway takes connections are reset before the agent hears of them; a place is given back."""
        visitors = [self.visit() for _ in range(3)]
        self.assertEqual([each.closed for each in visitors], [False, False, True])
        self.assertEqual(len(self.backends), 2)
        visitors[0].channel.abort()
        self.plane.pump()
        self.assertFalse(self.visit().closed)

    def test_everyEnd(self) -> None:
        """A place is given back however a visit ends: by either side's reset, by both halves, by the agent's no."""
        for number, end in enumerate(("visitor", "agent", "both", "refused")):
            visitor = self.visit()
            backend = self.backends[number]
            mux = self.agent.link.mux
            if end == "visitor":
                visitor.channel.abort()
            elif end == "agent":
                mux.close(backend.stream, Reason.RESET)
            elif end == "refused":
                mux.close(backend.stream, Reason.BACKEND_UNREACHABLE, "connection refused")
            else:
                visitor.channel.finish()
                self.plane.pump()
                self.assertTrue(backend.ended)
                self.assertEqual(len(self.crowd), 1)
                mux.finish(backend.stream)
            self.plane.pump()
            self.assertEqual(len(self.crowd), 0, end)
            self.assertTrue(visitor.closed or end == "visitor")

    def test_linkLost(self) -> None:
        """Visitors of a link that is gone are reset."""
        visitor = self.visit()
        self.gateway.channel.reset()
        self.plane.pump()
        self.assertIsNotNone(visitor.error)
        self.assertEqual(len(self.crowd), 0)


class ReceivedTests(PortTestCase):
    """What was read before it was known where it goes."""

    def begin(self, received: bytes) -> Visitor:
        there, here = self.plane.pair()
        visitor = Visitor(there)
        assert self.crowd.admit(here)
        letThrough(self.name, here, Way.TLS, "", self.crowd, received)
        return visitor

    def test_first(self) -> None:
        """It comes before what the visitor says next."""
        visitor = self.begin(b"hello, ")
        visitor.send(b"world")
        self.plane.pump()
        self.assertEqual(bytes(self.backends[0].received), b"hello, world")

    def test_moreThanTheWindow(self) -> None:
        """All of it comes, also when the stream has no credit for it at once."""
        received = bytes(range(256)) * 200
        visitor = self.begin(received)
        visitor.send(b"and on")
        self.plane.pump()
        self.assertEqual(bytes(self.backends[0].received), received + b"and on")

    def test_blockedLink(self) -> None:
        """All of it comes, also when the link is full at that moment."""
        mux = self.gateway.link.mux
        mux.block()
        visitor = self.begin(b"hello, ")
        visitor.send(b"world")
        self.plane.pump()
        self.assertEqual(self.backends, [])
        mux.unblock()
        self.gateway.link.flush()
        self.plane.pump()
        self.assertEqual(bytes(self.backends[0].received), b"hello, world")
