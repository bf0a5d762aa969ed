"""HTTP word by word: the test is the visitor and, where it matters when something is said, the backend as well."""

from __future__ import annotations

from tests.integration.services import python
from tests.integration.tunnel import Gateway, TunnelTestCase
from tests.integration.visitors import Conversation, Hand, connect


def get(path: str, host: str = "example.localhost", *lines: str) -> bytes:
    """A request without a body."""
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", *lines, "", ""]).encode()


class KeptTests(TunnelTestCase):
    """Many requests on one connection."""

    def two(self) -> Gateway:
        """One agent with two names, and a site of its own for each."""
        gateway = self.gateway()
        sites = [str(python(self, "site", "waitress")) for _ in range(2)]
        agent = self.agent(gateway, "-n", "one", sites[0], "-n", "two", sites[1])
        agent.waitFor(r"^https://one\.localhost:\d+ -> \S+\nhttps://two\.localhost:\d+ -> \S+$")
        return gateway

    def test_pipelined(self) -> None:
        """Requests sent together are answered in their order, a slow one as well as the quick ones behind it."""
        gateway = self.tunnel(python(self, "site", "waitress"))
        for visitor in (connect(self, gateway.http), connect(self, gateway.https, gateway.context())):
            paths = ["/echo?1", "/stream", "/echo?2", "/missing", *(f"/echo?{number}" for number in range(3, 40))]
            visitor.send(b"".join(map(get, paths)))
            for path in paths:
                answer = visitor.answer()
                if path.startswith("/echo"):
                    self.assertEqual(answer.document["query"], path.partition("?")[2])
                else:
                    self.assertEqual((answer.status, len(answer.body)), (200, 8890) if path == "/stream" else (404, 8))

    def test_hosts(self) -> None:
        """Each request goes where its own Host says, whatever the one before it said on the same connection."""
        gateway = self.two()
        visitor = connect(self, gateway.http)
        for name in ("one", "two", "two", "one"):
            visitor.send(get("/echo", f"{name}.localhost"))
            self.assertEqual(visitor.answer().document["headers"]["host"], f"{name}.localhost")
        visitor.send(get("/", "ONE.Localhost.") + get("/", "three.example.org") + get("/echo", "two.localhost:80"))
        self.assertEqual([visitor.answer().status for _ in range(3)], [200, 404, 200])

    def test_misdirected(self) -> None:
        """Over TLS the Host must be the one that the connection was opened for; the next request may be right again."""
        gateway = self.two()
        visitor = connect(self, gateway.https, gateway.context(), "one.localhost")
        statuses = []
        for name in ("one", "two", "one"):
            visitor.send(get("/", f"{name}.localhost"))
            statuses.append(visitor.answer().status)
        self.assertEqual(statuses, [200, 421, 200])

    def test_old(self) -> None:
        """HTTP/1.0 is served, and closed unless it asks for more."""
        gateway = self.tunnel(python(self, "site", "waitress"))
        visitor = connect(self, gateway.http)
        visitor.send(b"GET / HTTP/1.0\r\nHost: example.localhost\r\nConnection: keep-alive\r\n\r\n")
        answer = visitor.answer()
        self.assertEqual((answer.body, answer.headers["connection"]), (b"hello from the site\n", "keep-alive"))
        visitor.send(b"GET / HTTP/1.0\r\nHost: example.localhost\r\n\r\n")
        self.assertEqual(visitor.answer().body, b"hello from the site\n")
        self.assertEqual(visitor.rest(), b"")

    def test_noHost(self) -> None:
        """A request that does not say for whom it is goes nowhere."""
        gateway = self.tunnel(python(self, "site", "waitress"))
        for request in (b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"):
            visitor = connect(self, gateway.http)
            visitor.send(request)
            self.assertEqual(visitor.answer().status, 400)


class StreamedTests(TunnelTestCase):
    """Nothing waits in between for what is not there yet."""

    def begin(
        self, *request: str, body: bytes = b"", secure: bool = False
    ) -> tuple[Conversation, Conversation, list[str]]:
        """Send a request; the visitor, the backend and the head that it has got."""
        hand = Hand(self)
        gateway = self.tunnel(hand.port)
        visitor = connect(self, *((gateway.https, gateway.context()) if secure else (gateway.http,)))
        visitor.send("\r\n".join([*request, "Host: example.localhost", "", ""]).encode() + body)
        backend = hand.accept()
        return visitor, backend, [line.lower() for line in backend.head()]

    def test_continue(self) -> None:
        """100 Continue is the backend's to say: the visitor hears it before it has sent a byte of the body."""
        for secure in (False, True):
            visitor, backend, head = self.begin(
                "POST / HTTP/1.1", "Content-Length: 5", "Expect: 100-continue", secure=secure
            )
            self.assertIn("expect: 100-continue", head)
            backend.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.assertEqual(visitor.head(), ["HTTP/1.1 100 Continue"])
            visitor.send(b"hello")
            self.assertEqual(backend.read(5), b"hello")
            backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            self.assertEqual(visitor.answer("POST").body, b"ok")

    def test_notContinue(self) -> None:
        """A backend may as well refuse before the body was sent."""
        visitor, backend, _ = self.begin("POST / HTTP/1.1", "Content-Length: 5", "Expect: 100-continue")
        backend.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        answer = visitor.answer("POST")
        self.assertEqual((answer.status, answer.body), (413, b"no"))
        self.assertEqual(visitor.rest(), b"")

    def test_hints(self) -> None:
        """Early hints go through, in front of the answer."""
        visitor, backend, _ = self.begin("GET / HTTP/1.1")
        backend.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
        self.assertEqual(visitor.head(), ["HTTP/1.1 103 Early Hints", "Link: </style.css>; rel=preload"])
        backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        self.assertEqual(visitor.answer().body, b"ok")

    def test_upload(self) -> None:
        """The first part of an upload arrives before the second is sent; so does the answer's, while it goes on."""
        for framing in ("Content-Length: 10", "Transfer-Encoding: chunked"):
            chunked = "chunked" in framing
            wrap = (lambda data: b"%x\r\n%b\r\n" % (len(data), data)) if chunked else bytes
            visitor, backend, _ = self.begin("PUT / HTTP/1.1", framing, body=wrap(b"first"))
            self.assertEqual(backend.read(len(wrap(b"first"))), wrap(b"first"))
            backend.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
            self.assertEqual(visitor.head()[0], "HTTP/1.1 200 OK")
            self.assertEqual(visitor.read(8), b"3\r\none\r\n")
            visitor.send(wrap(b"after") + (b"0\r\n\r\n" if chunked else b""))
            self.assertEqual(backend.read(len(wrap(b"after"))), wrap(b"after"))
            backend.send(b"3\r\ntwo\r\n0\r\n\r\n")
            self.assertEqual(visitor.read(13), b"3\r\ntwo\r\n0\r\n\r\n")

    def test_trailers(self) -> None:
        """Trailers go through in both directions."""
        visitor, backend, head = self.begin(
            "POST / HTTP/1.1", "Transfer-Encoding: chunked", "TE: trailers", "Trailer: Checksum",
            body=b"2\r\nhi\r\n0\r\nChecksum: 17\r\n\r\n",
        )  # fmt: skip
        self.assertIn("te: trailers", head)
        self.assertEqual(backend.read(26), b"2\r\nhi\r\n0\r\nChecksum: 17\r\n\r\n")
        backend.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n")
        backend.send(b"2\r\nok\r\n0\r\nSum: 4\r\n\r\n")
        self.assertIn("Trailer: Sum", visitor.head())
        self.assertEqual(visitor.read(20), b"2\r\nok\r\n0\r\nSum: 4\r\n\r\n")

    def test_cutOff(self) -> None:
        """An answer that stops in the middle never looks like a whole one."""
        visitor, backend, _ = self.begin("GET / HTTP/1.1")
        backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        self.assertEqual(visitor.head()[0], "HTTP/1.1 200 OK")
        self.assertEqual(visitor.read(4), b"half")
        backend.socket.close()
        self.assertRaises(ConnectionResetError, visitor.rest)

    def test_agentDies(self) -> None:
        """Nor does one whose agent dies in the middle, and the backend's connection ends as well."""
        for secure in (False, True):
            for framing in (b"Content-Length: 10", b"Transfer-Encoding: chunked", b"X: until the end"):
                visitor, backend, _ = self.begin("GET / HTTP/1.1", secure=secure)
                backend.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n5\r\nhalf!")
                visitor.head()
                self.assertEqual(visitor.read(5)[:1], b"8" if framing.startswith(b"X") else b"5")
                self.programs[-1].kill()
                self.assertRaises(OSError, visitor.rest)
                self.assertEqual(backend.some(), b"")

    def test_untilClose(self) -> None:
        """The end of an answer that only closing tells is told to the visitor in a way that cannot be mistaken."""
        visitor, backend, _ = self.begin("GET / HTTP/1.1")
        backend.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        backend.finish()
        answer = visitor.answer()
        self.assertEqual((answer.headers["transfer-encoding"], answer.body), ("chunked", b"all of it"))

    def test_visitorLeaves(self) -> None:
        """A backend learns that the visitor has gone while it was still answering."""
        visitor, backend, _ = self.begin("GET / HTTP/1.1")
        backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        visitor.head()
        visitor.reset()
        self.assertRaises(ConnectionResetError, backend.rest)
