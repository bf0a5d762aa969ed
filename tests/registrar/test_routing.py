"""What registrars share: doing, proving, undoing; the probe; looking after things."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.logger import Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import Refused, UsageError
from diglett.interfaces import PluginContext, Registration
from diglett.registrar.probing import Door, Probe
from diglett.registrar.routing import Routing
from diglett.registrar.upkeep import Upkeep


class Street:
    """An endpoint whose visitors wait in `visits`, or are refused."""

    def __init__(self) -> None:
        self.visits = []
        self.refuses = False

    def connect(self, factory):
        if self.refuses:
            return fail(ConnectionRefusedError())
        protocol = factory.buildProtocol(None)
        transport = StringTransportWithDisconnection()
        transport.protocol = protocol
        protocol.makeConnection(transport)
        self.visits.append(protocol)
        return succeed(protocol)


class RoutingTestCase(SynchronousTestCase):
    """A clock, a door, and a registration that can be reached."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.events = []
        log = Logger("test", observer=self.events.append)
        self.context = PluginContext(self.clock, Path(self.mktemp()), "gateway.com", "g1", log)
        self.door = Street()
        self.waiting = []
        self.registration = Registration("a", "a.gateway.com", "127.0.0.1", 41234, reached=self.whenReached)
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))

    def whenReached(self) -> Deferred:
        reached: Deferred[None] = Deferred(lambda _: self.waiting.remove(reached))
        self.waiting.append(reached)
        return reached

    def reach(self) -> None:
        """A connection arrives at the port."""
        waiting, self.waiting = self.waiting, []
        for reached in waiting:
            reached.callback(None)


class RoutingTests(RoutingTestCase):
    """`Routing.publish` with and without a probe."""

    def publish(self, routing: Routing, do=lambda: None, undo=lambda: None, kinds=("http",)) -> Deferred:
        return Deferred.fromCoroutine(routing.publish(self.registration, kinds, do, undo))

    def withProbe(self) -> Routing:
        return self.routing(sure=True)

    def routing(self, sure: bool, doors: int = 1, tls: bool | None = False) -> Routing:
        """With a probe at the door; unless it is sure, nobody has asked for it."""
        places = tuple(Door(f"http://proxy{number or ''}", tls, self.door) for number in range(doors))
        settled = frozenset(("http", "tls")) if sure else frozenset()
        return Routing(self.context, (), probes={"http": Probe(self.clock, 10.0, places, sure)}, settled=settled)

    def turnAway(self, *answers: bytes) -> None:
        """For 15 seconds, which is longer than the limit, every visit gets one of these answers, in turn."""
        for _ in range(30):
            for number, visitor in enumerate(self.door.visits):
                if visitor.transport.connected:
                    visitor.dataReceived(b"HTTP/1.1 %s\r\n\r\n" % answers[number % len(answers)])
            self.clock.advance(0.5)

    def test_urls(self) -> None:
        """The lease has the URLs that were asked for, `https` unless others were, or none."""
        for options, urls in (
            ({}, ("https://a.gateway.com",)),
            ({"url": ["https://{fqdn}:8443", "x://{name}"]}, ("https://a.gateway.com:8443", "x://a")),
            ({"url": ["none"]}, ()),
        ):
            lease = self.successResultOf(self.publish(Routing.parse(options, self.context)))
            self.assertEqual(lease.urls, urls)

    def test_badOptions(self) -> None:
        """A URL without a name in it, a probe that is no door, and a time that is none are errors."""
        for options in (
            {"url": ["https://gateway.com"]},
            {"probe": ["127.0.0.1:443"]},
            {"probe": ["https://127.0.0.1:x"]},
            {"probe": ["https://127.0.0.1/path"]},
            {"probe-timeout": ["soon"]},
            {"probe-timeout": ["-1"]},
            {"probe-timeout": ["nan"]},
        ):
            self.assertRaises(UsageError, Routing.parse, options, self.context)

    def test_kinds(self) -> None:
        """What the proxy cannot do is refused for good, before anything is done."""
        done = []
        failure = self.failureResultOf(
            self.publish(Routing.parse({}, self.context), lambda: done.append(1), kinds=("tls", "tcp")), Refused
        )
        self.assertIn("the proxy takes tls and tcp", str(failure.value))
        self.assertTrue(failure.value.permanent)
        self.assertEqual(done, [])

    def test_failed(self) -> None:
        """What failed is undone before the reason is told; what cannot be undone is logged."""
        undoing: Deferred[None] = Deferred()
        publishing = self.publish(Routing.parse({}, self.context), lambda: fail(Refused("no")), lambda: undoing)
        self.assertNoResult(publishing)
        undoing.errback(OSError("disk full"))
        self.failureResultOf(publishing, Refused)
        self.assertIn("a.gateway.com may stay published: disk full", formatEvent(self.events[0]))

    def test_cancelled(self) -> None:
        """Cancelled half-way it is undone as well."""
        undone = []
        publishing = self.publish(Routing.parse({}, self.context), lambda: Deferred(), lambda: undone.append(1))
        publishing.cancel()
        self.failureResultOf(publishing, CancelledError)
        self.assertEqual(undone, [1])

    def test_proven(self) -> None:
        """With a probe it is done when a visit arrives, and the question is taken back."""
        publishing = self.publish(self.withProbe())
        self.assertNoResult(publishing)
        [visitor] = self.door.visits
        self.assertIn(b"HEAD / HTTP/1.1\r\nHost: a.gateway.com\r\n", visitor.transport.value())
        self.reach()
        self.successResultOf(publishing)
        self.assertTrue(visitor.transport.disconnecting or not visitor.transport.connected)
        self.assertEqual(self.waiting, [])

    def test_reachedBefore(self) -> None:
        """An arrival while it was being done counts: the proxy may use that connection again for the probe."""
        self.successResultOf(self.publish(self.withProbe(), self.reach))

    def test_notProven(self) -> None:
        """If no visit arrives in time, the reason is what the proxy said, and it is undone."""
        undone = []
        publishing = self.publish(self.withProbe(), undo=lambda: undone.append(1))
        self.turnAway(b"404 Not Found")
        failure = self.failureResultOf(publishing, Refused)
        self.assertIn("did not route a.gateway.com to the gateway within 10 s: the answer was", str(failure.value))
        self.assertIn("HTTP/1.1 404", str(failure.value))
        self.assertEqual((undone, self.waiting), ([1], []))
        self.assertLess(len(self.door.visits), 30)

    def test_refused(self) -> None:
        """A closed door is knocked at again."""
        self.door.refuses = True
        publishing = self.publish(self.withProbe())
        self.clock.advance(0.1)
        self.door.refuses = False
        self.clock.advance(0.1)
        self.assertEqual(len(self.door.visits), 1)
        self.reach()
        self.successResultOf(publishing)

    def test_silent(self) -> None:
        """A proxy that accepts and says nothing does not hold us up for longer than the limit."""
        publishing = self.publish(self.withProbe())
        for _ in range(120):
            self.clock.advance(0.1)
        self.failureResultOf(publishing, Refused)

    def test_guessed(self) -> None:
        """Who answers at a guessed door must route; the reason says that it was a guess."""
        publishing = self.publish(self.routing(sure=False))
        self.turnAway(b"404 Not Found")
        failure = self.failureResultOf(publishing, Refused)
        self.assertIn("if its front door is elsewhere, tell the gateway by probe=URL", str(failure.value))

    def test_guessedWrong(self) -> None:
        """If nobody is at a guessed door nothing can be proven: that is told to the operator, once."""
        self.door.refuses = True
        way = self.routing(sure=False)
        for _ in range(2):
            self.successResultOf(self.publish(way))
        [event] = self.events
        self.assertIn("without proof: nobody listens at http://proxy;", formatEvent(event))
        self.assertIn(",probe=URL", formatEvent(event))
        self.door.refuses = False
        publishing = self.publish(way)
        self.reach()
        self.successResultOf(publishing)
        self.assertEqual(self.waiting, [])

    def test_diesWhileProving(self) -> None:
        """A guessed door that is closed after it was opened once is not a wrong guess."""
        publishing = self.publish(self.routing(sure=False))
        self.door.visits[0].transport.loseConnection()
        self.door.refuses = True
        for _ in range(30):
            self.clock.advance(0.5)
        self.failureResultOf(publishing, Refused)

    def test_doors(self) -> None:
        """All doors are tried at once, with and without TLS if that is not known; one arrival is enough."""
        publishing = self.publish(self.routing(sure=False, doors=2, tls=None))
        self.assertEqual(len(self.door.visits), 4)
        asked = sum(b"HEAD / HTTP/1.1" in visitor.transport.value() for visitor in self.door.visits[1::2])
        self.assertEqual(asked, 2)
        self.reach()
        self.successResultOf(publishing)

    def test_severalReasons(self) -> None:
        """Of several doors each says why not."""
        publishing = self.publish(self.routing(sure=True, doors=2))
        self.turnAway(b"400 No", b"401 No")
        text = str(self.failureResultOf(publishing, Refused).value)
        self.assertIn("the proxy at http://proxy or http://proxy1 did not route", text)
        self.assertIn("http://proxy: the answer was HTTP/1.1 400 No; http://proxy1: the answer was HTTP/1.1 401", text)

    def test_options(self) -> None:
        """What the operator says of a kind counts; of the others the registrar may guess, and learn better."""
        guess = {"http": "https://127.0.0.1:443"}
        for options, doors in (
            ({}, {"http": ("//h:2", False)}),
            ({"probe": ["https://x:1"]}, {"http": ("https://x:1", True), "tls": ("https://x:1", True)}),
            ({"probe": ["none"]}, {}),
            ({"probe": ["none"], "tls-probe": ["https://x:1"]}, {"tls": ("https://x:1", True)}),
            ({"tls-probe": ["none"]}, {"http": ("//h:2", False)}),
        ):
            way = Routing.parse(options, self.context, guess=guess)
            way.learn({"http": ["//h:2"]})
            where = {"//h:2": "h:2"}
            self.assertEqual(
                {kind: (probe.where, probe.sure) for kind, probe in way.probes.items()},
                {kind: (where.get(target, target), sure) for kind, (target, sure) in doors.items()},
            )

    def test_announced(self) -> None:
        """One line at the start tells what is visited unasked, or that nothing is."""
        for options, guess, text in (
            ({}, {"http": "https://127.0.0.1:443"}, "through https://127.0.0.1:443 arrives"),
            ({}, {}, "without proof"),
            ({"probe": ["none"]}, {"http": "https://127.0.0.1:443"}, ""),
            ({"probe": ["https://x"]}, {}, ""),
            ({}, None, ""),
        ):
            self.events.clear()
            Routing.parse(options, self.context, guess=guess).announce("Traefik")
            said = "".join(map(formatEvent, self.events))
            self.assertIn(text, said)
            self.assertEqual(bool(said), bool(text))

    def test_otherKinds(self) -> None:
        """A `tcp` name is not visited at a door that all share, and no doubt is told of it."""
        self.registration = evolve(self.registration, kind="tcp")
        self.successResultOf(self.publish(self.routing(sure=False), kinds=("tcp",)))
        self.assertEqual((self.door.visits, self.events, self.waiting), ([], [], []))

    def test_unknownDoor(self) -> None:
        """A `tls` name is published without proof, and with a warning, where nobody knows the door of those."""
        self.registration = evolve(self.registration, kind="tls")
        self.successResultOf(self.publish(self.routing(sure=False), kinds=("tls",)))
        self.assertIn(",tls-probe=URL", formatEvent(self.events[0]))

    def test_cancelledWhileProving(self) -> None:
        """The agent leaves: nothing is left, neither visit nor question."""
        publishing = self.publish(self.withProbe())
        publishing.cancel()
        self.failureResultOf(publishing, CancelledError)
        self.assertEqual(self.waiting, [])


class UpkeepTests(RoutingTestCase):
    """`Upkeep`: again and again, and not too loud."""

    def setUp(self) -> None:
        super().setUp()
        self.looks = 0
        self.outcome = lambda: None
        self.upkeep = Upkeep(self.look, self.clock, 5.0, self.context.log, "keep it")
        self.upkeep.start()
        self.addCleanup(self.upkeep.stop)

    def look(self):
        self.looks += 1
        return self.outcome()

    def test_regularly(self) -> None:
        """It looks after each interval."""
        self.clock.pump([5.0] * 3)
        self.assertEqual(self.looks, 3)

    def test_failures(self) -> None:
        """A failure is logged when it begins and when it is over."""
        self.outcome = lambda: fail(OSError("gone"))
        self.clock.pump([5.0] * 3)
        self.outcome = lambda: None
        self.clock.pump([5.0] * 3)
        self.assertEqual(
            [formatEvent(event) for event in self.events],
            ["could not keep it, will try again: gone", "can keep it again"],
        )

    def test_stop(self) -> None:
        """Stopping gives up what is under way, silently."""
        hanging: Deferred[None] = Deferred()
        self.outcome = lambda: hanging
        self.clock.advance(5)
        self.upkeep.stop()
        self.assertTrue(hanging.called)
        self.assertEqual(self.events, [])
