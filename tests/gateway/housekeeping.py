"""What tests in a whole house have in common."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from diglett.gateway.agents import AgentLimits
from tests.gateway.house import House
from tests.gateway.people import HTTP, Hand

GET = b"GET / HTTP/1.1\r\nHost: %b.gateway.com\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class HouseTestCase(SynchronousTestCase):
    """A house that must be empty in the end."""

    limits = AgentLimits()
    reserved = frozenset({"www"})

    def setUp(self) -> None:
        self.hands: list[Hand] = []
        self.build()

    def build(self, **options: Any) -> None:
        """A new house."""
        self.house = House(self.limits, self.reserved, **options)
        self.plane = self.house.plane
        self.addCleanup(self.empty)

    def empty(self) -> None:
        """When everybody has been stopped, no name, session, stream, listener, visitor or timer is left."""
        for hand in self.hands:
            hand.service.stopService()
        stopped = self.house.stop()
        self.plane.advance(45)
        self.successResultOf(stopped)
        self.plane.advance(150, 5)  # visitors' deadlines
        self.assertEqual(self.house.leftovers(), {})
        self.assertTrue(all(hand.ended for hand in self.hands))

    def agent(self, *names: str, **options: Any) -> Hand:
        """An agent that has just been started."""
        hand = self.house.agent(*names, **options)
        self.hands.append(hand)
        return hand

    def visit(self, name: bytes = b"example") -> Any:
        """A visitor of a name, by plain HTTP, who has asked."""
        visitor = self.house.connect(HTTP)
        visitor.send(GET % name)
        self.plane.pump()
        return visitor

    def status(self, visitor: Any) -> int:
        """Of the answer that a visitor got."""
        return int(bytes(visitor.received).split(b" ")[1])

    def refusals(self, hand: Hand) -> list[str]:
        """The codes an agent was refused with, for now and for good."""
        codes = [event[1] for event in hand.notes.events if event[0] in ("retrying", "lost")]
        return codes + [str(getattr(error, "code", "lost")) for error in hand.ended if error is not None]
