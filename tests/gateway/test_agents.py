"""The agents' door: who is let in to shake hands, for how long, and how all are let go."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher

from diglett.gateway.agents import MOMENT, STEP, AgentLimits
from diglett.testing import memoryCredentials
from diglett.trust.client import GatewayTrust
from diglett.wire.frames import Kind
from tests.gateway.housekeeping import OK, HouseTestCase
from tests.gateway.ingress.rig import Visitor
from tests.gateway.people import AGENTS, HTTP, HTTPS

FAR = "192.0.2.7"


class DoorTests(HouseTestCase):
    """Handshakes in progress."""

    limits = AgentLimits(handshakes=4, handshakesPerAddress=2)

    def setUp(self) -> None:
        super().setUp()
        self.lines: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(self.lines.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.lines.append)

    def knock(self, host: str) -> Any:
        """Somebody connects and says nothing."""
        visitor = Visitor(self.house.dial(AGENTS, host))
        self.plane.pump()
        return visitor

    def test_atOnce(self) -> None:
        """Beyond the limit whoever has waited longest without logging in has to go: the others come in all the same."""
        waiting = [self.knock(f"192.0.2.{number}") for number in range(4)]
        self.plane.advance(MOMENT)
        waiting += [self.knock(f"192.0.2.{number}") for number in range(4, 7)]
        self.assertEqual([each.closed for each in waiting], [True] * 3 + [False] * 4)
        self.assertEqual(self.house.agents.handshakes, 4)
        self.assertTrue(self.agent().up)
        self.plane.advance(10.5)
        self.assertTrue(all(each.closed for each in waiting))
        self.assertEqual(self.house.agents.handshakes, 0)

    def test_atTheSameMoment(self) -> None:
        """Many who come at once do not drive each other out before they can have said who they are."""
        waiting = [self.knock(f"192.0.2.{number}") for number in range(7)]
        self.assertEqual([each.closed for each in waiting], [False] * 4 + [True] * 3)

    def test_ownPlaceOnly(self) -> None:
        """Whoever has its share of the places drives nobody out by asking for more."""
        waiting = [self.knock(host) for host in ("192.0.2.1", "192.0.2.2", FAR, FAR)]
        for _ in range(5):
            self.assertTrue(self.knock(FAR).closed)
        self.assertFalse(any(each.closed for each in waiting))

    def test_whoHasLoggedInStays(self) -> None:
        """Nobody who has shown a good token has to make room; when all have, newcomers are reset."""
        inside = []
        for number in range(4):
            stranger = self.house.stranger(host=f"192.0.2.{number}")
            stranger.greet()
            stranger.login(agent=f"{number:016}")
            inside.append(stranger)
        self.assertTrue(self.knock(FAR).closed)
        self.assertFalse(any(each.closed for each in inside))
        self.assertTrue(self.agent(token="bob").notes.events[0][0], "retrying")

    def test_silentOnesInTls(self) -> None:
        """To have done TLS, and to say nothing then, is no way to stay."""
        silent = [self.house.stranger(host=f"192.0.2.{number}") for number in range(4)]
        self.plane.advance(MOMENT)
        self.assertTrue(self.agent().up)
        self.assertEqual((silent[0].error, silent[0].closed), ("limit", True))
        self.assertFalse(silent[1].closed)

    def test_fromOneAddress(self) -> None:
        """One address, or one IPv6 network, cannot take all the places."""
        for hosts in (("192.0.2.1",) * 3, ("2001:db8::1", "2001:db8::2", "2001:db8::3:4")):
            waiting = [self.knock(host) for host in hosts]
            self.assertEqual([each.closed for each in waiting], [False, False, True])
        self.plane.advance(11)
        self.assertEqual(self.house.agents.handshakes, 0)

    def test_placesAreGivenBack(self) -> None:
        """Whoever is established, fails or leaves takes no place any more."""
        for _ in range(5):
            self.agent(f"name{_}")
            self.agent("www", token="bob")
            self.knock(FAR).send(b"GET / HTTP/1.1\r\n\r\n")
            self.plane.pump()
            self.knock(FAR).channel.abort()
            self.plane.pump()
            self.assertEqual(self.house.agents.handshakes, 0)
        self.assertEqual(len(self.house.agents), 5)

    def test_throughTheFront(self) -> None:
        """Agents that come through the HTTPS port are counted with the others."""
        for _ in range(2):
            self.house.stranger(HTTPS, host=FAR)
        third = self.house.stranger(HTTPS, host=FAR)
        self.assertTrue(third.closed)
        self.assertEqual(self.house.agents.handshakes, 2)

    def test_log(self) -> None:
        """A thousand connections from one place make few lines."""
        for _ in range(1_000):
            self.knock(FAR).send(b"nonsense\r\n")
            self.plane.pump()
        self.assertLess(len(self.lines), 10)

    def test_slow(self) -> None:
        """TLS, Login and registering have ten, ten and sixty seconds, however busily nothing comes of it."""
        talker = self.house.stranger()
        self.plane.advance(9)
        self.assertFalse(talker.closed)
        self.plane.advance(1.5)
        self.assertEqual((talker.error, talker.closed), ("timeout", True))
        talker = self.house.stranger()
        talker.greet()
        for _ in range(12):
            talker.say(b"\x07")
            self.plane.advance(1)
        self.assertTrue(talker.closed)
        talker = self.house.stranger()
        talker.greet()
        talker.login()
        talker.register("example")
        self.plane.advance(59)
        self.assertFalse(talker.closed)
        self.assertEqual(len(self.house.registry), 1)
        self.plane.advance(2)
        self.assertEqual((talker.error, talker.closed), ("timeout", True))
        self.assertEqual((len(self.house.registry), self.house.registrar.standing), (0, []))

    def test_notAnAgent(self) -> None:
        """Whoever does not ask for our protocol by ALPN is dropped before it is heard."""
        for alpn in (None, [b"http/1.1"], [b"h2", b"diglett/1"]):
            stranger = self.house.stranger(trust=GatewayTrust("localhost", pins=[memoryCredentials().pin], alpn=alpn))
            self.assertTrue(stranger.closed)
            self.assertEqual(bytes(stranger.end.received), b"")


class NamesTests(HouseTestCase):
    """What the gateway publishes altogether: each name costs it a listening socket."""

    limits = AgentLimits(names=3)

    def test_names(self) -> None:
        """Beyond the limit a name is refused, whosever it is, until one is given back; nobody loses any."""
        first = self.agent("one", "two")
        second = self.agent("three", "four", token="bob")
        self.assertEqual(self.refusals(second), ["limit"])
        self.assertEqual(len(self.house.registry), 2)
        third = self.agent("five", token="bob")
        self.assertTrue(first.up and third.up)
        first.channel.reset()
        self.plane.advance(0.5)
        self.assertTrue(first.up)
        first.service.stopService()
        self.plane.advance(20)
        self.assertTrue(second.up)


class StoppingTests(HouseTestCase):
    """The gateway stops."""

    def test_runningStreams(self) -> None:
        """Who is being served is served to the end; then the links end, the names are gone, and it is over."""
        backends = self.house.backend()
        hand = self.agent()
        visitor = self.visit()
        stopped = self.house.stop()
        self.plane.advance(20)
        self.assertNoResult(stopped)
        self.assertEqual(self.house.registrar.standing, [])
        self.assertIn("moving", hand.notes.events)
        backends.say(0, OK)
        self.assertIn(b"Connection: close", bytes(visitor.received))
        self.assertTrue(bytes(visitor.received).endswith(b"\r\n\r\nok"))
        self.assertTrue(visitor.closed)
        self.plane.advance(1)
        self.successResultOf(stopped)

    def test_cutAtTheLimit(self) -> None:
        """What has not finished after half a minute is cut, its visitor told, its agent free to go elsewhere."""
        self.house.backend()
        hand = self.agent()
        visitor = self.visit()
        stopped = self.house.stop()
        self.plane.advance(29)
        self.assertNoResult(stopped)
        self.plane.advance(2)
        self.successResultOf(stopped)
        self.assertEqual(self.status(visitor), 504)
        self.assertEqual(hand.ended, [])

    def test_nobodyThere(self) -> None:
        """With nobody connected it is over at once."""
        self.successResultOf(self.house.stop())
        self.assertEqual(self.house.leftovers(), {})

    def test_opaqueStreams(self) -> None:
        """Streams of a listening port finish as well."""
        backends = self.house.backend()
        self.agent("example", type="tcp")
        visitor = self.house.connect(self.house.portOf("example"))
        self.plane.pump()
        stopped = self.house.stop()
        self.plane.advance(5)
        backends.say(0, b"goodbye")
        backends[0].channel.finish()
        visitor.channel.finish()
        self.plane.pump()
        self.assertEqual(bytes(visitor.received), b"goodbye")
        self.successResultOf(stopped)

    def test_oneAfterTheOther(self) -> None:
        """Many agents are told in portions, all of them within a second: each dials somewhere else at once."""
        self.agents = [self.agent(f"name{number}") for number in range(35)]
        stopped = self.house.stop()
        self.plane.pump()
        told: list[int] = []
        for _ in range(4):
            told.append(sum("moving" in agent.notes.events for agent in self.agents))
            self.plane.advance(STEP)
        self.assertEqual(told, [10, 20, 30, 35])
        self.successResultOf(stopped)

    def kept(self, *said: tuple[bytes, bytes], **options: Any) -> list[Any]:
        """Connections to the port of a name, as a proxy keeps them: what was asked on each, and answered."""
        backends = self.house.backend()
        self.agent("example", **options)
        visitors = []
        for asked, answered in said:
            visitors.append(self.house.connect(self.house.portOf("example")))
            visitors[-1].send(asked)
            self.plane.pump()
            backends.say(len(visitors) - 1, answered)
        return [*visitors, backends]

    def test_keptConnections(self) -> None:
        """A proxy's connections to a name's port are let go after three quiet seconds, unless an answer is awaited."""
        done, asking, again, backends = self.kept((b"one", b"two"), (b"three", b""), (b"four", b"five"))
        stopped = self.house.stop()
        self.plane.advance(2)
        again.send(b"six")
        self.plane.advance(1.5)
        self.assertEqual((done.closed, asking.closed, again.closed), (True, False, False))
        self.assertEqual(backends[0].error, None)  # closed in order, not reset
        self.assertTrue(backends[0].ended)
        self.plane.advance(10)
        self.assertEqual((asking.closed, again.closed), (False, False))
        backends.say(1, b"now")
        backends.say(2, b"seven")
        self.plane.advance(2)
        self.assertNoResult(stopped)
        self.plane.advance(5)
        self.successResultOf(stopped)
        self.assertEqual((bytes(asking.received), bytes(again.received)), (b"now", b"fiveseven"))

    def test_keptByAgentsEnd(self) -> None:
        """So they are when it is the agent that stops, which need not wait for its own limit then."""
        done, _ = self.kept((b"one", b"two"))
        stopped = self.hands[0].service.stopService()
        self.plane.advance(3.5)
        self.successResultOf(stopped)
        self.assertTrue(done.closed)

    def test_notForOthers(self) -> None:
        """What goes through a name of type tcp may be silent for as long as it likes."""
        done, _ = self.kept((b"one", b"two"), type="tcp")
        stopped = self.house.stop()
        self.plane.advance(25)
        self.assertFalse(done.closed)
        self.assertNoResult(stopped)

    def test_inTheMiddleOfComingIn(self) -> None:
        """Who is shaking hands is told that we go, whoever is at TLS is dropped, and nobody comes in any more."""
        self.house.book.answer = Deferred()
        asking, registering, silent = self.house.stranger(), self.house.stranger(), self.house.connect(AGENTS)
        asking.greet()
        asking.login()
        self.house.book.answer = None
        registering.greet()
        registering.login()
        registering.register("example")
        self.plane.pump()
        stopped = self.house.stop()
        self.plane.pump()
        self.successResultOf(stopped)
        self.assertEqual([asking.error, registering.error], ["draining", "draining"])
        self.assertTrue(asking.closed and registering.closed and silent.closed)
        self.assertEqual(self.house.leftovers(), {})

    def test_refusedWhileStopping(self) -> None:
        """A connection that was accepted just then is reset."""
        self.house.backend()
        self.agent()
        self.visit()
        accept = self.house.listeners[0].accepted
        self.house.stop()
        here, there = self.plane.pair()
        late = Visitor(here)
        accept(there)
        self.plane.pump()
        self.assertTrue(late.closed)

    def test_agentThatNeverReads(self) -> None:
        """An agent that takes nothing any more does not keep the gateway."""
        stranger = self.house.stranger()
        stranger.enter("example")
        stranger.end.channel.pauseReading()
        visitor = self.house.connect(HTTP)
        visitor.send(b"GET / HTTP/1.1\r\nHost: example.gateway.com\r\n\r\n")
        self.plane.pump()
        stopped = self.house.stop()
        self.plane.advance(31)
        self.successResultOf(stopped)

    def test_drainIsSaidOnce(self) -> None:
        """An agent hears Drain once."""
        stranger = self.house.stranger()
        stranger.enter("example")
        self.house.backend()
        self.visit()
        self.house.stop()
        self.plane.advance(3)
        self.assertEqual(len(stranger.of(Kind.DRAIN)), 1)
