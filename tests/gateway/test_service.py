"""The gateway as a service, put together as in production, on a plane in memory: starting, serving, stopping."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import trustme
from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from diglett.agent.backend import DialledBackend
from diglett.agent.service import AgentService, Tunnel
from diglett.config.gateway import GatewayConfig
from diglett.errors import DiglettError, GatewayNotTrusted, UsageError
from diglett.gateway import service
from diglett.gateway.fronts import GRACE
from diglett.gateway.service import DRAIN_LIMIT, RELOAD, GatewayService
from diglett.gateway.succession import POLL, Succession
from diglett.plane.channel import Target
from diglett.publishing import Publisher
from diglett.testing import MemoryPlane
from diglett.trust.client import GatewayTrust
from diglett.wire.messages import Register
from tests.gateway.ingress.rig import Visitor
from tests.gateway.people import Backends, Notes

GET = b"GET / HTTP/1.1\r\nHost: example.localhost\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class GatewaysPlane:
    """The gateway's part of a plane: closing it leaves the agents theirs."""

    def __init__(self, plane: MemoryPlane) -> None:
        self._plane = plane
        self.closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plane, name)

    def close(self) -> Deferred[None]:
        self.closed = True
        return succeed(None)


class ServiceTestCase(SynchronousTestCase):
    """A gateway with a state folder of its own."""

    def setUp(self) -> None:
        self.plane = MemoryPlane()
        self.clock = self.plane.clock
        self.clock.advance(1_700_000_000.0)
        self.patch(service, "makePlane", lambda reactor: GatewaysPlane(self.plane))
        self.state = Path(self.mktemp())
        self.config = GatewayConfig(state=str(self.state))
        self.said: list[str] = []
        self.agents: list[AgentService] = []
        self.gateway = GatewayService(self.clock, self.config, self.said.append)

    def start(self, **changes: Any) -> GatewayService:
        """Start a gateway that has this in its configuration."""
        self.gateway = GatewayService(self.clock, evolve(self.config, **changes), self.said.append)
        self.gateway.startService()
        return self.gateway

    def started(self, **changes: Any) -> GatewayService:
        """Start it, and see that it has."""
        gateway = self.start(**changes)
        self.successResultOf(gateway.started)
        self.addCleanup(self.nothingLeft)
        return gateway

    def nothingLeft(self) -> None:
        """A gateway that has stopped listens nowhere and waits for nothing."""
        for agent in self.agents:
            agent.stopService()
        self.plane.pump()
        if self.gateway.running:
            stopped = self.gateway.stopService()
            self.plane.advance(DRAIN_LIMIT + 1)
            self.successResultOf(stopped)
        self.plane.advance(2)
        self.assertEqual([port for port in self.plane.listeners if port != 9_000], [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def agent(self, port: int = 20_000, **trust: Any) -> Notes:
        """An agent of the same user: it finds token and authority in the state folder."""
        notes = Notes()
        token = (self.state / "token").read_text().strip()
        agent = AgentService(
            self.plane,
            Target("localhost", port),
            GatewayTrust("localhost", **(trust or {"localCa": self.state / "ca.pem"})),
            lambda: token,
            [Tunnel(Register("example"), DialledBackend(self.plane, Target("localhost", 9_000)), "localhost:9000")],
            notes,
        )
        agent.startService()
        self.agents.append(agent)
        self.plane.pump()
        return notes

    def visit(self, port: int = 8_080) -> Visitor:
        """A visitor of the HTTP front, who has asked for `example`."""
        here, there = self.plane.pair()
        self.plane.listeners[port].backlog.append(there)
        visitor = Visitor(here)
        visitor.send(GET)
        self.plane.pump()
        return visitor

    def failure(self, gateway: GatewayService) -> str:
        """Why it has not started."""
        error = self.failureResultOf(gateway.started, DiglettError).value
        self.flushLoggedErrors()
        return str(error)


class StartingTests(ServiceTestCase):
    """From a configuration to open doors."""

    def test_nothingConfigured(self) -> None:
        """Without any configuration it listens at the documented ports, and says where, its key, and what to paste."""
        gateway = self.started()
        self.assertEqual(sorted(self.plane.listeners), [8_080, 8_443, 20_000])
        self.assertEqual(gateway.agentPort, 20_000)
        said = "\n".join(self.said)
        for line in (
            r"agents connect to localhost:20000", r"served at https://NAME\.localhost:8443",
            r"fingerprint sha256:\S{44}", r"made the first token, for .*: dig_\S+",
            r"    diglett -g localhost -n example localhost:9000",
        ):  # fmt: skip
            self.assertTrue(re.search(line, said), line)

    def test_wholeWay(self) -> None:
        """An agent of the same user comes in with what is in the state folder, and a visitor reaches it."""
        self.started()
        backends = Backends(self.plane, 9_000)
        notes = self.agent()
        self.assertEqual(notes.lines, [("https://example.localhost:8443", "localhost:9000")])
        visitor = self.visit()
        backends.say(0, OK)
        self.assertEqual(bytes(visitor.received), OK)
        visitor.channel.close()
        status = self.gateway.status()
        self.assertEqual((len(status.agents), [name.name for name in status.names]), (1, ["example"]))

    def test_throughTheFront(self) -> None:
        """The agent may come through the HTTPS port instead, to the same key."""
        self.started()
        self.assertEqual(self.agent(8_443).events, ["up"])
        (line,) = [line for line in self.said if "fingerprint" in line]
        self.agents[0].stopService()
        self.plane.pump()
        self.assertEqual(self.agent(8_443, pins=[line.split()[-1]]).events, ["up"])

    def test_doorsThatAreOff(self) -> None:
        """What is turned off does not listen, and is not told of; its URLs are not either."""
        self.started(https=None, http="tcp:80", listen="unix:/run/diglett")
        self.assertEqual(sorted(map(str, self.plane.listeners)), ["/run/diglett", "80"])
        self.assertEqual(self.gateway.agentPort, 0)
        self.assertTrue(any("http://NAME.localhost" in line for line in self.said))
        self.assertFalse(any("https:" in line for line in self.said))

    def test_cannotListen(self) -> None:
        """A door that cannot be opened keeps it from starting, and says which and why."""
        listen = self.plane.listen

        def refuse(description: str, accepted: Any) -> Any:
            if description == "tcp:443":
                return fail(PermissionError(13, "Permission denied"))
            return listen(description, accepted)

        self.plane.listen = refuse  # type: ignore[method-assign]
        self.assertEqual(self.failure(self.start(https="tcp:443")), "--https tcp:443: cannot listen: Permission denied")

    def test_wrongSettings(self) -> None:
        """Plugins that do not exist, files that are not there: each is said, none is a traceback."""
        for changes, words in (
            ({"auth": "nonsense"}, "nonsense"),
            ({"auth": "tokens:/nowhere/tokens.toml"}, "/nowhere/tokens.toml"),
            ({"register": ("nonsense",)}, "nonsense"),
            ({"certificates": (("/nowhere/cert.pem", "/nowhere/key.pem"),)}, "/nowhere"),
        ):
            self.assertIn(words, self.failure(self.start(**changes)))
            self.assertEqual(self.plane.listeners, {})

    def test_bug(self) -> None:
        """An exception that nobody thought of keeps it from starting as well, and is logged with its traceback."""
        self.patch(Publisher, "start", lambda self: fail(ZeroDivisionError()))
        self.failureResultOf(self.start().started, ZeroDivisionError)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


    def test_agentsOnTheirWay(self) -> None:
        """For a while after the start nobody can say that there is no such name; then there is none."""
        self.started()
        self.assertIn(b" 503 ", self.visit().received)
        self.plane.advance(GRACE)
        self.assertIn(b" 404 ", self.visit().received)

    def test_takingOver(self) -> None:
        """For one who waited for its turn that while begins when the turn comes: who died has left no word."""
        self.state.mkdir(mode=0o700)
        predecessor = Succession(self.clock, self.state, ("127.0.0.1", 20_000))
        self.successResultOf(predecessor.turn(lambda: None))
        self.start(listen="systemd:20000")
        self.addCleanup(self.nothingLeft)
        self.plane.advance(3 * GRACE)
        self.assertNoResult(self.gateway.started)
        predecessor.leave([])
        self.plane.advance(2 * POLL)
        self.successResultOf(self.gateway.started)
        self.assertIn(b" 503 ", self.visit().received)
        self.plane.advance(GRACE)
        self.assertIn(b" 404 ", self.visit().received)


class ChangingTests(ServiceTestCase):
    """While it runs."""

    def test_tokenTakenAway(self) -> None:
        """An agent whose token is taken out of the file is let go within seconds, for good."""
        self.started()
        notes = self.agent()
        (self.state / "tokens.toml").write_text("# nobody\n")
        self.plane.advance(3)
        self.assertIsNotNone(self.successResultOf(self.agents[0].done))
        self.assertEqual(notes.events, ["up"])

    def certificate(self, ca: trustme.CA, name: str) -> None:
        """Put a new certificate where the gateway looks."""
        made = ca.issue_cert(name)
        made.cert_chain_pems[0].write_to_path(str(self.state / "cert.pem"))
        made.private_key_pem.write_to_path(str(self.state / "key.pem"))

    def test_certificates(self) -> None:
        """A renewed certificate is shown within half a minute; one that cannot be used is not, and is complained of."""
        ca = trustme.CA()
        authority = self.state.with_suffix(".ca")
        ca.cert_pem.write_to_path(str(authority))
        self.state.mkdir()
        self.certificate(ca, "elsewhere.example")
        self.started(certificates=((str(self.state / "cert.pem"), str(self.state / "key.pem")),))
        self.assertEqual(self.agent(ca=authority).events, [])
        self.assertIsInstance(self.successResultOf(self.agents[0].done), GatewayNotTrusted)
        self.certificate(ca, "localhost")
        self.plane.advance(RELOAD + 1)
        self.assertEqual(self.agent(ca=authority).events, ["up"])
        (self.state / "cert.pem").write_text("nonsense")
        self.plane.advance(RELOAD + 1)
        self.agents[1].stopService()
        self.plane.pump()
        self.assertEqual(self.agent(ca=authority).events, ["up"])

    def test_behindAProxy(self) -> None:
        """An endpoint with `haproxy:` takes the visitor's address from the PROXY protocol, and nobody without it."""
        self.started(http="haproxy:tcp:8080", trustedProxies=())
        backends = Backends(self.plane, 9_000)
        self.agent()
        here, there = self.plane.pair()
        self.plane.listeners[8_080].backlog.append(there)
        visitor = Visitor(here)
        visitor.send(b"PROXY TCP4 192.0.2.77 192.0.2.1 5555 80\r\n" + GET)
        self.plane.pump()
        self.assertIn(b"X-Forwarded-For: 192.0.2.77\r\n", bytes(backends[0].received))
        self.assertTrue(self.visit().closed)
        visitor.channel.abort()
        self.plane.pump()


class StoppingTests(ServiceTestCase):
    """Asked to stop."""

    def test_idle(self) -> None:
        """With nobody there it is over at once."""
        self.started()
        self.successResultOf(self.gateway.stopService())

    def test_serving(self) -> None:
        """It stops listening at once, lets the visitor who is being served have all of the answer, and then lets go."""
        self.started()
        backends = Backends(self.plane, 9_000)
        notes = self.agent()
        visitor, idle = self.visit(), self.visit()
        backends.say(1, OK)
        stopped = self.gateway.stopService()
        self.plane.advance(5)
        self.assertNoResult(stopped)
        self.assertEqual([port for port in self.plane.listeners if port != 9_000], [])
        self.assertTrue(idle.closed)
        self.assertEqual(notes.events[1], "moving")
        backends.say(0, OK)
        self.assertTrue(bytes(visitor.received).endswith(b"\r\n\r\nok"))
        self.successResultOf(stopped)

    def test_askingAgain(self) -> None:
        """Who had an answer a moment ago may be asking again: that is answered, and is the last answer."""
        self.started()
        backends = Backends(self.plane, 9_000)
        self.agent()
        first, second = self.visit(), self.visit()
        backends.say(0, OK)
        backends.say(1, OK)
        stopped = self.gateway.stopService()
        self.plane.advance(0.5)
        third = self.visit()  # listening goes on meanwhile
        backends.say(2, OK)
        first.send(GET)
        self.plane.pump()
        backends.say(0, OK)
        self.assertTrue(first.closed)
        self.assertIn(b"\r\nConnection: close\r\n", bytes(first.received)[len(OK) :])
        self.assertTrue(third.closed)
        self.assertFalse(second.closed)
        self.plane.advance(0.6)
        self.plane.advance(0.1)
        self.assertTrue(second.closed)
        self.successResultOf(stopped)

    def test_askingAgainJustBefore(self) -> None:
        """The front's own time is a second coarse, but nobody who was served a moment ago is taken for idle by that."""
        self.started()
        backends = Backends(self.plane, 9_000)
        self.agent()
        visitor, idle = self.visit(), self.visit()
        backends.say(1, OK)
        self.plane.advance(5.97, 0.01)
        backends.say(0, OK)
        self.plane.advance(0.06, 0.01)
        stopped = self.gateway.stopService()
        self.plane.advance(0.1, 0.01)
        self.assertEqual((visitor.closed, idle.closed), (False, True))
        visitor.send(GET)
        self.plane.pump()
        backends.say(0, OK)
        self.assertTrue(bytes(visitor.received).endswith(b"\r\nConnection: close\r\n\r\nok"), visitor.received)
        self.plane.advance(0.1, 0.01)
        self.successResultOf(stopped)

    def test_limit(self) -> None:
        """It does not wait for ever."""
        self.started()
        Backends(self.plane, 9_000)
        self.agent()
        self.visit()
        stopped = self.gateway.stopService()
        self.plane.advance(DRAIN_LIMIT - 1)
        self.assertNoResult(stopped)
        self.plane.advance(2)
        self.successResultOf(stopped)

    def test_whileStarting(self) -> None:
        """Asked to stop before it has started, it does not start any more, and that is no failure."""
        waiting: Deferred[None] = Deferred()
        self.patch(Publisher, "start", lambda self: waiting)
        gateway = self.start()
        stopped = gateway.stopService()
        self.successResultOf(stopped)
        self.failureResultOf(gateway.started, CancelledError)
        if not waiting.called:
            waiting.callback(None)
        self.assertEqual(self.plane.listeners, {})
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_neverStarted(self) -> None:
        """One that could not start can be stopped."""
        gateway = self.start(auth="nonsense")
        self.failureResultOf(gateway.started, UsageError)
        self.successResultOf(gateway.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])
