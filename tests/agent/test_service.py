"""The agent at a real gateway in memory: staying connected, moving, stopping."""

from __future__ import annotations

from typing import Any

from diglett.errors import LinkLost, Refused, UsageError
from diglett.gateway.service import DRAIN_LIMIT
from diglett.plane.channel import Target
from diglett.testing import NotedEndpoint, memoryCredentials
from diglett.trust.client import GatewayTrust
from diglett.trust.pins import pinOf
from diglett.wire.frames import Way
from diglett.wire.opening import Opening
from tests.gateway.housekeeping import GET, OK, HouseTestCase
from tests.gateway.ingress.rig import Visitor
from tests.gateway.people import AGENTS, Hand


class ServiceTestCase(HouseTestCase):
    """Agents, and a gateway that can go away."""

    def session(self) -> Any:
        """The only session there is."""
        (session,) = self.house.agents
        return session


class ComingTests(ServiceTestCase):
    """The first attempt, and all that follow."""

    def test_nobodyThere(self) -> None:
        """Without a gateway the agent tries for ever, and comes in when there is one."""
        self.house.shut()
        hand = self.agent()
        self.plane.advance(600, 1)
        self.assertGreater(len(hand.plane.dialled), 30)
        self.assertEqual(hand.ended, [])
        self.house.open()
        self.plane.advance(16)
        self.assertTrue(hand.up)

    def test_neverTooOften(self) -> None:
        """The waits of one that was never up grow, and none is longer than 15 seconds."""
        self.house.shut()
        hand = self.agent()
        self.plane.advance(3_600, 1)
        delays = [event[2] for event in hand.notes.events]
        self.assertLessEqual(max(delays), 15.0)
        self.assertLess(len(delays), 1_000)
        self.assertGreater(max(delays[:4]), 0.1)

    def test_newLookUps(self) -> None:
        """Each attempt is for the gateway's name, never for an address found earlier."""
        self.house.shut()
        hand = self.agent()
        self.plane.advance(30)
        self.assertEqual(set(hand.plane.dialled), {Target("localhost", AGENTS)})
        self.assertGreater(len(hand.plane.dialled), 2)

    def test_silentGateway(self) -> None:
        """A gateway that answers nothing at all is given up after ten seconds, and tried again."""
        self.plane.silent.add(Target("localhost", AGENTS))
        hand = self.agent()
        self.plane.advance(9)
        self.assertEqual(hand.notes.events, [])
        self.plane.advance(2)
        self.assertEqual(hand.notes.events[0][:2], ("retrying", "lost"))
        self.plane.silent.clear()
        self.plane.advance(16)
        self.assertTrue(hand.up)

    def test_muteGateway(self) -> None:
        """One that accepts and then says nothing is given up as well."""
        self.house.shut()
        self.plane.listen(f"tcp:{AGENTS}", Visitor).addCallback(self.house.listeners.append)
        hand = self.agent()
        self.plane.advance(39)
        self.assertEqual(hand.notes.events, [])
        self.plane.advance(2)
        self.assertEqual(hand.notes.events[0][:2], ("retrying", "lost"))

    def test_notTrusted(self) -> None:
        """A gateway with another key ends the agent; it has heard no token and no name."""
        pin = pinOf(memoryCredentials().leaf)
        wrong = ("A" if pin[7] != "A" else "B").join((pin[:7], pin[8:]))
        hand = self.agent(trust=GatewayTrust("localhost", pins=[wrong]))
        self.plane.pump()
        self.assertEqual(self.refusals(hand), ["gateway-not-trusted"])
        self.assertEqual(self.house.book.asked, [])

    def test_tokenIsReadAnew(self) -> None:
        """A token that was changed in its file is used with the next attempt."""
        self.house.shut()
        hand = self.agent(token="old")
        hand.token = "alice"
        self.house.open()
        self.plane.advance(16)
        self.assertTrue(hand.up)

    def test_noToken(self) -> None:
        """A token that cannot be read ends the agent with the reason."""
        hand = Hand(self.house, ("example",))
        error = UsageError("there is no file")

        def token() -> str:
            raise error

        hand.service._token = token
        self.hands.append(hand)
        hand.service.startService()
        self.assertEqual(hand.ended, [error])

    def test_once(self) -> None:
        """With `once` the first failure ends the agent: an attempt's, or the loss of the link."""
        self.house.shut()
        hand = self.agent(once=True)
        self.plane.pump()
        self.assertIsInstance(hand.ended[0], LinkLost)
        self.house.open()
        hand = self.agent(once=True)
        self.assertTrue(hand.up)
        self.session().end(Refused("no", code="internal"))
        self.plane.pump()
        self.assertEqual(self.refusals(hand), ["internal"])


class ServingTests(ServiceTestCase):
    """What a gateway can reach through an agent."""

    def test_onlyItsBackends(self) -> None:
        """A stream for a registration that the agent did not make leads nowhere, and the link goes on."""
        backends = self.house.backend()
        self.agent("one", "two")
        for number, there in ((0, False), (1, True), (2, True), (3, False), (65_535, False)):
            far = NotedEndpoint()
            far.mux, far.stream = self.session().open(Opening(number, Way.PORT, "", ""), far)
            before = len(backends)
            self.plane.pump()
            self.assertEqual((len(backends) > before, far.reason is None), (there, there), number)
        self.assertEqual(len(self.house.agents), 1)


class ReturningTests(ServiceTestCase):
    """After a loss."""

    def test_atOnce(self) -> None:
        """A lost link is dialled anew within a fifth of a second, and has its name again."""
        hand = self.agent()
        self.session().end(Refused("bug", code="internal"))
        self.plane.advance(0.3, 0.1)
        self.assertEqual(hand.notes.events, ["up", ("lost", "internal"), "again"])

    def test_withinASecond(self) -> None:
        """While the gateway restarts the agent looks every second: it is back within one of the gateway's return."""
        hand = self.agent()
        self.house.shut()
        self.session().end(Refused("crash", code="internal"))
        self.plane.advance(20, 0.1)
        self.assertFalse(hand.up)
        self.house.open()
        self.plane.advance(1, 0.1)
        self.assertTrue(hand.up)

    def test_longOutage(self) -> None:
        """After a minute it looks less often, but never less than every 15 seconds."""
        hand = self.agent()
        self.house.shut()
        self.session().end(Refused("crash", code="internal"))
        self.plane.advance(3_600, 1)
        before = len(hand.plane.dialled)
        self.plane.advance(600, 1)
        self.assertLess(len(hand.plane.dialled) - before, 600 / 3)
        self.assertGreaterEqual(len(hand.plane.dialled) - before, 600 / 16)

    def test_silence(self) -> None:
        """A gateway that vanished without a word is noticed within the time-out; both sides let go of everything."""
        backends = self.house.backend()
        hand = self.agent()
        waiting = self.visit()
        hand.channel.freeze()
        hand.channel._other.freeze()
        self.house.shut()
        self.plane.advance(33)
        self.assertFalse(hand.up)
        self.assertEqual(self.status(waiting), 504)
        self.assertTrue(backends[0].closed)
        self.assertEqual(len(self.house.agents), 0)


class MovingTests(ServiceTestCase):
    """A gateway that drains."""

    def test_slowRestart(self) -> None:
        """A gateway that lets others' streams run out, as long as it does that, and restarts: it is found at once."""
        hand = self.agent()
        self.house.shut()
        self.session().drain()
        self.plane.advance(DRAIN_LIMIT + 15, 0.1)
        self.assertFalse(hand.up)
        self.house.open()
        self.plane.advance(1, 0.1)
        self.assertTrue(hand.up)

    def test_streamsStay(self) -> None:
        """Streams run to their end on the old link while new visitors come over the new one."""
        backends = self.house.backend()
        hand = self.agent()
        early = self.visit()
        self.session().drain()
        self.plane.advance(0.5)
        self.assertEqual(hand.notes.events, ["up", "moving", "again"])
        self.visit()
        backends.say(0, OK)
        self.assertEqual(bytes(early.received), OK)
        self.assertEqual(len(backends), 2)

    def test_quickReturn(self) -> None:
        """However long the gateway drains, the agent is back within a second of its return."""
        self.house.backend()
        hand = self.agent()
        self.visit()
        self.house.shut()
        session = self.session()
        session.drain()
        self.plane.advance(29, 0.25)
        session.end(Refused("the gateway is stopping", code="draining"))
        self.plane.advance(20, 0.25)
        self.assertFalse(hand.up)
        self.house.open()
        self.plane.advance(1, 0.1)
        self.assertTrue(hand.up)

    def test_stopWhileMoving(self) -> None:
        """An agent stopped meanwhile lets the streams of the old link finish."""
        backends = self.house.backend()
        hand = self.agent()
        visitor = self.visit()
        self.house.shut()
        self.session().drain()
        self.plane.pump()
        hand.service.stopService()
        self.plane.advance(3)
        self.assertEqual(hand.ended, [])
        backends.say(0, OK)
        visitor.channel.close()
        self.plane.pump()
        self.assertEqual(bytes(visitor.received), OK)
        self.assertEqual(hand.ended, [None])

    def test_stopWhileMovingIsBounded(self) -> None:
        """But not for ever."""
        self.house.backend()
        hand = self.agent()
        self.visit()
        self.session().drain()
        self.plane.advance(1)
        hand.service.stopService()
        self.plane.advance(9)
        self.assertEqual(hand.ended, [])
        self.plane.advance(1.5)
        self.assertEqual(hand.ended, [None])


class StoppingTests(ServiceTestCase):
    """Asked to stop."""

    def test_runningStreams(self) -> None:
        """The name goes at once; the visitor who is being served is served to the end; then it is over."""
        backends = self.house.backend()
        hand = self.agent()
        visitor = self.visit()
        hand.service.stopService()
        self.plane.pump()
        self.assertEqual(self.house.registrar.standing, [])
        self.assertEqual(self.status(self.visit()), 503)
        backends.say(0, OK)
        self.assertEqual(bytes(visitor.received), OK)
        self.assertEqual(hand.ended, [None])

    def test_idleVisitors(self) -> None:
        """A visitor's connection that is kept for a next request keeps nobody waiting, and is kept."""
        backends = self.house.backend()
        hand = self.agent()
        visitor = self.visit()
        backends.say(0, OK)
        hand.service.stopService()
        self.plane.pump()
        self.assertEqual(hand.ended, [None])
        self.assertFalse(visitor.closed)
        self.agent()
        visitor.send(GET % b"example")
        self.plane.pump()
        self.assertEqual(len(backends), 2)

    def test_cutAtTheLimit(self) -> None:
        """Streams that do not finish within ten seconds are cut, and their visitors told."""
        self.house.backend()
        hand = self.agent()
        visitor = self.visit()
        hand.service.stopService()
        self.plane.advance(9.5)
        self.assertEqual(hand.ended, [])
        self.plane.advance(1)
        self.assertEqual(hand.ended, [None])
        self.assertEqual(self.status(visitor), 504)

    def test_askedTwice(self) -> None:
        """Asked twice it does not wait."""
        self.house.backend()
        hand = self.agent()
        self.visit()
        hand.service.stopService()
        hand.service.abandon()
        self.plane.pump()
        self.assertEqual(hand.ended, [None])

    def test_bothStop(self) -> None:
        """Gateway and agent stopping at the same time wait for the same streams, and both end."""
        for first in (0, 1):
            self.house.backend()
            hand = self.agent()
            self.visit()
            session = self.session()
            for step in (first, 1 - first):
                if step:
                    session.drain()
                else:
                    hand.service.stopService()
            self.plane.advance(12)
            self.assertEqual(hand.ended, [None])

    def test_whileDialling(self) -> None:
        """Stopped in the middle of an attempt, or of a wait, it is over at once."""
        self.plane.silent.add(Target("localhost", AGENTS))
        hand = self.agent()
        hand.service.stopService()
        self.assertEqual(hand.ended, [None])
        self.plane.silent.clear()
        self.house.shut()
        waiting = self.agent()
        self.plane.pump()
        waiting.service.stopService()
        self.assertEqual(waiting.ended, [None])
        self.assertEqual(self.house.clock.getDelayedCalls(), [])

    def test_stopServiceFires(self) -> None:
        """What stopService answers fires when it is over, also for whom it is over already."""
        hand = self.agent()
        self.house.backend()
        self.visit()
        stopping = hand.service.stopService()
        self.assertNoResult(stopping)
        self.plane.advance(11)
        self.successResultOf(stopping)
        self.successResultOf(hand.service.stopService())
