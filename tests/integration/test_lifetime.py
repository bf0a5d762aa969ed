"""Losing each other, finding each other again, and stopping in order."""

from __future__ import annotations

import signal
import socket
import time
from functools import partial
from typing import Any

from tests.integration.components import freePort
from tests.integration.harness import Program
from tests.integration.services import nginx
from tests.integration.tunnel import LOOPBACK, TunnelTestCase
from tests.integration.visitors import Conversation, Hand, connect, curl

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"
SOON = 2.0
"""Seconds after which an agent must have noticed that its gateway is there again."""


def refuses(port: int) -> bool:
    """Whether nobody listens there any more."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


class ReconnectTests(TunnelTestCase):
    """An agent comes back without anybody's help."""

    def setUp(self) -> None:
        """Choose ports that the gateway will use each time."""
        super().setUp()
        self.ports = tuple(f"tcp:{freePort()}:interface=127.0.0.1" for _ in range(3))

    def restart(self, end: int) -> None:
        """End the gateway, start it again, and see the tunnel work."""
        gateway = self.gateway(ports=self.ports)
        agent = self.agent(gateway, "-n", "example", nginx(self))
        agent.waitFor(r"^https://")
        gateway.program.send(end)
        agent.waitFor(r"^diglett: lost localhost:\d+: .*; reconnecting$|^diglett: .* going away; connecting anew$")
        gateway.program.ended()
        agent.waitFor("trying again$")
        gateway = self.gateway(ports=self.ports)
        began = time.monotonic()
        agent.waitFor("^diglett: connected again$")
        self.assertLess(time.monotonic() - began, SOON)
        self.assertEqual(curl(self, gateway, gateway.url("example")).body, b"hello from nginx\n")
        self.assertEqual(len(agent.out.splitlines()), 1, agent.out)

    def test_restart(self) -> None:
        """A gateway that is restarted has its names back a moment later; the agent's line is printed once."""
        self.restart(signal.SIGTERM)

    def test_crash(self) -> None:
        """So it is when the gateway dies without a word."""
        self.restart(signal.SIGKILL)

    def test_early(self) -> None:
        """An agent may be started before its gateway, and says once what it is waiting for."""
        port = self.ports[0].split(":")[1]
        agent = self.agent(None, "-g", f"localhost:{port}", "-n", "example", "9")
        agent.waitFor(rf"^diglett: cannot reach localhost:{port}: .*refused.*; trying again$")
        self.assertEqual(agent.out, "")
        self.gateway(ports=self.ports)
        agent.waitFor(r"^https://example\.localhost:\d+ -> localhost:9$")

    def test_agentDies(self) -> None:
        """When an agent dies its visitors are told, and another one has the name at once."""
        gateway = self.gateway()
        backend = nginx(self)
        first = self.agent(gateway, "-n", "example", backend)
        first.waitFor("^https://")
        first.kill()
        self.until("503", lambda: curl(self, gateway, gateway.url("example")).status == 503)
        self.agent(gateway, "-n", "example", backend).waitFor("^https://")
        self.assertEqual(curl(self, gateway, gateway.url("example")).status, 200)

    def test_agentHangs(self) -> None:
        """An agent that has stopped answering loses its name to another one of the same account within seconds."""
        gateway = self.gateway()
        backend = nginx(self)
        first = self.agent(gateway, "-n", "example", backend)
        first.waitFor("^https://")
        first.send(signal.SIGSTOP)
        self.addCleanup(first.send, signal.SIGCONT)
        self.agent(gateway, "-n", "example", backend).waitFor("^https://", limit=10)
        self.assertEqual(curl(self, gateway, gateway.url("example")).status, 200)
        first.send(signal.SIGCONT)
        first.waitFor("the name example is in use by another agent.*; trying again")


class DrainTests(TunnelTestCase):
    """Asked to stop, either side first lets running streams finish."""

    def setUp(self) -> None:
        """Start a tunnel to a backend that is played by hand."""
        super().setUp()
        self.hand = Hand(self)
        self.house = self.gateway()
        self.ours = self.agent(self.house, "-n", "example", str(self.hand.port))
        self.ours.waitFor("^https://")

    def downloads(self) -> list[tuple[Any, Any]]:
        """Visitors by all ways who have got half of an answer, each with the backend's end."""
        gateway = self.house
        running = []
        for way in ((gateway.https, gateway.context()), (gateway.http,), (gateway.listeningPort("example"),)):
            visitor = connect(self, *way)
            visitor.send(b"GET / HTTP/1.1\r\nHost: example.localhost\r\n\r\n")
            backend = self.hand.accept()
            backend.head()
            backend.send(HEAD + b"hello ")
            visitor.head()
            self.assertEqual(visitor.read(6), b"hello ")
            running.append((visitor, backend))
        return running

    def finish(self, running: list[tuple[Any, Any]]) -> None:
        """Send the other half, and see it arrive."""
        for visitor, backend in running:
            backend.send(b"world!")
            backend.socket.close()
            self.assertEqual(visitor.read(6), b"world!")
            visitor.socket.close()

    def test_gateway(self) -> None:
        """The gateway takes nobody new, finishes what runs, and ends."""
        running = self.downloads()
        self.house.program.send(signal.SIGTERM)
        for port in (self.house.https, self.house.http, self.house.agents, self.house.listeningPort("example")):
            self.until(f"port {port} is closed", partial(refuses, port))
        self.assertTrue(self.house.program.running)
        self.finish(running)
        self.assertEqual(self.house.program.ended(10), 0)

    def test_agent(self) -> None:
        """The agent's name is withdrawn at once, what runs is finished, and then it ends."""
        running = self.downloads()
        self.ours.send(signal.SIGTERM)
        self.house.program.waitFor(r"withdrawn example\.localhost")
        self.assertEqual(curl(self, self.house, self.house.url("example")).status, 503)
        self.assertTrue(self.ours.running)
        self.finish(running)
        self.assertEqual(self.ours.ended(5), 0)

    def test_both(self) -> None:
        """When both are asked to stop, the agent first, what runs is finished all the same, and both end."""
        running = self.downloads()
        self.ours.send(signal.SIGTERM)
        self.house.program.waitFor(r"withdrawn example\.localhost")
        self.house.program.send(signal.SIGTERM)
        self.until("the port is closed", lambda: refuses(self.house.https))
        self.finish(running)
        self.assertEqual(self.ours.ended(5), 0)
        self.assertEqual(self.house.program.ended(5), 0)

    def test_impatient(self) -> None:
        """Asked twice, the agent does not wait."""
        running = self.downloads()
        self.ours.send(signal.SIGINT)
        self.house.program.waitFor(r"withdrawn example\.localhost")
        self.ours.send(signal.SIGINT)
        self.assertEqual(self.ours.ended(2), 0)
        for visitor, _ in running:
            self.assertRaises(OSError, visitor.rest)


class LastBytesTests(TunnelTestCase):
    """A stream may be over while one of its connections still has bytes to take: a program that ends waits for that.

    Unix sockets, because the kernel keeps a known number of bytes for them, and never more.
    """

    SIZE = 250_000
    """More than such a socket keeps, less than a stream's window."""

    def setUp(self) -> None:
        """See that the kernel is as kernels are."""
        super().setUp()
        with socket.socket(socket.AF_UNIX) as usual:
            if usual.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) > 220_000:
                self.skipTest("the kernel keeps too much")

    def waits(self, program: Program) -> None:
        """Ask it to stop, and see that it does not yet."""
        program.send(signal.SIGTERM)
        with self.assertRaisesRegex(AssertionError, "did not end within 1 s"):
            program.ended(1)

    def test_agent(self) -> None:
        """A backend gets what the agent has taken for it, though the visitor has gone by then."""
        hand = Hand(self, self.folder / "backend")
        gateway = self.gateway("--admin", "tcp:0:interface=127.0.0.1")
        agent = self.agent(gateway, "-n", "example", f"unix:{self.folder / 'backend'}")
        agent.waitFor(" -> ")
        visitor = connect(self, gateway.listeningPort("example"))
        backend = hand.accept()
        backend.finish()
        self.assertEqual(visitor.rest(), b"")
        visitor.send(bytes(self.SIZE))
        visitor.finish()
        self.until("the stream is over", lambda: not gateway.streams())
        self.waits(agent)
        self.assertEqual(len(backend.rest()), self.SIZE)
        self.assertEqual(agent.ended(2), 0)

    def test_gateway(self) -> None:
        """A visitor gets what the gateway has taken for him, though agent and backend have nothing to do with it."""
        server = self.launchServer("--listen", LOOPBACK, "--https", "none", "--http", f"unix:{self.folder / 'front'}")
        port = server.waitFor(r"agents connect to \S+:(\d+)$")[1]
        hand = Hand(self)
        self.agent(None, "-g", f"localhost:{port}", "-n", "example", str(hand.port)).waitFor(" -> ")
        connection = socket.socket(socket.AF_UNIX)
        self.addCleanup(connection.close)
        connection.connect(str(self.folder / "front"))
        visitor = Conversation(connection)
        visitor.send(b"GET / HTTP/1.1\r\nHost: example.localhost\r\n\r\n")
        backend = hand.accept()
        backend.head()
        backend.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % self.SIZE)
        backend.send(bytes(self.SIZE))
        self.assertRaises(ConnectionResetError, backend.rest)  # the answer is there as a whole: the stream is over
        self.waits(server)
        self.assertEqual(len(visitor.answer().body), self.SIZE)
        self.assertEqual(visitor.rest(), b"")
        self.assertEqual(server.ended(2), 0)


class StatusTests(TunnelTestCase):
    """How the commands end."""

    def test_stopped(self) -> None:
        """Ctrl-C and SIGTERM end the agent with 0 in each state: up, and while it waits for a gateway."""
        gateway = self.gateway()
        for number in (signal.SIGINT, signal.SIGTERM):
            agent = self.agent(gateway, "-n", "example", "9")
            agent.waitFor("^https://")
            self.assertEqual(agent.stop(number), 0)
            waiting = self.agent(None, "-g", f"localhost:{freePort()}", "9")
            waiting.waitFor("trying again$")
            self.assertEqual(waiting.stop(number), 0)

    def test_once(self) -> None:
        """With --once the first failure ends the agent with 1, and so does the loss of a link."""
        agent = self.agent(None, "-g", f"localhost:{freePort()}", "--once", "9")
        self.assertEqual(agent.ended(), 1)
        self.assertRegex(agent.err, r"^diglett: cannot reach localhost:\d+: .*refused.*\n$")
        gateway = self.gateway()
        agent = self.agent(gateway, "--once", "-n", "example", "9")
        agent.waitFor("^https://")
        gateway.program.kill()
        self.assertEqual(agent.ended(), 1)
        self.assertRegex(agent.err, r"^diglett: .*\n$")

    def test_usage(self) -> None:
        """A mistake on the command line is one line that names it, and status 2, on both sides."""
        agent = self.agent(None, "-g", "localhost", "--pinn", "x", "9")
        self.assertEqual((agent.ended(), agent.out, agent.err.count("\n")), (2, "", 1))
        self.assertIn("--pinn", agent.err)
        server = self.launchServer("--listen", "tcp:nowhere")
        self.assertEqual((server.ended(), server.err.count("\n")), (2, 1))
        self.assertIn("tcp:nowhere", server.err)

    def test_portTaken(self) -> None:
        """A gateway that cannot listen says on what, and ends with 1."""
        gateway = self.gateway()
        server = self.launchServer("--listen", f"tcp:{gateway.agents}:interface=127.0.0.1", "--state", "other")
        self.assertEqual(server.ended(), 1)
        self.assertIn(f"--listen tcp:{gateway.agents}", server.out + server.err)
