"""Who holds which name."""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from diglett.accounts import Account
from diglett.errors import Refused
from diglett.gateway import registry
from diglett.gateway.crowd import Crowd
from diglett.gateway.publicname import Holding, NameContext, PublicName
from diglett.gateway.registry import Registry
from diglett.publishing import Publisher
from diglett.wire.opening import Opening
from tests.gateway.publishing import MemoryRegistrar


class Listener:
    """A listening socket that nobody connects to."""

    def __init__(self, listening: Any) -> None:
        self.socket = listening
        self.closed = False

    def address(self) -> Any:
        return self.socket.getsockname()

    def close(self) -> None:
        self.closed = True
        self.socket.close()


@define
class Plane:
    """As much of a plane as names need."""

    clock: Clock
    listeners: list[Listener] = field(factory=list)

    def listenOn(self, listening: Any, accepted: Any) -> Listener:
        self.listeners.append(Listener(listening))
        return self.listeners[-1]


class Agent:
    """A session as names see it."""

    def __init__(self, registry: Registry, account: str = "alice", agent: str = "a" * 16) -> None:
        self.account = Account(account)
        self.agent = agent
        self.label = account
        self.live = True
        self.alive: Deferred[bool] = succeed(True)
        self.ended: list[Refused] = []
        self.held: list[tuple[PublicName, Holding]] = []
        self.opened: list[Opening] = []
        self.registry = registry

    def claim(self, name: str, kind: str = "http", share: bool = False) -> Deferred[PublicName]:
        holding = Holding(self, len(self.held) + 1, share)

        def hold(public: PublicName) -> PublicName:
            self.held.append((public, holding))
            return public

        return Deferred.fromCoroutine(self.registry.claim(name, kind, holding)).addCallback(hold)

    def open(self, opening: Opening, endpoint: Any) -> Any:
        self.opened.append(opening)
        return "mux", "stream"

    def probe(self) -> Deferred[bool]:
        return self.alive

    def end(self, error: Refused) -> None:
        self.ended.append(error)
        self.leave()

    def leave(self) -> None:
        held, self.held = self.held, []
        for public, holding in held:
            self.registry.release(public, holding)


class RegistryTests(SynchronousTestCase):
    """Claims, reclaims, sharing, leaving."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.registrar = MemoryRegistrar()
        self.plane = Plane(self.clock)
        publisher = Publisher([("memory", self.registrar)], self.clock)
        self.successResultOf(publisher.start())
        self.registry = Registry(
            NameContext(
                plane=self.plane,
                publisher=publisher,
                bind="127.0.0.1",
                domain="gateway.com",
                urls=lambda fqdn, kind: (f"https://{fqdn}",),
                visitors=Crowd("visitors", self.clock.seconds, 10),
            )
        )
        self.addCleanup(self.nothingLeft)

    def nothingLeft(self) -> None:
        """When everybody has left, no listener, timer or publication remains."""
        for public in list(self.registry):
            for holding in list(public.holdings):
                self.registry.release(public, holding)
        self.assertTrue(all(listener.closed for listener in self.plane.listeners))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.registry), 0)

    def refusal(self, claim: Deferred[Any]) -> str:
        error = self.failureResultOf(claim, Refused).value
        return str(error.code)

    def test_aFreeName(self) -> None:
        """A free name is published with a listening port and told with its URL."""
        public = self.successResultOf(Agent(self.registry).claim("example"))
        self.assertEqual(public.urls, ("https://example.gateway.com",))
        self.assertIs(self.registry.find("example"), public)
        self.assertEqual(self.registrar.log, ["registered example.gateway.com"])

    def test_withdrawnWithItsHolder(self) -> None:
        """When its only holder leaves, the name is withdrawn once, its port closed, and remembered as away."""
        agent = Agent(self.registry)
        self.successResultOf(agent.claim("example"))
        self.clock.advance(7)
        agent.leave()
        agent.leave()
        self.assertEqual(self.registrar.log[1:], ["withdrawn example.gateway.com"])
        self.assertIsNone(self.registry.find("example"))
        self.assertEqual(self.registry.away("example"), 7)
        self.assertIsNone(self.registry.away("never"))

    def test_awayIsForVisitorsOfTheFront(self) -> None:
        """A name that no front serves is not told to have been there."""
        agent = Agent(self.registry)
        self.successResultOf(agent.claim("raw", kind="tcp"))
        agent.leave()
        self.assertIsNone(self.registry.away("raw"))

    def test_awayIsBounded(self) -> None:
        """Of the names that have left, the last ten thousand are remembered."""
        self.patch(registry, "REMEMBERED", 3)
        agent = Agent(self.registry)
        for name in "abcd":
            self.successResultOf(agent.claim(name))
            agent.leave()
        self.assertEqual([self.registry.away(name) is not None for name in "abcd"], [False, True, True, True])

    def test_takenBySomebodyElse(self) -> None:
        """Another account's name is refused, whether its agent still answers or not, and stays where it is."""
        first = Agent(self.registry, "alice")
        first.alive = succeed(False)
        public = self.successResultOf(first.claim("example"))
        self.assertEqual(self.refusal(Agent(self.registry, "bob", "b" * 16).claim("example", share=True)), "name-taken")
        self.assertEqual(self.refusal(Agent(self.registry, "bob", "a" * 16).claim("example")), "name-taken")
        self.assertIs(self.registry.find("example"), public)
        self.assertEqual(first.ended, [])

    def test_theSameAgentTakesItBack(self) -> None:
        """The same agent on a new link has its name at once; it stays published, and the ghost is ended."""
        ghost, back = Agent(self.registry), Agent(self.registry)
        ghost.alive = Deferred()
        public = self.successResultOf(ghost.claim("example"))
        self.assertIs(self.successResultOf(back.claim("example")), public)
        self.assertEqual([error.code for error in ghost.ended], ["replaced"])
        self.assertEqual(self.registrar.log, ["registered example.gateway.com"])
        public.open(0, "", "", None)  # type: ignore[arg-type]
        self.assertEqual((len(ghost.opened), len(back.opened)), (0, 1))

    def test_aDeadHolderOfTheSameAccount(self) -> None:
        """Another agent of the account gets the name when the holder does not answer a probe."""
        first, second = Agent(self.registry), Agent(self.registry, agent="b" * 16)
        probe: Deferred[bool] = Deferred()
        first.alive = probe
        self.successResultOf(first.claim("example"))
        claim = second.claim("example")
        self.assertNoResult(claim)
        probe.callback(False)
        self.successResultOf(claim)
        self.assertEqual(len(first.ended), 1)

    def test_aLiveHolderOfTheSameAccount(self) -> None:
        """A holder that answers the probe keeps its name."""
        first, second = Agent(self.registry), Agent(self.registry, agent="b" * 16)
        self.successResultOf(first.claim("example"))
        self.assertEqual(self.refusal(second.claim("example")), "name-taken")
        self.assertEqual(first.ended, [])

    def test_leavingWhileProbed(self) -> None:
        """A holder that leaves while it is being probed does not keep the other from the name."""
        first, second = Agent(self.registry), Agent(self.registry, agent="b" * 16)
        probe: Deferred[bool] = Deferred()
        first.alive = probe
        self.successResultOf(first.claim("example"))
        claim = second.claim("example")
        first.leave()
        probe.callback(True)
        self.successResultOf(claim)

    def test_shared(self) -> None:
        """Agents of one account that both ask to share get visitors in turn; one's leaving goes unnoticed."""
        agents = [Agent(self.registry, agent=letter * 16) for letter in "abc"]
        for agent in agents:
            self.successResultOf(agent.claim("example", share=True))
        public = self.registry.find("example")
        assert public is not None
        for _ in range(9):
            public.open(0, "", "", None)  # type: ignore[arg-type]
        self.assertEqual([len(agent.opened) for agent in agents], [3, 3, 3])
        agents[1].leave()
        agents[2].live = False
        for _ in range(3):
            public.open(0, "", "", None)  # type: ignore[arg-type]
        self.assertEqual(len(agents[0].opened), 6)
        self.assertEqual(self.registrar.log, ["registered example.gateway.com"])

    def test_sharingNeedsBoth(self) -> None:
        """Who did not ask to share is not joined."""
        self.successResultOf(Agent(self.registry).claim("example"))
        other = Agent(self.registry, agent="b" * 16)
        self.assertEqual(self.refusal(other.claim("example", share=True)), "name-taken")

    def test_askedForTwice(self) -> None:
        """One agent asking twice for a name is refused and does not end itself."""
        agent = Agent(self.registry)
        self.successResultOf(agent.claim("example"))
        self.assertEqual(self.refusal(agent.claim("example")), "name-taken")
        self.assertEqual(agent.ended, [])

    def test_nobodyLive(self) -> None:
        """A visitor of a name whose holder cannot take streams hears that the agent is away."""
        agent = Agent(self.registry)
        agent.live = False
        public = self.successResultOf(agent.claim("example"))
        with self.assertRaises(Refused) as caught:
            public.open(0, "", "", None)  # type: ignore[arg-type]
        self.assertEqual(caught.exception.code, "agent-away")

    def test_publishingFails(self) -> None:
        """A registrar that fails leaves nothing behind, and the agent hears that it was the publishing."""
        self.registrar.answer = ValueError("secret detail")
        error = self.failureResultOf(Agent(self.registry).claim("example"), Refused).value
        self.assertEqual(error.code, "publish-failed")
        self.assertNotIn("secret", str(error))
        self.assertIsNone(self.registry.find("example"))
        self.flushLoggedErrors()

    def test_leavingWhilePublishing(self) -> None:
        """An agent that leaves while its name is being published leaves nothing published."""
        self.registrar.answer = Deferred()
        claim = Agent(self.registry).claim("example")
        self.assertNoResult(claim)
        claim.cancel()
        self.failureResultOf(claim)
        self.assertIsNone(self.registry.find("example"))
        self.assertTrue(all(listener.closed for listener in self.plane.listeners))

    def test_passesThrough(self) -> None:
        """The TLS front looks at first bytes only while a name wants its TLS untouched."""
        agent = Agent(self.registry)
        self.successResultOf(agent.claim("plain"))
        self.assertFalse(self.registry.passesThrough)
        self.successResultOf(agent.claim("secret", kind="tls"))
        self.assertTrue(self.registry.passesThrough)
        agent.leave()
        self.assertFalse(self.registry.passesThrough)
