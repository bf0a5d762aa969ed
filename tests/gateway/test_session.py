"""A real agent at a real gateway: coming in, being refused, being let go, coming back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trustme
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from diglett.accounts import Limits
from diglett.errors import Refused
from diglett.gateway.agents import AgentLimits
from diglett.testing import memoryCredentials
from diglett.trust.client import GatewayTrust
from tests.gateway.house import AGENTS, HTTP, HTTPS, Hand, House
from tests.trust.forging import named

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


class ComingInTests(HouseTestCase):
    """From dialling to a visitor's answer."""

    def test_wholeWay(self) -> None:
        """An agent comes in, its name is published and told, a visitor reaches its backend, and stopping undoes it."""
        backends = self.house.backend()
        hand = self.agent("example")
        self.assertEqual(hand.notes.events, ["up"])
        self.assertEqual(hand.notes.lines, [("https://example.gateway.com", "localhost:9000")])
        self.assertEqual(self.house.registrar.log, ["registered example.gateway.com"])
        visitor = self.visit()
        self.assertTrue(bytes(backends[0].received).startswith(b"GET / HTTP/1.1\r\nHost: example.gateway.com\r\n"))
        backends.say(0, OK)
        self.assertEqual(bytes(visitor.received), OK)
        visitor.channel.close()
        self.plane.pump()
        self.assertTrue(backends[0].closed)
        hand.service.stopService()
        self.plane.pump()
        self.assertEqual(hand.ended, [None])
        self.assertEqual(self.house.registrar.standing, [])

    def test_severalNames(self) -> None:
        """One agent holds several names, and each visitor comes out at its own name's backend."""
        backends, others = self.house.backend(), self.house.backend(9_001)
        hand = self.agent("one", "two", backends=(9_000, 9_001))
        self.visit(b"two")
        self.visit(b"one")
        self.assertIn(b"two.gateway.com", bytes(others[0].received))
        self.assertIn(b"one.gateway.com", bytes(backends[0].received))
        self.assertEqual((len(backends), len(others)), (1, 1))
        self.assertEqual(hand.notes.lines[1], ("https://two.gateway.com", "localhost:9001"))

    def test_speaksFirst(self) -> None:
        """A service that speaks first is heard at the name's own port before the visitor has said a word."""
        backends = self.house.backend()
        self.agent("example", type="tcp")
        visitor = self.house.connect(self.house.portOf("example"))
        self.plane.pump()
        backends.say(0, b"220 hello\r\n")
        self.assertEqual(bytes(visitor.received), b"220 hello\r\n")

    def test_throughTheFront(self) -> None:
        """An agent reaches the gateway through the HTTPS port as well, by ALPN."""
        backends = self.house.backend()
        hand = self.agent("example", port=HTTPS)
        self.assertEqual(hand.notes.events, ["up"])
        self.visit()
        self.assertEqual(len(backends), 1)

    def test_certificates(self) -> None:
        """A client certificate's name is who the agent is, on the agents' port and on the HTTPS port; no token is."""
        authorities = Path(self.mktemp())
        ca = trustme.CA()
        ca.cert_pem.write_to_path(str(authorities))
        self.build(clientAuthorities=authorities)
        self.house.book.add("carol")
        trust = GatewayTrust(
            "localhost", pins=[memoryCredentials().pin], credentials=named(ca, ["carol"])
        )
        for name, port in (("one", AGENTS), ("two", HTTPS)):
            self.assertEqual(self.agent(name, port=port, trust=trust, token=None).notes.events, ["up"])
        self.assertEqual([session.account.id for session in self.house.agents], ["carol", "carol"])
        self.assertEqual({asked.certificateName for asked in self.house.book.asked}, {"carol"})
        self.assertEqual(self.refusals(self.agent("three", token=None)), ["login-refused"])

    def test_peer(self) -> None:
        """The authenticator is told the agent's address without its port."""
        self.agent()
        self.assertEqual(self.house.book.asked[0].peer, "127.0.0.1")


class RefusedTests(HouseTestCase):
    """Each no, and what the agent makes of it."""

    def test_forGood(self) -> None:
        """A no that cannot change ends the agent with its code: the token, and each way in which a name is not allowed."""
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


class StillAllowedTests(HouseTestCase):
    """Those who are connected and may not be any more."""

    def test_revoked(self) -> None:
        """An account that is gone is let go at once and for good; its name is withdrawn, others stay."""
        gone, other = self.agent("one"), self.agent("two", token="bob")
        del self.house.book.accounts["alice"]
        self.house.book.changed()
        self.plane.pump()
        self.assertEqual(self.refusals(gone), ["revoked"])
        self.assertTrue(other.up)
        self.assertEqual(self.house.registrar.standing, ["two.gateway.com"])

    def test_nameRevoked(self) -> None:
        """A name that the account may not use any more ends the session that holds it."""
        hand = self.agent("one", "two")
        self.house.book.add("alice", patterns=("one",))
        self.house.book.changed()
        self.plane.pump()
        self.assertEqual(self.refusals(hand), ["revoked"])

    def test_notRevoked(self) -> None:
        """Who is still allowed notices nothing of being asked about."""
        hand = self.agent()
        self.house.book.changed()
        self.plane.pump()
        self.assertEqual((hand.notes.events, self.house.book.refreshed), (["up"], 1))

    def test_expired(self) -> None:
        """An account is let go when its time is over."""
        self.house.book.add("carol", expires=self.house.clock.seconds() + 100)
        hand = self.agent(token="carol")
        self.plane.advance(99)
        self.assertTrue(hand.up)
        self.plane.advance(2)
        self.assertEqual(self.refusals(hand), ["revoked"])

    def test_extended(self) -> None:
        """An account whose time was extended meanwhile stays, until the new time."""
        start = self.house.clock.seconds()
        self.house.book.add("carol", expires=start + 100)
        hand = self.agent(token="carol")
        self.house.book.add("carol", expires=start + 200)
        self.plane.advance(150)
        self.assertTrue(hand.up)
        self.plane.advance(51)
        self.assertFalse(hand.up)

    def test_farAway(self) -> None:
        """An expiry in a hundred years needs no timer of a hundred years."""
        self.house.book.add("carol", expires=self.house.clock.seconds() + 3e9)
        self.agent(token="carol")
        self.assertTrue(all(call.getTime() < 2_000_000 for call in self.house.clock.getDelayedCalls()))


class ComingBackTests(HouseTestCase):
    """Ghosts, reclaims, probes."""

    def test_silentDeath(self) -> None:
        """An agent whose connection died in silence takes its name back from its own ghost at once; the same URL."""
        backends = self.house.backend()
        hand = self.agent()
        hand.channel.freeze()
        hand.channel.reset()  # the agent's machine knows, the gateway does not
        self.plane.advance(0.5, 0.1)
        self.assertTrue(hand.up)
        self.assertEqual(hand.notes.events, ["up", ("lost", "lost"), "again"])
        self.assertEqual(self.house.registrar.log, ["registered example.gateway.com"])
        self.assertEqual(len(self.house.agents), 1)
        self.visit()
        self.assertEqual(len(backends), 1)

    def test_replaced(self) -> None:
        """The ghost is told, should it live after all, that it was replaced, and does not fight for the name."""
        stranger = self.house.stranger()
        stranger.enter("example")
        again = self.house.stranger()
        again.enter("example")
        self.assertTrue(again.established)
        self.assertEqual(stranger.error, "replaced")
        self.assertTrue(stranger.closed)

    def test_probed(self) -> None:
        """Another agent of the account gets the name of one that does not answer a probe, after three seconds."""
        dead = self.house.stranger()
        dead.enter("example")
        dead.freeze()
        heir = self.agent()
        self.plane.advance(2.5)
        self.assertFalse(heir.up)
        self.plane.advance(1)
        self.assertTrue(heir.up)

    def test_probedAlive(self) -> None:
        """An agent that answers the probe keeps its name, and the other one keeps asking."""
        self.agent()
        other = self.agent()
        self.assertEqual(self.refusals(other), ["name-taken"])
        self.assertFalse(other.up)
        self.hands[0].service.stopService()
        self.plane.advance(20)
        self.assertTrue(other.up)

    def test_somebodyElses(self) -> None:
        """A name of a dead agent is nobody else's before that agent's link is given up, and then it is free."""
        dead = self.house.stranger()
        dead.enter("example")
        dead.freeze()
        other = self.agent(token="bob")
        self.plane.advance(25)
        self.assertFalse(other.up)
        self.plane.advance(25)
        self.assertTrue(other.up)

    def test_shared(self) -> None:
        """Two agents share a name; when one dies, visitors who come then see nothing of it."""
        backends, others = self.house.backend(), self.house.backend(9_001)
        first = self.agent(share=True)
        self.agent(share=True, backends=(9_001,))
        for _ in range(4):
            self.visit()
        self.assertEqual((len(backends), len(others)), (2, 2))
        first.channel.abort()
        self.plane.pump()
        for _ in range(2):
            self.visit()
        self.assertEqual(len(others), 4)

