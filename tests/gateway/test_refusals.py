"""Each way in which an agent is refused, and what it makes of it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from diglett.accounts import Limits
from diglett.errors import Refused
from diglett.gateway.agents import AgentLimits
from tests.gateway.housekeeping import HouseTestCase


class RefusedTests(HouseTestCase):
    """Each no, and what the agent makes of it."""

    def test_forGood(self) -> None:
        """A no that cannot change ends the agent with its code: of the token, and of each thing wrong with a name."""
        self.house.book.add("carol", patterns=("carol-*",))
        for names, token, code in (
            (("example",), "nobody", "login-refused"),
            (("example",), None, "login-refused"),
            (("not a name",), "alice", "name-invalid"),
            (("a.b",), "alice", "name-invalid"),
            (("WWW",), "alice", "name-reserved"),
            (("example",), "carol", "name-not-allowed"),
            (("carol-1", "dave"), "carol", "name-not-allowed"),
            (("twice", "TWICE"), "alice", "name-taken"),
        ):
            hand = self.agent(*names, token=token)
            self.assertEqual(self.refusals(hand), [code])
            self.assertTrue(isinstance(hand.ended[0], Refused) and hand.ended[0].permanent)
        self.assertEqual((len(self.house.registry), len(self.house.agents)), (0, 0))
        self.assertEqual(self.house.registrar.standing, [])

    def test_oneAnswerForEveryToken(self) -> None:
        """An unknown token and an expired one are refused in the same words."""
        self.house.book.add("late", expires=999_999.0)
        said = {str(self.agent(token=token).ended[0]) for token in ("late", "unknown")}
        self.assertEqual(len(said), 1)

    def test_forNow(self) -> None:
        """Somebody else's name, a failing registrar and a failing authenticator are tried again, and slowly."""
        self.agent("taken")
        self.house.registrar.answer = OSError("disk full")
        self.assertEqual(self.refusals(self.agent("example")), ["publish-failed"])
        self.house.registrar.answer = None
        hand = self.agent("taken", token="bob")
        self.assertEqual(self.refusals(hand), ["name-taken"])
        self.assertGreaterEqual(hand.notes.events[0][2], 0.5)
        self.house.book.answer = RuntimeError("the database is gone")
        self.assertEqual(self.refusals(self.agent("other")), ["try-again"])
        self.house.book.answer = None
        self.flushLoggedErrors()
        self.hands[0].service.stopService()
        self.plane.advance(60)
        self.assertEqual([hand.up for hand in self.hands[1:]], [True] * 3)

    def test_throttled(self) -> None:
        """An address that guesses is told to wait, even with a good token, until it has waited."""
        for _ in range(7):
            self.agent(token="guess")
        hand = self.agent()
        self.assertEqual(self.refusals(hand), ["login-throttled"])
        self.plane.advance(30)
        self.assertTrue(hand.up)

    def test_once(self) -> None:
        """With `once` the first refusal that would be tried again ends the agent with that error."""
        self.agent("taken")
        hand = self.agent("taken", token="bob", once=True)
        self.assertEqual([str(getattr(error, "code", "")) for error in hand.ended], ["name-taken"])

    def test_authenticatorHangs(self) -> None:
        """An authenticator that never answers costs the agent a while, and nothing else."""
        self.house.book.answer = Deferred()
        hand = self.agent()
        self.assertFalse(hand.up)
        self.plane.advance(11)
        self.assertIn("try-again", self.refusals(hand))

    def test_leavesWhileAsked(self) -> None:
        """An agent that leaves while the authenticator thinks has the question cancelled, and leaves nothing."""
        cancelled: list[Any] = []
        self.house.book.answer = Deferred(cancelled.append)
        hand = self.agent()
        hand.service.stopService()
        self.plane.pump()
        self.assertEqual(len(cancelled), 1)
        self.assertEqual(len(self.house.agents._begun), 0)


class LimitTests(HouseTestCase):
    """What accounts may have."""

    def test_agents(self) -> None:
        """An account's agent beyond its limit is refused before it holds a name, and not for good."""
        self.house.book.add("carol", limits=Limits(agents=1))
        first = self.agent("one", token="carol")
        second = self.agent("two", token="carol")
        self.assertEqual(second.notes.events[0][:2], ("retrying", "limit"))
        self.assertNotIn("up", second.notes.events)
        self.assertEqual(self.house.registrar.standing, ["one.gateway.com"])
        first.service.stopService()
        self.plane.advance(20)
        self.assertTrue(second.up)

    def test_names(self) -> None:
        """An account's name beyond its limit is refused, however they are spread over its agents."""
        self.house.book.add("carol", limits=Limits(names=2))
        self.assertTrue(self.agent("one", token="carol").up)
        self.assertEqual(self.refusals(self.agent("two", "three", token="carol")), ["limit"])
        self.assertTrue(self.agent("two", token="carol").up)
        self.assertTrue(self.agent("three").up)

    def test_streams(self) -> None:
        """A visitor beyond an account's limit of streams is told so; a place that gets free is taken."""
        self.house.book.add("carol", limits=Limits(streams=2))
        backends = self.house.backend()
        self.agent("one", token="carol")
        self.agent("two", token="carol")
        visitors = [self.visit(name) for name in (b"one", b"two", b"one")]
        self.assertEqual(self.status(visitors[2]), 503)
        self.assertEqual(len(backends), 2)
        visitors[0].channel.abort()
        self.plane.pump()
        self.visit(b"two")
        self.assertEqual(len(backends), 3)


class GatewayLimitTests(HouseTestCase):
    """What the gateway takes from all agents together."""

    limits = AgentLimits(links=2)

    def test_links(self) -> None:
        """An agent beyond the gateway's limit is refused for now, and comes in when there is room."""
        hands = [self.agent(name) for name in ("one", "two", "three")]
        self.assertEqual([hand.up for hand in hands], [True, True, False])
        self.assertEqual(hands[2].notes.events[0][:2], ("retrying", "limit"))
        self.assertEqual(len(self.house.registry), 2)
        hands[0].service.stopService()
        self.plane.advance(20)
        self.assertTrue(hands[2].up)
