"""Version 1 between real processes: our agent and our gateway, and either of them with a partner of the original."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import trustme

from diglett.wire.frames import HEADER, Kind, encodeFrame
from diglett.wire.v1.cipher import KeyPair
from diglett.wire.v1.exchange import PREFACE_SIZE, KeyExchange
from diglett.wire.v1.mux import LINGERING_MAX, UNDELIVERED_MAX
from tests.integration import test_backends, test_bulk, test_conversations, test_http, test_ports, test_sockets
from tests.integration.harness import Program
from tests.integration.programs.bulk import checksum
from tests.integration.services import nginx, python
from tests.integration.tunnel import SERVER, Gateway, TunnelTestCase
from tests.integration.visitors import Conversation, Hand, connect, curl
from tests.wire.v1.recorded import AGENT, GATEWAY, Cryptographer, gatewayPair

SIZE = 100_000_000
STREAMS = 50
WARNING = r"version 1 of the protocol does not prove"
UP = r"^example\.localhost -> localhost:\d+$"


class V1TestCase(TunnelTestCase):
    """A gateway that allows version 1, and agents that use it."""

    def gateway(self, *options: str | Path, **more: Any) -> Gateway:
        """Start a gateway that allows it."""
        return super().gateway("--allow-v1", *options, **more)

    def agent(self, gateway: Gateway | None, *words: str | Path, **more: Any) -> Program:
        """Start an agent that uses it, and that cannot ask for a type."""
        kept = [word for place, word in enumerate(words) if "--type" not in (word, *words[max(0, place - 1) : place])]
        return super().agent(gateway, "--protocol", "v1", *kept, **more)


class SiteTests(V1TestCase, test_http.SiteTests):
    """Sites, as over version 2."""


class UploadTests(V1TestCase, test_http.UploadTests):
    """Uploads, as over version 2."""


class DynamicTests(V1TestCase, test_http.DynamicTests):
    """Answers made on the way, as over version 2."""


class KeptTests(V1TestCase):
    """Many requests on one connection, as over version 2."""

    test_pipelined = test_conversations.KeptTests.test_pipelined
    test_old = test_conversations.KeptTests.test_old


class StreamedTests(V1TestCase):
    """Nothing waits in between, as over version 2; only that a visitor is gone cannot be told from a good end."""

    begin = test_conversations.StreamedTests.begin
    test_continue = test_conversations.StreamedTests.test_continue
    test_notContinue = test_conversations.StreamedTests.test_notContinue
    test_hints = test_conversations.StreamedTests.test_hints
    test_upload = test_conversations.StreamedTests.test_upload
    test_trailers = test_conversations.StreamedTests.test_trailers
    test_cutOff = test_conversations.StreamedTests.test_cutOff
    test_untilClose = test_conversations.StreamedTests.test_untilClose


class WebSocketTests(V1TestCase, test_sockets.WebSocketTests):
    """WebSockets, as over version 2."""


class EventTests(V1TestCase, test_sockets.EventTests):
    """Server-sent events, as over version 2."""


class SshTests(V1TestCase):
    """OpenSSH, whose server speaks first, as over version 2."""

    test_command = test_ports.SshTests.test_command
    test_files = test_ports.SshTests.test_files


class BackendTests(V1TestCase):
    """Backends that are no plain port, as over version 2."""

    test_unix = test_backends.BackendTests.test_unix

    def test_tls(self) -> None:
        """A backend that speaks TLS, and is not verified."""
        authority = trustme.CA()
        leaf = self.folder / "leaf.pem"
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(leaf))
        port = nginx(self, more=f"ssl_certificate {leaf}; ssl_certificate_key {leaf};").rpartition(":")[2]
        gateway = self.tunnel(f"https://localhost:{port}", "--backend-insecure")
        self.assertEqual(curl(self, gateway, gateway.url("example")).body, b"hello from nginx\n")

    def test_folder(self) -> None:
        """A folder, with a file that is larger than any buffer."""
        shared = self.folder / "shared"
        shared.mkdir()
        (shared / "large").write_bytes(os.urandom(30_000_000))
        gateway = self.tunnel(shared)
        self.assertEqual(curl(self, gateway, gateway.url("example", "/large")).body, (shared / "large").read_bytes())


class BulkTests(V1TestCase):
    """A lot of bytes, and of streams."""

    def test_down(self) -> None:
        """A large download through the listening port arrives whole."""
        self.patch(test_bulk, "SIZE", SIZE)
        test_bulk.LargeTests.test_portDown(self)  # type: ignore[arg-type]

    def test_https(self) -> None:
        """A large download by https from nginx, and an upload to it, with curl."""
        self.patch(test_bulk, "SIZE", SIZE)
        test_bulk.LargeTests.test_https(self)  # type: ignore[arg-type]

    def test_many(self) -> None:
        """Streams at a time, read in turns, each with bytes of its own."""
        port = self.tunnel(python(self, "bulk")).listeningPort("example")
        visitors = [connect(self, port) for _ in range(STREAMS)]
        for seed, visitor in enumerate(visitors):
            visitor.send(b"down 1000000 %d\n" % seed)
        digests = [hashlib.sha256() for _ in visitors]
        for _ in range(10):
            for digest, visitor in zip(digests, visitors):
                digest.update(visitor.read(100_000))
        for seed, (digest, visitor) in enumerate(zip(digests, visitors)):
            self.assertEqual((digest.hexdigest(), visitor.rest()), (checksum(1_000_000, seed), b""))


class EndTests(V1TestCase):
    """How connections end, where version 1 is different."""

    def setUp(self) -> None:
        """Play the backend."""
        super().setUp()
        self.hand = Hand(self)

    def pair(self) -> tuple[Conversation, Conversation]:
        """A visitor, and the backend's end of its connection."""
        self.house = self.tunnel(self.hand.port)
        return connect(self, self.house.listeningPort("example")), self.hand.accept()

    def test_visitorFinishes(self) -> None:
        """The backend does not learn that a visitor sends no more; the visitor hears everything all the same."""
        visitor, backend = self.pair()
        visitor.send(b"question")
        visitor.finish()
        self.assertEqual(backend.read(8), b"question")
        backend.socket.settimeout(0.5)
        self.assertRaises(TimeoutError, backend.socket.recv, 1)
        backend.send(b"answer" * 500_000)
        backend.socket.close()
        self.assertEqual(visitor.rest(), b"answer" * 500_000)

    def test_backendFinishes(self) -> None:
        """When a backend sends no more it is over, in good order; it still gets what was on its way."""
        visitor, backend = self.pair()
        visitor.send(b"question" * 50_000)
        backend.send(b"welcome")
        backend.finish()
        self.assertEqual(visitor.rest(), b"welcome")
        self.assertTrue((b"question" * 50_000).startswith(backend.rest()))

    def test_resets(self) -> None:
        """A reset at the visitor's side ends the backend's connection, and the other way round."""
        visitor, backend = self.pair()
        visitor.reset()
        self.assertEqual(backend.rest(), b"")
        visitor, backend = connect(self, self.house.listeningPort("example")), self.hand.accept()
        backend.reset()
        self.assertEqual(visitor.rest(), b"")

    def test_leaving(self) -> None:
        """Visitors who leave without a word look like some who wait: a few are kept, for all others it is over."""
        gateway = self.gateway()
        agent = self.agent(gateway, "-n", "example", nginx(self))
        agent.waitFor(" -> ")
        port = gateway.listeningPort("example")
        for _ in range(LINGERING_MAX + 200):
            visitor = connect(self, port)
            visitor.send(b"GET / HTTP/1.1\r\nHost: example.localhost\r\n\r\n")
            self.assertEqual(visitor.answer().status, 200)
            visitor.socket.close()
        descriptors = Path(f"/proc/{agent.pid}/fd")
        self.until("the others are gone", lambda: len(list(descriptors.iterdir())) < LINGERING_MAX + 50)
        self.assertGreater(len(list(descriptors.iterdir())), LINGERING_MAX)
        gateway.program.kill()  # lest the agent lets them finish

    def test_refused(self) -> None:
        """A backend that is not there is a visit that ends at once, and a page that says so."""
        self.hand.close()
        gateway = self.tunnel(self.hand.port)
        self.assertEqual(connect(self, gateway.listeningPort("example")).rest(), b"")
        self.assertEqual(curl(self, gateway, gateway.url("example")).status, 502)

    def test_stalled(self) -> None:
        """A visitor who does not read is dropped, at little cost; his neighbour never notices."""
        visitor, backend = self.pair()
        pid = self.house.program.pid
        before = _resident(pid)
        neighbour, other = connect(self, self.house.listeningPort("example")), self.hand.accept()
        done = threading.Event()

        def flood() -> None:
            try:
                while True:
                    backend.socket.sendall(bytes(65_536))
            except OSError:
                done.set()

        flooding = threading.Thread(target=flood)
        flooding.start()
        longest = 0.0
        while not done.is_set():
            began = time.monotonic()
            neighbour.send(b"still there?\n")
            other.send(other.line())
            self.assertEqual(neighbour.line(), b"still there?\n")
            longest = max(longest, time.monotonic() - began)
        flooding.join()
        self.assertLess(longest, 2)
        self.assertLess(_resident(pid) - before, 4 * UNDELIVERED_MAX)
        with self.assertRaises(ConnectionResetError):
            while visitor.some():
                pass


def _resident(pid: int) -> int:
    """What a process has in memory, bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class StatusTests(V1TestCase):
    """What people see."""

    def test_lines(self) -> None:
        """Both ends warn in one line; the agent's line tells where the name is likely to be; no more is said."""
        gateway = self.gateway()
        gateway.program.waitFor(f"^diglett-server: warning: --allow-v1 is on, and {WARNING}.*$")
        agent = self.agent(gateway, "-n", "example", "9")
        self.assertEqual(agent.waitFor(UP)[0], "example.localhost -> localhost:9")
        self.assertRegex(agent.err, f"^diglett: warning: {WARNING}[^\n]*\n$")
        self.assertEqual(len(agent.out.splitlines()), 1)

    def test_silent(self) -> None:
        """Whoever does not use it is not warned, and does not speak it."""
        gateway = TunnelTestCase.gateway(self)
        self.assertNotIn("version 1", gateway.program.out + gateway.program.err)
        agent = self.agent(gateway, "--once", "-n", "example", "9")
        self.assertEqual(agent.ended(), 1)
        self.assertRegex(agent.err, r"does not answer in version 1 \(does it allow that\?\)")
        other = TunnelTestCase.agent(self, gateway, "-n", "example", "9")
        other.waitFor("^https://")
        self.assertEqual(other.err, "")

    def test_refused(self) -> None:
        """What is refused for good ends the agent with status 3, what is not understood with 2."""
        gateway = self.gateway()
        for words, environment, status, said in (
            (("-n", "www", "9"), {}, 3, "not authorized to use this domain: the name www is reserved"),
            (("-n", "example", "9"), {"DIGLETT_TOKEN": "wrong"}, 3, "authentication error: invalid token"),
            (("--pin", "sha256:AAAA", "-n", "example", "9"), {}, 2, "pin is of no use with protocol v1"),
            (("-n", "one", "1", "-n", "two", "2"), {}, 2, "one name, not 2"),
        ):
            agent = self.agent(gateway, *words, **environment)
            self.assertEqual(agent.ended(), status)
            self.assertIn(said, agent.err)
            self.assertEqual(agent.out, "")

    def test_notInstalled(self) -> None:
        """Without the package that it needs, both say what to install, and exit with status 2."""
        without = "import sys; sys.modules['coincurve'] = None; "
        server = self.launchOurs("-c", without + SERVER, "--allow-v1")
        agent = self.launchOurs(
            "-c", without + "from diglett.cli import main; sys.exit(main())",
            "-g", "localhost:9", "--protocol", "v1", "9",
        )  # fmt: skip
        for program in (server, agent):
            self.assertEqual(program.ended(), 2)
            self.assertIn("pip install 'diglett[protocol-v1]'", program.err)

    def test_stops(self) -> None:
        """Asked to stop, either ends with status 0, and the agent's name is withdrawn."""
        gateway = self.gateway()
        agent = self.agent(gateway, "-n", "example", "9")
        agent.waitFor(UP)
        agent.send(signal.SIGTERM)
        self.assertEqual(agent.ended(5), 0)
        gateway.program.waitFor(r"withdrawn example\.localhost")
        again = self.agent(gateway, "-n", "example", "9")
        again.waitFor(UP)
        gateway.program.send(signal.SIGTERM)
        self.assertEqual(gateway.program.ended(5), 0)
        again.waitFor(r"^diglett: lost localhost:\d+: the other side closed the link; reconnecting$")

    def test_killed(self) -> None:
        """When an agent dies, its name is free at once."""
        gateway = self.gateway()
        first = self.agent(gateway, "-n", "example", nginx(self))
        first.waitFor(" -> ")
        first.kill()
        gateway.program.waitFor(r"withdrawn example\.localhost")
        self.assertEqual(curl(self, gateway, gateway.url("example")).status, 503)

    def test_both(self) -> None:
        """Agents of both versions use one port at the same time."""
        gateway = self.gateway()
        backend = nginx(self)
        self.agent(gateway, "-n", "old", backend).waitFor(" -> ")
        TunnelTestCase.agent(self, gateway, "-n", "new", backend).waitFor("^https://")
        for name in ("old", "new"):
            self.assertEqual(curl(self, gateway, gateway.url(name)).body, b"hello from nginx\n")


class Wire:
    """A socket on which somebody of the original speaks: Nagle's algorithm is on, header and payload go one by one."""

    def __init__(self, connection: socket.socket, pair: KeyPair, first: bool) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        connection.settimeout(30)
        self.socket = connection
        exchange = KeyExchange(pair)
        if first:
            connection.sendall(exchange.preface)
        self.preface = self._exactly(PREFACE_SIZE)
        material = exchange.receive(self.preface)
        assert material is not None
        if not first:
            connection.sendall(exchange.preface)
        self._outgoing, self._incoming = Cryptographer(material), Cryptographer(material)

    def say(self, kind: int, id: int = 0, payload: bytes = b"") -> None:
        """Send a frame."""
        encrypted = self._outgoing.apply(encodeFrame(kind, id, payload))
        self.socket.sendall(encrypted[:7])
        if payload:
            self.socket.sendall(encrypted[7:])

    def hear(self) -> tuple[int, int, bytes]:
        """The next frame."""
        kind, id, size = HEADER.unpack(self._incoming.apply(self._exactly(7)))
        return kind, id, self._incoming.apply(self._exactly(size))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data


class OriginalAgentTests(V1TestCase):
    """An agent of the original at our gateway."""

    def setUp(self) -> None:
        """Connect."""
        super().setUp()
        self.house = self.gateway("--auth", "open")
        self.wire = self.connect()

    def connect(self) -> Wire:
        """Another agent."""
        connection = socket.create_connection(("127.0.0.1", self.house.agents), 30)
        self.addCleanup(connection.close)
        return Wire(connection, KeyPair(), True)

    def enter(self) -> None:
        """The recorded handshake."""
        for said, heard in zip(AGENT.frames[:2], GATEWAY.frames):
            self.wire.say(said.kind, said.id, said.payload)
            self.assertEqual(self.wire.hear(), (heard.kind, heard.id, heard.payload))
        self.wire.say(Kind.FINISH_REGISTER)
        self.house.program.waitFor(r"is connected: example\.localhost")

    def test_visited(self) -> None:
        """The recorded visit, by the port and by both fronts."""
        self.enter()
        question, answer = GATEWAY.frames[2].payload, AGENT.frames[3].payload
        visitor = connect(self, self.house.listeningPort("example"))
        self.assertEqual(self.wire.hear(), (Kind.PAYLOAD, 1, b""))
        visitor.send(question)
        self.assertEqual(self.wire.hear(), (Kind.PAYLOAD, 1, question))
        self.wire.say(Kind.PAYLOAD, 1, answer)
        self.wire.say(Kind.CLOSE, 1)
        self.assertEqual(visitor.rest(), answer)
        for id, (port, context) in enumerate(((self.house.http, None), (self.house.https, self.house.context())), 2):
            visitor = connect(self, port, context)
            visitor.send(b"GET / HTTP/1.1\r\nHost: example.localhost\r\n\r\n")
            self.assertEqual(self.wire.hear(), (Kind.PAYLOAD, id, b""))
            self.assertEqual(self.wire.hear()[2][:16], b"GET / HTTP/1.1\r\n")
            self.wire.say(Kind.PAYLOAD, id, answer)
            self.assertEqual(visitor.answer().body, b"hi\n")
            self.assertEqual(self.wire.hear(), (Kind.CLOSE, id, b""))  # HTTP/1.0 has no second request

    def test_prompt(self) -> None:
        """Its frames, in two segments each, are not held back by its own kernel: ours acknowledges at once."""
        self.enter()
        visitor = connect(self, self.house.listeningPort("example"))
        self.wire.hear()
        times = []
        for number in range(60):  # a new connection is acknowledged promptly anyway
            visitor.send(b"?")
            self.assertEqual(self.wire.hear()[2], b"?")
            began = time.monotonic()
            self.wire.say(Kind.PAYLOAD, 1, b"%2d\n" % number)
            self.assertEqual(visitor.line(), b"%2d\n" % number)
            times.append(time.monotonic() - began)
        self.assertLess(sorted(times[30:])[15], 0.03)

    if sys.platform != "linux":
        test_prompt.skip = "only Linux acknowledges on demand"  # type: ignore[attr-defined]

    def test_refused(self) -> None:
        """What the original refuses is refused in its words, then the connection is closed."""
        login, register = (Kind.LOGIN, 0, b"s3cret"), (Kind.REGISTER, 0, b"example")
        for words, text in (
            ([(Kind.LOGIN, 0, b"fail")], b"authentication error: invalid token"),
            ([register], b"received unexpected message"),
            ([login, (Kind.PAYLOAD, 5, b"early")], b"received unexpected message"),
            ([login, register, register], b"only one name registration is allowed"),
        ):
            wire = self.connect()
            for word in words:
                wire.say(*word)
            for _ in words[:-1]:
                self.assertEqual(wire.hear(), (Kind.OK, 0, b""))
            self.assertEqual(wire.hear(), (Kind.ERROR, 0, text))
            self.assertRaises(EOFError, wire.hear)

    def test_strangers(self) -> None:
        """Bad magic, a bad version and a bad key are closed without a word, in good order."""
        good = AGENT.preface
        for data in (b"DIGL" + good[4:], good[:4] + b"\x02" + good[5:], good[:5] + bytes(33)):
            stranger = connect(self, self.house.agents)
            stranger.send(data)
            self.assertEqual(stranger.rest(), b"")


class OriginalGatewayTests(V1TestCase):
    """Our agent at a gateway of the original."""

    def setUp(self) -> None:
        """Listen."""
        super().setUp()
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listening.settimeout(30)
        self.addCleanup(self.listening.close)
        self.hand = Hand(self)
        port = self.listening.getsockname()[1]
        self.ours = self.agent(
            None, "-g", f"localhost:{port}", "-n", "example", str(self.hand.port), DIGLETT_TOKEN="s3cret"
        )

    def accept(self) -> Wire:
        """The agent comes, with the recorded words."""
        connection, _ = self.listening.accept()
        self.addCleanup(connection.close)
        wire = Wire(connection, gatewayPair(), False)
        for heard, said in zip(AGENT.frames[:3], (*GATEWAY.frames[:2], None)):
            self.assertEqual(wire.hear(), (heard.kind, heard.id, heard.payload))
            if said is not None:
                wire.say(said.kind, said.id, said.payload)
        return wire

    def test_visited(self) -> None:
        """The recorded visit, whose id is a visitor's port; and its port comes again."""
        wire = self.accept()
        self.assertEqual(self.ours.waitFor(" -> .*$")[0], f" -> localhost:{self.hand.port}")
        question, answer = GATEWAY.frames[2].payload, AGENT.frames[3].payload
        for _ in range(2):
            wire.say(Kind.PAYLOAD, 33385, question)
            backend = self.hand.accept()
            self.assertEqual(backend.read(len(question)), question)
            backend.send(answer)
            self.assertEqual(wire.hear(), (Kind.PAYLOAD, 33385, answer))
            wire.say(Kind.CLOSE, 33385)
            self.assertEqual(backend.rest(), b"")

    def test_late(self) -> None:
        """What is late for a connection that the backend has closed opens no other one."""
        wire = self.accept()
        wire.say(Kind.PAYLOAD, 33385, b"question")
        self.hand.accept().socket.close()
        self.assertEqual(wire.hear(), (Kind.CLOSE, 33385, b""))
        wire.say(Kind.PAYLOAD, 33385, b"late")
        wire.say(Kind.PAYLOAD, 33386, b"another")
        backend = self.hand.accept()
        self.assertEqual(backend.read(7), b"another")

    def test_lost(self) -> None:
        """A gateway that goes away is waited for, with the same lines as any other link."""
        wire = self.accept()
        self.ours.waitFor(" -> ")
        wire.socket.close()
        self.ours.waitFor(r"^diglett: lost localhost:\d+: .*; reconnecting$")
        self.accept()
        self.ours.waitFor("^diglett: connected again$")
        self.assertEqual(len(self.ours.out.splitlines()), 1)

    def test_refused(self) -> None:
        """Its refusal is told, and is the end."""
        connection, _ = self.listening.accept()
        wire = Wire(connection, gatewayPair(), False)
        wire.hear()
        wire.say(Kind.ERROR, 0, b"authentication error: invalid token")
        self.assertEqual(self.ours.ended(), 3)
        self.assertIn("authentication error: invalid token", self.ours.err)
        connection.close()
