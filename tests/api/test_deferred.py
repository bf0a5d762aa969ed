"""`diglett.connect`, at a gateway in memory."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from diglett.api.deferred import DeferredTunnel, connect
from diglett.errors import GatewayNotTrusted, LinkClosed, LoginRefused, Refused, UsageError
from diglett.plane.channel import Target
from tests.api.rig import ProgramTestCase
from tests.gateway.housekeeping import OK
from tests.gateway.people import AGENTS


class ConnectTestCase(ProgramTestCase):
    """A Twisted program."""

    def connect(self, **options: Any) -> Deferred[DeferredTunnel]:
        """Ask, and let everything happen that happens at once."""
        asked = connect(self.reactor, 9000, **{"name": "example", **self.options, **options})
        self.plane.pump()
        return asked

    def tunnel(self, **options: Any) -> DeferredTunnel:
        """One that is up, closed in the end."""
        tunnel = self.successResultOf(self.connect(**options))
        self.addCleanup(tunnel.close, 0.0)
        return tunnel

    def empty(self) -> None:
        """Nothing of ours waits for the reactor's end."""
        super().empty()
        self.assertEqual(self.reactor.triggers, [])

    def crash(self) -> None:
        """The gateway breaks the link."""
        (session,) = self.house.agents
        session.end(Refused("crash", code="internal"))
        self.plane.pump()


class OpeningTests(ConnectTestCase):
    """From the question to the answer."""

    def test_up(self) -> None:
        """It comes once the gateway has confirmed, and tells name and URLs; visitors get to the backend."""
        backends = self.house.backend()
        tunnel = self.tunnel()
        self.assertEqual((tunnel.name, tunnel.connected, tunnel.closed), ("example", True, False))
        self.assertEqual(tunnel.url, tunnel.urls[0])
        self.assertIn("example.gateway.com", tunnel.url)
        self.assertEqual(repr(tunnel), f"<{tunnel.url} -> localhost:9000, connected>")
        visitor = self.visit()
        backends.say(0, OK)
        self.assertEqual(bytes(visitor.received), OK)

    def test_notBefore(self) -> None:
        """While the gateway hesitates there is no tunnel."""
        self.house.book.answer = Deferred()
        asked = self.connect()
        self.plane.advance(5)
        self.assertNoResult(asked)
        answer, self.house.book.answer = self.house.book.answer, None
        answer.callback(None)
        self.plane.pump()
        self.addCleanup(self.successResultOf(asked).close, 0.0)

    def test_usage(self) -> None:
        """What cannot be is told without asking anybody."""
        self.failureResultOf(self.connect(type="udp"), UsageError)
        self.failureResultOf(self.connect(ca="missing.pem", pin=None), UsageError)
        self.assertEqual([plane.dialled for plane in self.planes], [[]])

    def test_refused(self) -> None:
        """A wrong token and a gateway with another key are told at once, and are the end."""
        failure = self.failureResultOf(self.connect(token="wrong"), Refused)
        self.assertEqual((failure.value.code, failure.value.permanent), ("login-refused", True))
        pin = "sha256:" + "A" * 43 + "="
        self.failureResultOf(self.connect(pin=pin), GatewayNotTrusted)
        self.plane.advance(60)
        self.assertEqual([len(plane.dialled) for plane in self.planes], [1, 1])

    def test_tooLate(self) -> None:
        """After its time the last reason is told, and no more attempts are made."""
        self.house.shut()
        asked = self.connect(timeout=20)
        self.plane.advance(19)
        self.assertNoResult(asked)
        self.plane.advance(1)
        error = self.failureResultOf(asked, TimeoutError).value
        self.assertRegex(str(error), r"^not connected to localhost:20000 within 20 s: .*localhost:20000.*")
        self.assertIs(error.__cause__.__class__.__name__, "LinkLost")
        before = len(self.planes[0].dialled)
        self.house.open()
        self.plane.advance(60)
        self.assertEqual(len(self.planes[0].dialled), before)

    def test_silence(self) -> None:
        """A gateway that answers nothing is no answer."""
        self.plane.silent.add(Target("localhost", AGENTS))
        asked = self.connect(timeout=5)
        self.plane.advance(5)
        self.assertIn("within 5 s: no answer", str(self.failureResultOf(asked, TimeoutError).value))

    def test_patient(self) -> None:
        """Without a limit it waits until there is a gateway."""
        self.house.shut()
        asked = self.connect(timeout=None)
        self.plane.advance(600, 1)
        self.house.open()
        self.plane.advance(16)
        self.addCleanup(self.successResultOf(asked).close, 0.0)

    def test_cancelled(self) -> None:
        """Nobody waits any more: it ends, also in the middle of an attempt."""
        self.plane.silent.add(Target("localhost", AGENTS))
        asked = self.connect()
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.plane.silent.clear()
        self.plane.advance(60)
        self.assertEqual(len(self.planes[0].dialled), 1)

    def test_reactorStopsMeanwhile(self) -> None:
        """A program that ends while it waits hears that it is over."""
        self.house.shut()
        asked = self.connect()
        (closed,) = self.reactor.stop()
        self.successResultOf(closed)
        self.failureResultOf(asked, LinkClosed)


class StayingTests(ConnectTestCase):
    """After that."""

    def test_outage(self) -> None:
        """`connected` tells when there is none, and it comes back by itself under the same name."""
        tunnel = self.tunnel(name=None)
        name = tunnel.name
        over = tunnel.wait()
        self.house.shut()
        self.crash()
        self.assertFalse(tunnel.connected)
        self.assertEqual(repr(tunnel), f"<{tunnel.url} -> localhost:9000, not connected>")
        self.plane.advance(100)
        self.house.open()
        self.plane.advance(16)
        self.assertTrue(tunnel.connected)
        self.assertEqual(tunnel.name, name)
        self.assertNoResult(over)
        over.cancel()
        self.failureResultOf(over, CancelledError)

    def test_revoked(self) -> None:
        """Refused for good after it was up: who waits hears why, and who asks later does, too."""
        tunnel = self.tunnel()
        over = tunnel.wait()
        self.house.book.accounts.clear()
        self.crash()
        self.plane.advance(16)
        self.failureResultOf(over, Refused)
        self.assertEqual((tunnel.closed, tunnel.connected), (True, False))
        self.assertEqual(self.failureResultOf(tunnel.wait(), Refused).value.code, LoginRefused.code)
        self.successResultOf(tunnel.close())

    def test_status(self) -> None:
        """It asks the gateway and the backend."""
        tunnel = self.tunnel()
        asked = tunnel.status()
        self.plane.advance(4)
        status = self.successResultOf(asked)
        self.assertEqual((status.state, status.tunnels[0].reachable, status.ok), ("connected", False, False))
        self.house.backend()
        asked = tunnel.status()
        self.plane.advance(4)
        self.assertTrue(self.successResultOf(asked).ok)

    def test_several(self) -> None:
        """One has nothing to do with another."""
        one, other = self.tunnel(name="one"), self.tunnel(name="other")
        one.close()
        self.plane.pump()
        self.assertEqual((one.connected, other.connected), (False, True))


class ClosingTests(ConnectTestCase):
    """The end."""

    def test_withdrawn(self) -> None:
        """The name is gone when it is closed; closing again changes nothing."""
        tunnel = self.tunnel()
        over = tunnel.wait()
        closed = tunnel.close()
        self.plane.pump()
        self.successResultOf(closed)
        self.assertEqual(self.house.registrar.standing, [])
        self.assertEqual((tunnel.closed, tunnel.connected), (True, False))
        self.assertIsNone(self.successResultOf(over))
        self.assertIsNone(self.successResultOf(tunnel.wait()))
        self.assertIsNone(self.successResultOf(tunnel.close()))

    def test_visitors(self) -> None:
        """Who is being served is served to the end, without the name."""
        backends = self.house.backend()
        tunnel = self.tunnel()
        visitor = self.visit()
        closed = tunnel.close()
        self.plane.advance(3)
        self.assertNoResult(closed)
        self.assertEqual(self.house.registrar.standing, [])
        backends.say(0, OK)
        self.assertEqual(bytes(visitor.received), OK)
        self.successResultOf(closed)

    def test_limits(self) -> None:
        """But not for ever: as long as it was said, however long that is; asked again, the shorter time counts."""
        for limit, sooner in ((3.0, None), (60.0, None), (60.0, 1.0)):
            self.house.backend()
            tunnel = self.tunnel()
            self.visit()
            closed = [tunnel.close(limit)] + ([tunnel.close(sooner)] if sooner else [])
            self.plane.advance((sooner or limit) - 0.5)
            self.assertNoResult(closed[0])
            self.plane.advance(1)
            for each in closed:
                self.successResultOf(each)
            self.assertTrue(tunnel.closed)

    def test_whateverHangs(self) -> None:
        """A backend that does not take its last bytes keeps nobody waiting for longer than a second more."""
        tunnel = self.tunnel()
        hanging: Deferred[None] = Deferred()
        self.patch(self.planes[0], "close", lambda: hanging)
        closed = tunnel.close(2.0)
        self.plane.advance(2.5)
        self.assertNoResult(closed)
        self.plane.advance(1)
        self.successResultOf(closed)
        self.assertEqual((tunnel.connected, tunnel.closed), (False, False))
        hanging.callback(None)
        self.assertTrue(tunnel.closed)

    def test_reactorStops(self) -> None:
        """The reactor's end is the tunnel's, in good order."""
        tunnel = self.tunnel()
        (closed,) = self.reactor.stop()
        self.plane.pump()
        self.successResultOf(closed)
        self.assertTrue(tunnel.closed)
        self.assertEqual(self.house.registrar.standing, [])
