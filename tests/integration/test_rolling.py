"""One gateway after another on the same sockets, as systemd hands them out: visitors notice nothing."""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path

from websockets.sync.client import connect as webSocket

from tests.integration.components import LIMIT
from tests.integration.harness import Program
from tests.integration.services import PROGRAMS, nginx, python
from tests.integration.tunnel import Gateway, TunnelTestCase
from tests.integration.visitors import Hand, connect, curl

VISITORS = 25
"""Who ask all the time at each front."""
HALF = 3_000_000
"""Bytes of half a download."""
WAITS = "another gateway serves these sockets"


class RollingTestCase(TunnelTestCase):
    """Has the sockets that systemd would have."""

    def setUp(self) -> None:
        """Listen for agents and at two fronts."""
        super().setUp()
        self.sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
        for each in self.sockets:
            self.addCleanup(each.close)

    def activated(self, *options: str | Path) -> Gateway:
        """Start a gateway on them, and wait until it says that it is ready, or waits for its turn."""
        path = str(self.folder / "sockets")
        listen, https, http = (f"systemd:domain=INET:name={name}" for name in ("agents", "https", "http"))
        with socket.socket(socket.AF_UNIX) as place:
            place.bind(path)
            place.listen()
            place.settimeout(20)
            program = self.launchOurs(
                PROGRAMS / "activated.py", path, "--listen", listen, "--https", https, "--http", http, *options,
                DIGLETT_STATE=str(self.folder / "state"),
            )  # fmt: skip
            taker, _ = place.accept()
            socket.send_fds(taker, [b"x"], [each.fileno() for each in self.sockets])
            taker.close()
        Path(path).unlink()
        return Gateway(program, self.folder / "state", "localhost")

    def successor(self, *options: str | Path) -> Gateway:
        """Start one that has to wait."""
        gateway = self.activated(*options)
        gateway.program.waitFor(WAITS)
        return gateway

    def load(self, port: int, *ca: str | Path) -> Program:
        """Visitors who never stop asking."""
        program = self.launch(sys.executable, PROGRAMS / "load.py", "example.localhost", str(port), str(VISITORS), *ca)
        program.waitFor("^all are served$")
        return program

    def nothingLost(self, load: Program) -> int:
        """Ask them how it was; how many answers they had."""
        load.stop()
        self.assertRegex(load.out, r"(?m)^0 failures", str(load))
        return int(load.waitFor(r"^(\d+) answers")[1])


class RollingRestartTests(RollingTestCase):
    """A new gateway is started, then the old one is asked to stop."""

    def test_underLoad(self) -> None:
        """Of fifty visitors who ask all the time, over http and https, none misses an answer through three gateways."""
        gateway = self.activated()
        agent = self.agent(gateway, "-n", "example", nginx(self))
        agent.waitFor("^https://")
        loads = [self.load(gateway.http), self.load(gateway.https, gateway.ca)]
        for again in (1, 2):
            following = self.successor()
            gateway.program.send(signal.SIGTERM)
            self.assertEqual(gateway.program.ended(20), 0)
            agent.waitFor("^diglett: connected again$", again)
            following.program.waitFor(r"registered example\.localhost")
            gateway = following
        self.assertEqual(curl(self, gateway, gateway.url("example")).status, 200)
        for load in loads:
            self.assertGreater(self.nothingLost(load), VISITORS)

    def test_whatRuns(self) -> None:
        """A download, a WebSocket and a port's stream go on over the old gateway while the new one serves the next."""
        gateway = self.activated()
        hand = Hand(self)
        talk = str(python(self, "chat"))
        agent = self.agent(gateway, "-n", "example", str(hand.port), "-n", "chat", talk)
        agent.waitFor("^https://chat")
        visitor = connect(self, gateway.https, gateway.context())
        visitor.send(b"GET / HTTP/1.1\r\nHost: example.localhost\r\n\r\n")
        backend = hand.accept()
        backend.head()
        backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * HALF) + bytes(HALF))
        self.assertIn("HTTP/1.1 200 OK", visitor.head())
        stream = connect(self, gateway.listeningPort("example"))
        stream.send(b"to the end")
        raw = hand.accept()
        self.assertEqual(raw.read(10), b"to the end")
        plain = socket.create_connection(("127.0.0.1", gateway.http))
        self.addCleanup(plain.close)
        with webSocket(f"ws://chat.localhost:{gateway.http}/chat", sock=plain, compression=None) as chat:
            chat.send("before")
            self.assertEqual(chat.recv(LIMIT), "before")
            following = self.successor()
            gateway.program.send(signal.SIGTERM)
            agent.waitFor("^diglett: connected again$")
            other = connect(self, following.https, following.context())
            other.send(b"GET / HTTP/1.1\r\nHost: example.localhost\r\n\r\n")
            answering = hand.accept()
            answering.head()
            answering.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew")
            self.assertEqual(other.answer().body, b"new")
            chat.send("after")
            self.assertEqual(chat.recv(LIMIT), "after")
            self.assertTrue(gateway.program.running)
            backend.send(bytes(HALF))
            self.assertEqual(len(visitor.read(2 * HALF)), 2 * HALF)
            raw.send(b"the end")
            raw.finish()
            stream.finish()
            self.assertEqual(stream.rest(), b"the end")
        self.assertEqual(gateway.program.ended(10), 0)
        self.assertTrue(following.program.running)

    def test_standby(self) -> None:
        """When the one that serves dies without a word the next one takes over, and the agent comes there."""
        gateway = self.activated()
        agent = self.agent(gateway, "-n", "example", nginx(self))
        agent.waitFor("^https://")
        following = self.successor()
        gateway.program.kill()
        agent.waitFor("^diglett: connected again$")
        self.assertEqual(curl(self, following, following.url("example")).body, b"hello from nginx\n")

    def test_waitedInVain(self) -> None:
        """One that waits for its turn ends when it is asked to, and nobody notices."""
        gateway = self.activated()
        self.agent(gateway, "-n", "example", nginx(self)).waitFor("^https://")
        following = self.successor()
        self.assertEqual(following.program.stop(), 0)
        self.assertEqual(curl(self, gateway, gateway.url("example")).status, 200)
