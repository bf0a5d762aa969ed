"""One public name: its port, its publication, its visitors."""

from __future__ import annotations

import socket
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from diglett.accounts import Account
from diglett.errors import Refused
from diglett.gateway.crowd import Crowd
from diglett.gateway.publicname import Holding, NameContext, PublicName
from diglett.interfaces import Registration
from diglett.publishing import Publisher
from diglett.testing import MemoryPlane
from diglett.wire.frames import Way
from diglett.wire.opening import Opening
from tests.gateway.publishing import MemoryRegistrar


class Agent:
    """Somebody who holds the name."""

    account = Account("alice")
    agent = "a" * 16
    label = "alice"
    live = True
    refusal: Refused | None = None

    def __init__(self) -> None:
        self.opened: list[Opening] = []
        self.ended: list[Refused] = []

    def open(self, opening: Opening, endpoint: Any) -> Any:
        if self.refusal is not None:
            raise self.refusal
        self.opened.append(opening)
        return "mux", "stream"

    def probe(self) -> Any:
        raise NotImplementedError

    def end(self, error: Refused) -> None:
        self.ended.append(error)


class NameTestCase(SynchronousTestCase):
    """A name that is not published yet."""

    kind = "http"

    def setUp(self) -> None:
        self.clock = Clock()
        self.plane = MemoryPlane(self.clock)
        self.registrar = MemoryRegistrar()
        self.publisher = Publisher([("memory", self.registrar)], self.clock)
        self.publisher.start()
        self.own: tuple[str, ...] = ("https://one.gateway.com",)
        self.context = NameContext(
            plane=self.plane,
            publisher=self.publisher,
            bind="127.0.0.1",
            domain="gateway.com",
            urls=lambda fqdn, kind: self.own,
            visitors=Crowd("visitors", self.clock.seconds, 10),
        )
        self.name = PublicName(self.context, "one", self.kind)

    def make(self, kind: str = "http", **changes: Any) -> PublicName:
        """Another one, in a changed context."""
        self.name = PublicName(evolve(self.context, **changes), "one", kind)
        return self.name

    def hold(self, *agents: Agent) -> None:
        self.name.holdings += [Holding(agent, number, True) for number, agent in enumerate(agents, 1)]

    @property
    def registration(self) -> Registration:
        """What the registrar was told last."""
        return self.registrar.registrations[-1]

    def code(self, deferred: Deferred[Any]) -> str:
        return str(self.failureResultOf(deferred, Refused).value.code)


class PublishingTests(NameTestCase):
    """From being held to being reachable, and back."""

    def test_published(self) -> None:
        """It listens on the address it was told, and the registrar is told where; withdrawn, it listens no more."""
        self.successResultOf(self.name.publish())
        (port,) = self.plane.listeners
        told = self.registration
        self.assertEqual((told.name, told.fqdn, told.host, told.port), ("one", "one.gateway.com", "127.0.0.1", port))
        self.assertEqual((told.kind, told.proxyProtocol), ("http", False))
        self.name.withdraw()
        self.name.withdraw()
        self.assertEqual((self.plane.listeners, self.registrar.standing), ({}, []))
        self.assertEqual(self.registrar.log[1:], ["withdrawn one.gateway.com"])

    def test_joined(self) -> None:
        """Whoever asks meanwhile waits for the same publication, and may stop waiting without ending it."""
        self.registrar.answer = Deferred()
        first, second, third = (self.name.publish() for _ in range(3))
        second.cancel()
        self.failureResultOf(second)
        self.registrar.answer.callback(None)
        self.successResultOf(first)
        self.successResultOf(third)
        self.successResultOf(self.name.publish())
        self.assertEqual(len(self.registrar.registrations), 1)

    def test_failed(self) -> None:
        """When it fails everybody who waits hears of it, the port is closed, and it can be tried again."""
        self.registrar.answer = Deferred()
        first, second = self.name.publish(), self.name.publish()
        self.registrar.answer.errback(OSError("disk full"))
        self.assertEqual([self.code(first), self.code(second)], ["publish-failed"] * 2)
        self.assertEqual(self.plane.listeners, {})
        self.registrar.answer = None
        self.successResultOf(self.name.publish())
        self.assertEqual(len(self.plane.listeners), 1)

    def test_noPort(self) -> None:
        """An address that is not this machine's is no port, and the reason is told without a traceback."""
        self.make(bind="192.0.2.1")
        self.assertEqual(self.code(self.name.publish()), "publish-failed")

    def test_withdrawnMeanwhile(self) -> None:
        """Withdrawn before the registrars have answered, it is not published, whatever they answer then."""
        self.registrar.answer = Deferred(lambda _: None)
        waiting = self.name.publish()
        self.name.withdraw()
        self.failureResultOf(waiting)
        self.assertEqual(self.plane.listeners, {})
        if not self.registrar.answer.called:
            self.registrar.answer.callback(None)
        self.assertEqual(self.registrar.standing, [])

    def test_urls(self) -> None:
        """Registrars' URLs come first, each once; a name that nobody knows a URL for is told by its port."""
        self.successResultOf(self.name.publish())
        self.assertEqual(self.name.urls, ("https://one.gateway.com",))
        self.own = ()
        self.make("tcp")
        self.successResultOf(self.name.publish())
        self.assertEqual(self.name.urls, (f"tcp://127.0.0.1:{self.registration.port}",))
        self.assertEqual(self.name.status().kind, "tcp")

    def test_proxyProtocol(self) -> None:
        """Only ports of names whose bytes are opaque expect a PROXY protocol header: HTTP says it in the request."""
        for kind, expected in (("http", False), ("tls", True), ("tcp", True)):
            self.make(kind, proxyProtocol=True)
            self.successResultOf(self.name.publish())
            self.assertEqual(self.registration.proxyProtocol, expected)

    def test_onIpv6(self) -> None:
        """It can listen on an IPv6 address."""
        if not socket.has_ipv6:
            self.skipTest("there is no IPv6 here")
        self.make(bind="::1")
        waiting = self.name.publish()
        self.assertIn(len(self.plane.listeners), (0, 1))
        waiting.addErrback(lambda failure: failure.trap(Refused))  # a machine without ::1


class RegistrarsTests(NameTestCase):
    """What a registration offers to registrars."""

    def setUp(self) -> None:
        super().setUp()
        self.successResultOf(self.name.publish())

    def listening(self) -> socket.socket:
        made = socket.socket()
        made.bind(("127.0.0.1", 0))
        self.addCleanup(made.close)
        return made

    def test_adopt(self) -> None:
        """A listening socket of a registrar's is one more way in, closed by it or with the name."""
        adopt = self.registration.adopt
        assert adopt is not None
        close = adopt(self.listening())
        adopt(self.listening())
        self.assertEqual(len(self.plane.listeners), 3)
        close()
        close()
        self.assertEqual(len(self.plane.listeners), 2)
        self.name.withdraw()
        self.assertEqual(self.plane.listeners, {})

    def test_adoptTooLate(self) -> None:
        """One that comes when the name is gone is closed at once."""
        adopt = self.registration.adopt
        assert adopt is not None
        self.name.withdraw()
        late = self.listening()
        close = adopt(late)
        self.assertEqual(self.plane.listeners, {})
        self.assertEqual(late.fileno(), -1)
        close()

    def test_reached(self) -> None:
        """The next connection at its port tells all who wait for it, once; who stops waiting is not told."""
        reached = self.registration.reached
        assert reached is not None
        first, second, gone = reached(), reached(), reached()
        gone.cancel()
        self.failureResultOf(gone)
        channel: Any = None
        self.name.wasReached(channel)
        self.successResultOf(first)
        self.successResultOf(second)
        third = reached()
        self.assertNoResult(third)
        self.name.wasReached(channel)
        self.successResultOf(third)

    def test_lose(self) -> None:
        """A registrar that has lost the name ends all who hold it, with its reason, to be tried again."""
        agents = Agent(), Agent()
        self.hold(*agents)
        lose = self.registration.lose
        assert lose is not None
        lose("the lease ran out")
        for agent in agents:
            (error,) = agent.ended
            self.assertEqual((error.code, error.permanent), ("name-taken", False))
            self.assertIn("the lease ran out", str(error))


class OpeningTests(NameTestCase):
    """Which holder gets a visitor."""

    def open(self) -> Any:
        endpoint: Any = None
        return self.name.open(Way.PORT, "192.0.2.1 5", "127.0.0.1 80", endpoint)

    def refusal(self) -> str:
        return str(self.assertRaises(Refused, self.open).code)

    def test_inTurn(self) -> None:
        """Visitors are spread over those who are there, with each one's own number of the registration."""
        agents = Agent(), Agent(), Agent()
        self.hold(*agents)
        agents[1].live = False
        for _ in range(6):
            self.assertEqual(self.open(), ("mux", "stream"))
        self.assertEqual([len(agent.opened) for agent in agents], [3, 0, 3])
        self.assertEqual(agents[2].opened[0], Opening(3, Way.PORT, "192.0.2.1 5", "127.0.0.1 80"))

    def test_fullOnes(self) -> None:
        """One that has no room is passed over; when none has, the visitor hears why."""
        agents = Agent(), Agent()
        self.hold(*agents)
        agents[0].refusal = Refused("full", code="limit")
        for _ in range(4):
            self.open()
        self.assertEqual(len(agents[1].opened), 4)
        agents[1].refusal = Refused("full", code="limit")
        self.assertEqual(self.refusal(), "limit")

    def test_nobody(self) -> None:
        """Without a holder, or with none that can be asked, the agent is away."""
        self.assertEqual(self.refusal(), "agent-away")
        agent = Agent()
        agent.live = False
        self.hold(agent)
        self.assertEqual(self.refusal(), "agent-away")
