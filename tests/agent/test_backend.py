"""Where visitors are taken: services at addresses, with and without TLS."""

from __future__ import annotations

from typing import Any

from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from diglett.agent.backend import CONNECT_TIMEOUT, TLS_TIMEOUT, DialledBackend, TLSBackend
from diglett.plane.channel import Target
from diglett.testing import MemoryPlane, NotedEndpoint, connectedLinks, memoryCredentials
from diglett.trust.client import BackendTrust
from diglett.trust.server import ServerContexts
from diglett.wire.frames import Reason, Way
from diglett.wire.opening import Opening
from tests.gateway.ingress.rig import Visitor
from tests.gateway.people import Backends, listen

SERVICE = Target("localhost", 9_000)


class Far(NotedEndpoint):
    """The gateway's end of a stream, which also notes the words of a Close."""

    text = ""

    def closed(self, reason: Reason, text: str) -> None:
        super().closed(reason, text)
        self.text = text


class BackendTestCase(SynchronousTestCase):
    """A link whose agent takes every visitor to one backend."""

    def setUp(self) -> None:
        self.plane = MemoryPlane()
        self.backend = self.make()
        self.gateway, self.agent = connectedLinks(
            self.plane, answer=lambda link, stream, opening: self.backend.accept(link.mux, stream, opening)
        )
        self.lines: list[Any] = []
        globalLogPublisher.addObserver(self.lines.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.lines.append)
        self.addCleanup(self.nothingLeft)

    def make(self) -> DialledBackend:
        return DialledBackend(self.plane, SERVICE)

    def nothingLeft(self) -> None:
        """When the link is over nothing is waited for, and no stream is counted."""
        self.gateway.link.close()
        self.plane.pump()
        self.assertEqual(self.plane.clock.getDelayedCalls(), [])
        self.assertEqual(self.agent.link.mux.undelivered, 0)
        self.assertEqual(self.flushLoggedErrors(), [])

    def timers(self) -> list[Any]:
        """Those that are not the links'."""
        return [call for call in self.plane.clock.getDelayedCalls() if "Link" not in str(call)]

    def visit(self, data: bytes = b"") -> Far:
        """A visitor who says this at once."""
        far = Far()
        far.mux = self.gateway.link.mux
        far.stream = far.mux.open(Opening(1, Way.PORT, "192.0.2.1 5", ""), far)
        if data:
            far.mux.write(far.stream, data)
        self.plane.pump()
        return far


class DialledTests(BackendTestCase):
    """`DialledBackend`."""

    def test_joined(self) -> None:
        """What a visitor said while the connection was made comes first; both ways and both ends pass through."""
        services = Backends(self.plane, 9_000)
        far = self.visit(b"hello")
        self.assertEqual(bytes(services[0].received), b"hello")
        services.say(0, b"world")
        self.assertEqual(bytes(far.received), b"world")
        services[0].channel.finish()
        self.plane.pump()
        self.assertTrue(far.ended)
        far.mux.finish(far.stream)
        self.plane.pump()
        self.assertTrue(services[0].ended)
        self.assertEqual(self.agent.link.mux.streams, {})

    def test_refused(self) -> None:
        """A service that is not there is told of as such, without saying where it is not."""
        far = self.visit()
        self.assertEqual((far.reason, far.text), (Reason.BACKEND_UNREACHABLE, "connection refused"))

    def test_silent(self) -> None:
        """One that does not answer is given up after ten seconds, as that."""
        self.plane.silent.add(SERVICE)
        far = self.visit(b"hello")
        self.plane.advance(CONNECT_TIMEOUT - 1)
        self.assertIsNone(far.reason)
        self.plane.advance(2)
        self.assertEqual(far.reason, Reason.BACKEND_TIMEOUT)

    def test_visitorLeaves(self) -> None:
        """A visitor who leaves while the connection is made has that ended."""
        self.plane.silent.add(SERVICE)
        far = self.visit(b"hello")
        far.mux.close(far.stream, Reason.RESET)
        self.plane.pump()
        self.assertEqual(self.agent.link.mux.streams, {})
        self.plane.silent.clear()

    def test_linkIsLost(self) -> None:
        """Nor does an attempt outlive its link."""
        self.plane.silent.add(SERVICE)
        self.visit()
        self.agent.channel.reset()
        self.plane.pump()
        self.assertEqual(self.timers(), [])

    def test_log(self) -> None:
        """A thousand visitors to a service that is down make one line, and another one in a minute."""
        for _ in range(1_000):
            self.visit()
        lines = [line for line in self.lines if "cannot be reached" in str(line.get("log_format"))]
        self.assertEqual(len(lines), 1)
        self.plane.advance(61)
        self.visit()
        self.assertEqual(len(self.lines), 3)


class SecuredTests(BackendTestCase):
    """`TLSBackend`."""

    insecure = True

    def make(self) -> DialledBackend:
        return TLSBackend(self.plane, SERVICE, BackendTrust("localhost", insecure=self.insecure))

    def serve(self) -> list[Visitor]:
        """A service that speaks TLS."""
        ends: list[Visitor] = []

        def accepted(channel: Any) -> None:
            tls = self.plane.tls(channel, ServerContexts([memoryCredentials()]).connection())
            tls.handshake(lambda error: ends.append(Visitor(tls)))

        listen(self.plane, 9_000, accepted)
        return ends

    def test_joined(self) -> None:
        """The service hears what the visitor said, through TLS of the agent's."""
        ends = self.serve()
        far = self.visit(b"hello")
        self.assertEqual(bytes(ends[0].received), b"hello")
        ends[0].send(b"world")
        self.plane.pump()
        self.assertEqual(bytes(far.received), b"world")

    def test_plain(self) -> None:
        """A service that does not speak TLS is told of as that."""
        services = Backends(self.plane, 9_000)
        far = self.visit()
        services.say(0, b"SSH-2.0-OpenSSH_9.2\r\n")
        self.assertEqual(far.reason, Reason.BACKEND_TLS)
        self.assertTrue(services[0].closed)

    def test_silent(self) -> None:
        """One that accepts and says nothing has ten seconds more."""
        Backends(self.plane, 9_000)
        far = self.visit(b"hello")
        self.plane.advance(TLS_TIMEOUT - 1)
        self.assertIsNone(far.reason)
        self.plane.advance(2)
        self.assertEqual((far.reason, far.text), (Reason.BACKEND_TLS, "no answer in time"))
        self.assertEqual(self.timers(), [])

    def test_closed(self) -> None:
        """One that closes in the middle of the handshake, too."""
        services = Backends(self.plane, 9_000)
        far = self.visit()
        services[0].channel.close()
        self.plane.pump()
        self.assertEqual(far.reason, Reason.BACKEND_TLS)

    def test_visitorLeaves(self) -> None:
        """A visitor who leaves in the middle of the handshake has it ended."""
        services = Backends(self.plane, 9_000)
        far = self.visit()
        far.mux.close(far.stream, Reason.RESET)
        self.plane.pump()
        self.assertTrue(services[0].closed)
        self.assertEqual(self.timers(), [])


class VerifiedTests(SecuredTests):
    """The same, when the agent was not told to believe everybody."""

    insecure = False

    def test_joined(self) -> None:
        """A service with a certificate of its own making is not reached; nothing that a visitor said gets there."""
        ends = self.serve()
        far = self.visit(b"my password")
        self.assertEqual(far.reason, Reason.BACKEND_TLS)
        self.assertIn("not trusted", far.text)
        self.assertEqual(bytes(ends[0].received), b"")
