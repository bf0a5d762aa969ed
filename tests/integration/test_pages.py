"""What visitors are told when the gateway has to answer itself: a page for people, JSON for programs."""

from __future__ import annotations

import socket

from tests.integration.components import freePort
from tests.integration.tunnel import Gateway, TunnelTestCase
from tests.integration.visitors import Hand, connect, curl


class PageTests(TunnelTestCase):
    """Each failure says which part failed."""

    def check(self, gateway: Gateway, status: int, code: str, part: str, name: str = "example") -> None:
        """See the same failure as a program and as a person, by either front."""
        for scheme in ("https", "http"):
            url = gateway.url(name, "/path", scheme)
            answer = curl(self, gateway, url)
            self.assertEqual((answer.status, answer.headers["content-type"]), (status, "application/json"))
            error = answer.document["error"]
            self.assertEqual((error["status"], error["code"], error["part"]), (status, code, part))
            self.assertEqual(answer.headers["cache-control"], "no-store")
            page = curl(self, gateway, url, "--header", "Accept: text/html,*/*;q=0.8")
            self.assertEqual((page.status, page.headers["content-type"]), (status, "text/html; charset=utf-8"))
            self.assertIn(str(status).encode(), page.body)
            self.assertIn(b"</html>", page.body)
            self.assertEqual("retry-after" in page.headers, status == 503)
            context = gateway.context() if scheme == "https" else None
            visitor = connect(self, getattr(gateway, scheme), context, f"{name}.localhost")
            for method in ("HEAD", "GET"):
                visitor.send(f"{method} / HTTP/1.1\r\nHost: {name}.localhost\r\n\r\n".encode())
                self.assertEqual(visitor.answer(method).status, status)

    def test_noName(self) -> None:
        """A name that is for bytes, not for HTTP."""
        gateway = self.gateway()
        self.agent(gateway, "--type", "tcp", "-n", "raw", "9").waitFor("^tcp://")
        self.check(gateway, 404, "no-such-name", "name", "raw")

    def test_starting(self) -> None:
        """A name that nobody has, when the gateway has just started and agents may be on their way back."""
        self.check(self.gateway(), 503, "starting", "agent", "nobody")

    def test_away(self) -> None:
        """A name whose agent has left."""
        gateway = self.gateway()
        agent = self.agent(gateway, "-n", "example", "9")
        agent.waitFor("^https://")
        agent.stop()
        self.check(gateway, 503, "agent-away", "agent")

    def test_refused(self) -> None:
        """A backend that is not there."""
        self.check(self.tunnel(freePort()), 502, "backend-refused", "backend")

    def test_nonsense(self) -> None:
        """A backend that speaks something else."""
        hand = Hand(self)
        gateway = self.tunnel(hand.port)
        with socket.create_connection(("127.0.0.1", gateway.http)) as visitor:
            visitor.sendall(b"GET / HTTP/1.1\r\nHost: example.localhost\r\n\r\n")
            hand.accept().send(b"220 mail.test ESMTP\r\n")
            self.assertRegex(visitor.recv(1000), b"^HTTP/1.1 502 ")

    def test_slow(self) -> None:
        """A backend that does not even take the connection, after ten seconds; the visitor can go on."""
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(full.close)
        for _ in range(2):  # one more than the queue has room for
            waiting = socket.socket()
            self.addCleanup(waiting.close)
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        gateway = self.tunnel(full.getsockname()[1])
        answer = curl(self, gateway, gateway.url("example"))
        self.assertEqual((answer.status, answer.document["error"]["part"]), (504, "backend"))
