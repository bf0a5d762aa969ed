"""Strangers at the gateway's doors: whatever they send, it is their own trouble, and told once with their address."""

from __future__ import annotations

import os
import ssl
import struct
from collections.abc import Callable

from tests.integration.services import python
from tests.integration.tunnel import TunnelTestCase
from tests.integration.visitors import Conversation, connect, curl


class StrangerTests(TunnelTestCase):
    """A tunnel that works, before and after each visit."""

    def setUp(self) -> None:
        """Start it."""
        super().setUp()
        self.house = self.tunnel(python(self, "site", "waitress"))

    def knock(self, port: int, data: bytes, context: ssl.SSLContext | None = None) -> tuple[bytes, str]:
        """Send this to a port: what comes back until the end, and the address it was sent from."""
        visitor = connect(self, port, context, "localhost")
        address = "{} {}".format(*visitor.socket.getsockname())
        try:
            visitor.send(data)
            answer = visitor.rest()
        except OSError:
            answer = b""
        visitor.socket.close()
        return answer, address

    def well(self) -> None:
        """See that nobody else has noticed."""
        for scheme in ("https", "http"):
            self.assertEqual(curl(self, self.house, self.house.url("example", "/", scheme)).status, 200)

    def told(self, addresses: list[str]) -> None:
        """See that the log has one line about the first of these visits; those soon after it from there are hushed."""
        self.house.program.waitFor(f"{addresses[0]}: ")
        for address in addresses:
            self.assertLessEqual(self.house.program.out.count(address), 1, self.house.program.out)

    def agentContext(self) -> ssl.SSLContext:
        """TLS as agents speak it."""
        context = self.house.context()
        context.set_alpn_protocols(["diglett/2"])
        return context

    def test_noTls(self) -> None:
        """Plain HTTP, noise and nothing at all, where agents connect."""
        words = (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(100_000), b"SSH-2.0-OpenSSH_9.2p1\r\n")
        self.told([self.knock(self.house.agents, data)[1] for data in words])
        self.well()

    def test_notAgent(self) -> None:
        """A browser's TLS where agents connect is closed without a word."""
        context = self.house.context()
        answer, address = self.knock(self.house.agents, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", context)
        self.assertEqual(answer, b"")
        self.told([address])
        self.well()

    def test_badHandshakes(self) -> None:
        """Agents that break the rules in their first words, at both doors: an error with its code, then the end."""
        preface = b"digl\x02" + struct.pack(">H", 2) + b"{}"
        addresses = []
        for words, code in (
            (b"GET / HTTP/1.1\r\n\r\n", b"protocol"),
            (b"digl\x09\x00\x02{}", b"version"),
            (b"digl\x02\xff\xff" + b"x" * 65_535, b"protocol"),
            (b"digl\x02\x00\x02[]", b"protocol"),
            (preface + struct.pack(">BIH", 7, 0, 65_529) + b"x" * 65_529, b"protocol"),
            (preface + struct.pack(">BIH", 40, 0, 0), b"protocol"),
            (preface + struct.pack(">BIH", 4, 1, 3) + b"abc", b"protocol"),
            (preface + struct.pack(">BIH", 3, 0, 0), b"protocol"),
            (preface + struct.pack(">BIH", 7, 0, 2) + b"{}", b"protocol"),
        ):
            for port in (self.house.agents, self.house.https):
                answer, address = self.knock(port, words, self.agentContext())
                if words.startswith(b"digl"):
                    self.assertIn(b'"code":"%b"' % code, answer.replace(b": ", b":"), words[:20])
                addresses.append(address)
        self.told(addresses)
        self.well()

    def test_halfway(self) -> None:
        """Connections that end at any point of a handshake leave nothing behind."""
        preface = b"digl\x02" + struct.pack(">H", 2) + b"{}"
        ends: tuple[Callable[[Conversation], None], ...] = (Conversation.reset, lambda each: each.socket.close())
        for end in ends:
            for words in (b"", b"d", b"digl\x02", preface, preface + b"\x07\x00\x00"):
                visitor = connect(self, self.house.agents, self.agentContext(), "localhost")
                visitor.send(words)
                end(visitor)
            for words in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"):
                for port in (self.house.agents, self.house.https):
                    visitor = connect(self, port)
                    visitor.send(words)
                    end(visitor)
        self.well()

    def test_crowd(self) -> None:
        """Many connections that say nothing do not keep out those who do, neither visitors nor agents."""
        for port in (self.house.https, self.house.http):
            for _ in range(300):
                connect(self, port)
        for _ in range(50):
            connect(self, self.house.agents)
        self.well()

    def test_badRequests(self) -> None:
        """Requests that could mean two things get 400 and a closed connection, and no backend sees them."""
        host = b"Host: example.localhost\r\n"
        for request in (
            b"GET / HTTP/1.1\r\n" + host + b"Host: other.localhost\r\n\r\n",
            b"POST / HTTP/1.1\r\n" + host + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\n" + host + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
            b"POST / HTTP/1.1\r\n" + host + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + host + b"X: a\r\n b\r\n\r\n",
            b"GET / HTTP/1.1\n" + host.replace(b"\r", b"") + b"\n",
            b"GET http://other.localhost/ HTTP/1.1\r\n" + host + b"\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        ):
            visitor = connect(self, self.house.http)
            visitor.send(request)
            self.assertEqual(visitor.answer().status, 400, request)
            self.assertEqual(visitor.rest(), b"")
        visitor = connect(self, self.house.http)
        visitor.send(b"GET / HTTP/1.1\r\n" + host + b"X: " + b"x" * 100_000 + b"\r\n\r\n")
        self.assertEqual(visitor.answer().status, 431)
        self.well()
