"""A real agent at a real gateway: coming in, being let go, coming back."""

from __future__ import annotations

from pathlib import Path

import trustme
from twisted.internet.defer import Deferred

from diglett.accounts import Account
from diglett.testing import memoryCredentials
from diglett.trust.client import GatewayTrust
from diglett.wire.frames import Kind, encodeFrame
from tests.gateway.housekeeping import OK, HouseTestCase
from tests.gateway.people import AGENTS, HTTPS
from tests.trust.forging import named


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

    def test_revokedMeanwhile(self) -> None:
        """Who was revoked while its handshake went on is let go as soon as that is over."""
        stranger = self.house.stranger()
        stranger.greet()
        stranger.login()
        stranger.register("example")
        del self.house.book.accounts["alice"]
        self.house.book.changed()
        self.plane.pump()
        stranger.frame(Kind.FINISH_REGISTER)
        self.assertEqual(stranger.error, "revoked")
        self.assertTrue(stranger.closed)
        self.assertEqual(self.house.registrar.standing, [])

    def test_cannotBeAsked(self) -> None:
        """An authenticator that is out of order lets nobody go before time; it is asked again until it answers."""
        hand = self.agent()
        self.house.book.answer = RuntimeError("the database is gone")
        self.house.book.changed()
        self.plane.advance(45)
        self.assertTrue(hand.up)
        self.house.book.answer = None
        del self.house.book.accounts["alice"]
        self.plane.advance(31)
        self.assertEqual(self.refusals(hand), ["revoked"])
        self.flushLoggedErrors()

    def test_cannotBeAskedAtTheEnd(self) -> None:
        """An account whose time is over is let go even when nobody can say whether it was extended; not for good."""
        self.house.book.add("carol", expires=self.house.clock.seconds() + 100)
        hand = self.agent(token="carol")
        self.plane.advance(95)
        self.house.book.answer = RuntimeError("the database is gone")
        self.plane.advance(6)
        self.assertFalse(hand.up)
        self.assertEqual(hand.ended, [])
        self.house.book.answer = None
        self.house.book.add("carol")
        self.plane.advance(20)
        self.assertTrue(hand.up)
        self.flushLoggedErrors()

    def test_slowAnswers(self) -> None:
        """An answer that was overtaken by a newer question counts no more, and one to an ended session harms nobody."""
        hand = self.agent("one")
        slow: Deferred[None] = Deferred()
        self.house.book.answer = slow
        self.house.book.changed()
        self.house.book.answer = None
        self.house.book.add("alice", patterns=("one",))
        self.house.book.changed()
        self.assertEqual(self.house.book.refreshed, 2)
        slow.callback(None)
        self.assertTrue(hand.up)
        self.house.book.answer = Deferred()
        self.house.book.changed()
        hand.service.stopService()
        self.plane.pump()
        self.assertEqual(hand.ended, [None])

    def test_slowNo(self) -> None:
        """A no that takes its time counts as much."""
        hand = self.agent()
        self.house.book.answer = slow = Deferred()
        del self.house.book.accounts["alice"]
        self.house.book.changed()
        self.assertTrue(hand.up)
        slow.callback(None)
        self.plane.pump()
        self.assertEqual(self.refusals(hand), ["revoked"])

    def test_overAtOnce(self) -> None:
        """An agent that ends its link in the same breath in which it was made leaves no timer behind."""
        self.house.book.add("carol", expires=self.house.clock.seconds() + 100)
        stranger = self.house.stranger()
        stranger.greet()
        stranger.login("carol")
        stranger.register("example")
        stranger.say(encodeFrame(Kind.FINISH_REGISTER, 0) + encodeFrame(Kind.TERMINATE, 0))
        self.plane.pump()
        self.assertEqual((self.house.clock.getDelayedCalls(), len(self.house.agents._begun)), ([], 0))

    def test_becomesSomebodyElse(self) -> None:
        """An authenticator that takes an account for another one now has it let go: its limits are not the other's."""
        hand = self.agent()
        self.house.book.accounts["alice"] = Account("bob", ("*",), credential="alice")
        self.house.book.changed()
        self.plane.pump()
        self.assertEqual(self.refusals(hand), ["revoked"])


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
