"""The HTTPS port: agents, visitors whose TLS ends here, visitors whose TLS is passed through, and nonsense."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from OpenSSL import SSL

from diglett.gateway.crowd import VisitorLimits
from diglett.testing import memoryCredentials
from diglett.trust.client import GatewayTrust
from diglett.trust.server import ServerContexts
from tests.gateway.housekeeping import GET, OK, HouseTestCase
from tests.gateway.ingress.rig import Visitor
from tests.gateway.people import HTTPS
from tests.trust.shaking import anyClient

FAR = "192.0.2.7"


class Browser:
    """A visitor who speaks TLS, wants this name and offers these protocols; perhaps one who was here before."""

    def __init__(
        self,
        house: Any,
        name: str | None,
        alpn: tuple[bytes, ...] = (b"http/1.1",),
        host: str = FAR,
        version: int | None = None,
        before: Browser | None = None,
    ) -> None:
        self._house = house
        self.raw = house.dial(HTTPS, host)
        connection = anyClient(name, list(alpn), version)
        if before is not None:
            connection = SSL.Connection(before.tls.connection.get_context(), None)
            connection.set_connect_state()
            connection.set_tlsext_host_name((name or "").encode())
            connection.set_alpn_protos(list(alpn))
            connection.set_session(before.tls.connection.get_session())
        self.tls = house.plane.tls(self.raw, connection)
        self.end = Visitor(self.tls)
        self.shaken: list[Exception | None] = []
        self.tls.handshake(self.shaken.append)
        house.plane.pump()

    def say(self, data: bytes) -> None:
        self.end.send(data)
        self._house.plane.pump()

    @property
    def closed(self) -> bool:
        """Whether the gateway has ended it, in the handshake or later."""
        return self.end.closed or self.shaken not in ([], [None])

    @property
    def heard(self) -> bytes:
        return bytes(self.end.received)


class TLSTestCase(HouseTestCase):
    """A house with an http name and, if asked for, one of type tls."""

    visitors = VisitorLimits()

    def setUp(self) -> None:
        self.hands = []
        self.build(visitors=self.visitors)
        self.backends = self.house.backend()
        self.agent("example")

    def seal(self, name: str = "sealed") -> Any:
        """A name whose TLS ends behind its agent; what arrives there."""
        behind = self.house.backend(9_443)
        self.agent(name, type="tls", backends=(9_443,))
        return behind


class TerminatedTests(TLSTestCase):
    """TLS ends at the gateway."""

    def test_request(self) -> None:
        """A request comes out at the name of its SNI and Host, told to have come by https."""
        browser = Browser(self.house, "example.gateway.com")
        browser.say(GET % b"example")
        self.assertIn(b"X-Forwarded-Proto: https", bytes(self.backends[0].received))
        self.assertIn(b"X-Forwarded-For: 192.0.2.7", bytes(self.backends[0].received))
        self.backends.say(0, OK)
        self.assertEqual(browser.heard, OK)

    def test_anotherHost(self) -> None:
        """SNI for one name and Host for another is refused, on the first request and on every later one."""
        self.agent("other", token="bob")
        browser = Browser(self.house, "other.gateway.com")
        browser.say(GET % b"example")
        self.assertTrue(browser.heard.startswith(b"HTTP/1.1 421 "))
        self.assertEqual(len(self.backends), 0)
        for host in (b"EXAMPLE", b"example.gateway.com:443\r\nX: a"):
            browser.say(GET % host)
        self.assertEqual(len(self.backends), 0)

    def test_spellings(self) -> None:
        """SNI in capitals is the same name; an address in it, which is none, obliges to nothing."""
        for name in ("EXAMPLE.gateway.com", "192.0.2.1", None):
            browser = Browser(self.house, name)
            browser.say(GET % b"example")
        self.assertEqual(len(self.backends), 3)

    def test_http2(self) -> None:
        """A client that would rather speak HTTP/2 is given HTTP/1.1; one that speaks nothing else is not understood."""
        browser = Browser(self.house, "example.gateway.com", (b"h2", b"http/1.1"))
        self.assertEqual(browser.tls.connection.get_alpn_proto_negotiated(), b"http/1.1")
        only = Browser(self.house, "example.gateway.com", (b"h2",))
        only.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.assertTrue(only.heard.startswith(b"HTTP/1.1 505 "), only.heard[:30])
        self.assertTrue(only.closed)

    def test_plain(self) -> None:
        """Whoever does not speak TLS is let go at once, and nothing of it is left."""
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(100), b"\x80\x2e\x01\x00\x02"):
            visitor = self.house.connect(HTTPS)
            visitor.send(data)
            self.plane.pump()
            self.plane.advance(11)
            self.assertTrue(visitor.closed, data)
        self.assertEqual(len(self.house.crowds.handshakes), 0)

    def test_slow(self) -> None:
        """TLS has ten seconds, however busily it does not come."""
        silent, dripping = self.house.connect(HTTPS), self.house.connect(HTTPS)
        for _ in range(21):
            dripping.send(b"\x16")
            self.plane.advance(0.5)
        self.assertTrue(silent.closed and dripping.closed)
        self.assertEqual(len(self.house.crowds.handshakes), 0)

    def test_agentInDisguise(self) -> None:
        """Who asks for nothing but the agents' protocol is taken for an agent, and gets no page."""
        browser = Browser(self.house, "example.gateway.com", (b"diglett/2",))
        browser.say(GET % b"example")
        self.assertEqual(len(self.backends), 0)
        self.assertFalse(browser.heard.startswith(b"HTTP"))
        self.assertTrue(browser.closed)


class ReturningTests(TLSTestCase):
    """Visitors whose TLS session is resumed."""

    def visits(self, name: str, alpn: bytes = b"http/1.1") -> Iterator[tuple[int, Browser]]:
        """In both versions of TLS, one who was at `example` and comes back for this."""
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            first = Browser(self.house, "example.gateway.com", version=version)
            first.say(GET % b"example")
            self.backends.say(-1, OK)
            self.assertEqual(first.heard, OK)
            yield version, Browser(self.house, name, (alpn,), before=first)

    def test_request(self) -> None:
        """Requests are answered as ever."""
        for _, again in self.visits("example.gateway.com"):
            again.say(GET % b"example")
            self.backends.say(-1, OK)
            self.assertEqual(again.heard, OK)

    def test_anotherName(self) -> None:
        """Host must be the SNI of TLS 1.3, and in 1.2 that with which the session began, whatever SNI says."""
        self.agent("other", token="bob")
        begun = {SSL.TLS1_2_VERSION: b"example", SSL.TLS1_3_VERSION: b"other"}
        for host in (b"example", b"other"):
            for version, again in self.visits("other.gateway.com"):
                before = len(self.backends)
                again.say(GET % host)
                expected = host == begun[version]
                self.assertEqual(len(self.backends) - before, expected)
                self.assertEqual(again.heard.startswith(b"HTTP/1.1 421 "), not expected)

    def test_noAgent(self) -> None:
        """A visitor's session is no way to become an agent: TLS ends before a word is said."""
        total = self.house.agents.total
        for _, again in self.visits("example.gateway.com", b"diglett/2"):
            self.assertIn("no application protocol", str(again.shaken))
            self.assertTrue(again.closed)
            self.assertEqual((self.house.agents.total, self.house.agents.handshakes), (total, 0))
        self.assertEqual(len(self.house.crowds.handshakes), 0)


class PassedThroughTests(TLSTestCase):
    """TLS ends somewhere else."""

    def serve(self, channel: Any) -> Any:
        """A service's own TLS, with its own certificate, on what came through."""
        tls = self.plane.tls(channel, ServerContexts([memoryCredentials()], alpn=[b"h2"]).connection())
        end = Visitor(tls)
        tls.handshake(lambda error: None)
        return end

    def test_untouched(self) -> None:
        """The service's own TLS is what the visitor gets, with whatever protocols; the gateway sees only ciphertext."""
        behind = self.seal()
        browser = Browser(self.house, "sealed.gateway.com", (b"h2",))
        received = bytes(behind[0].received)
        self.assertTrue(received.startswith(b"\x16\x03\x01"))
        channel = behind[0].channel
        unread = [received]
        read = channel.readInto

        def readInto(view: memoryview) -> int:
            if unread:
                data = unread.pop()
                view[: len(data)] = data
                return len(data)
            size: int = read(view)
            return size

        channel.readInto = readInto
        end = self.serve(channel)
        channel.owner.readable()
        self.plane.pump()
        self.assertEqual(browser.shaken, [None])
        self.assertEqual(browser.tls.connection.get_alpn_proto_negotiated(), b"h2")
        browser.say(b"secret")
        self.assertEqual(bytes(end.received), b"secret")

    def test_othersAreNot(self) -> None:
        """Other names' TLS ends here all the same while there is such a name, in pieces as well."""
        behind = self.seal()
        browser = Browser(self.house, "example.gateway.com")
        browser.say(GET % b"example")
        self.assertEqual((len(self.backends), len(behind)), (1, 0))

    def test_onlyByItsName(self) -> None:
        """A sealed name is not reached without its SNI: not by Host, not without SNI, not by plain HTTP."""
        behind = self.seal()
        for name in ("example.gateway.com", None, "x.sealed.gateway.com", "sealed.gateway.com.evil.org"):
            browser = Browser(self.house, name)
            browser.say(GET % b"sealed")
        self.visit(b"sealed")
        self.assertEqual(len(behind), 0)

    def test_agentsStillComeIn(self) -> None:
        """An agent that dials the sealed name itself is an agent."""
        behind = self.seal()
        hand = self.agent("third", port=HTTPS, trust=GatewayTrust("localhost", pins=[memoryCredentials().pin]))
        self.assertTrue(hand.up)
        Browser(self.house, "sealed.gateway.com", (b"diglett/2",))
        self.assertEqual(len(behind), 0)

    def test_inPieces(self) -> None:
        """A hello that comes byte by byte is understood, and passed through whole."""
        behind = self.seal()
        client = anyClient("sealed.gateway.com")
        try:
            client.do_handshake()
        except SSL.WantReadError:
            pass
        hello = client.bio_read(65_536)
        visitor = self.house.connect(HTTPS)
        for byte in hello:
            visitor.send(bytes([byte]))
            self.plane.pump()
        self.assertEqual(bytes(behind[0].received), hello)

    def test_agentAway(self) -> None:
        """When its agent has no room the visitor is reset: there is nothing to say that TLS would believe."""
        self.seal()
        next(iter(each for each in self.house.agents if "sealed" in each.names)).leaving = True
        browser = Browser(self.house, "sealed.gateway.com")
        self.assertTrue(browser.closed)
        self.assertEqual(len(self.house.crowds.visitors), 0)

    def test_nonsense(self) -> None:
        """What is no hello goes to TLS, which says so; silence ends after ten seconds; a reset at once."""
        self.seal()
        visitor = self.house.connect(HTTPS)
        visitor.send(b"GET / HTTP/1.1\r\n\r\n")
        self.plane.pump()
        self.assertTrue(visitor.closed)
        silent, half, leaver, closer = (self.house.connect(HTTPS) for _ in range(4))
        half.send(b"\x16\x03\x01")
        self.plane.pump()
        leaver.channel.abort()
        closer.channel.finish()
        self.plane.advance(10.5)
        self.assertTrue(silent.closed and half.closed and closer.closed)
        self.assertEqual(len(self.house.crowds.handshakes), 0)


class CrowdTests(TLSTestCase):
    """Too many of them."""

    visitors = VisitorLimits(visitors=6, each=3, handshakes=3, handshakesEach=2)

    def test_handshakes(self) -> None:
        """TLS handshakes are limited together and by place, and their places are given back."""
        for peeking in (False, True):
            if peeking:
                self.seal()
            waiting = [Visitor(self.house.dial(HTTPS, host)) for host in (FAR, FAR, FAR, "192.0.2.8", "192.0.2.9")]
            self.plane.pump()
            self.assertEqual([each.closed for each in waiting], [False, False, True, False, True])
            self.plane.advance(11)
            self.assertEqual(len(self.house.crowds.handshakes), 0)

    def test_visitors(self) -> None:
        """So are visitors, at both fronts and at ports; an idle one leaves in the end."""
        browsers = [Browser(self.house, "example.gateway.com") for _ in range(4)]
        self.assertEqual([each.closed for each in browsers], [False, False, False, True])
        port = self.house.portOf("example")
        others = [self.house.connect(port) for _ in range(4)]
        self.plane.pump()
        self.assertEqual([each.closed for each in others], [False, False, False, True])
        self.assertEqual(len(self.house.crowds.visitors), 6)
        self.plane.advance(90, 1)
        self.assertEqual(len(self.house.crowds.visitors), 3)
        self.assertFalse(Browser(self.house, "example.gateway.com").closed)

    def test_sealed(self) -> None:
        """Whoever is passed through counts as well, until it leaves."""
        self.seal()
        browsers = [Browser(self.house, "sealed.gateway.com", host=f"192.0.2.{number}") for number in range(7)]
        self.assertEqual([each.closed for each in browsers], [False] * 6 + [True])
        for browser in browsers:
            browser.raw.abort()
        self.plane.pump()
        self.assertEqual(len(self.house.crowds.visitors), 0)

    def test_agentsAreNotVisitors(self) -> None:
        """Agents come in through the port that is full of visitors."""
        for number in range(6):
            self.house.connect(self.house.portOf("example"))
        self.plane.pump()
        self.assertTrue(self.agent("third", port=HTTPS).up)
