"""Visitors and backends that try to reach what is not theirs, through the HTTP front."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from diglett.http.messages import LIMITS
from tests.gateway.ingress.rig import Rig, Visitor
from tests.gateway.ingress.test_http import FrontTestCase, get, ok

UPGRADE = b"GET /ws HTTP/1.1\r\nHost: one.gateway.com\r\nConnection: Upgrade%b\r\nUpgrade: %b\r\n%b\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


class TricksTestCase(FrontTestCase):
    """One visitor at a time."""

    def ask(self, data: bytes) -> Visitor:
        """A new visitor who says this."""
        visitor = self.rig.visit()
        self.rig.ask(visitor, data)
        return visitor

    def refused(self, data: bytes, *statuses: int) -> None:
        """A visitor who says this gets one of these, its connection is closed, and no backend hears of it."""
        before = len(self.rig.backends)
        visitor = self.ask(data)
        self.assertIn(self.status(visitor), statuses or (400,), data[:80])
        self.assertTrue(visitor.closed, data[:80])
        self.assertEqual(len(self.rig.backends), before, data[:80])


class HostTests(TricksTestCase):
    """Who is asked for."""

    def test_absolute(self) -> None:
        """A target that names its host must name the Host; it goes on as a path, to that name."""
        for target in (b"http://one.gateway.com/x", b"https://ONE.gateway.com/x", b"HTTP://one.gateway.com/x"):
            self.ask(b"GET " + target + b" HTTP/1.1\r\nHost: one.gateway.com\r\n\r\n")
            self.assertEqual(self.paths(len(self.rig.backends) - 1), [b"GET /x HTTP/1.1"])
        for target in (
            b"http://two.gateway.com/x", b"http://one.gateway.com:81/x", b"http://evil@one.gateway.com/", b"http:///x",
            b"http://one.gateway.com%2f@two.gateway.com/", b"//two.gateway.com/ x", b"ftp://one.gateway.com/",
            b"one.gateway.com:443", b"two.gateway.com/x", b"*", b"\\\\two.gateway.com",
        ):  # fmt: skip
            self.refused(b"GET " + target + b" HTTP/1.1\r\nHost: one.gateway.com\r\n\r\n")

    def test_noForwardProxy(self) -> None:
        """CONNECT leads nowhere."""
        self.refused(b"CONNECT one.gateway.com:443 HTTP/1.1\r\nHost: one.gateway.com:443\r\n\r\n", 501)
        self.refused(b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: one.gateway.com\r\n\r\n", 501)

    def test_hosts(self) -> None:
        """Anything but one plain host is refused, and so is none."""
        for host in (
            b"", b"one.gateway.com, two.gateway.com", b"one.gateway.com two", b"one.gateway.com/two", b"x" * 300,
            b"one..gateway.com", b"evil@one.gateway.com", b"one.gateway.com:", b"one.gateway.com:99999", b"[::1",
            b"one.gateway.com:0", b"one%2egateway.com", b"one.gateway.com\x00.evil.org", b"one.gateway.com#",
            b"one\xe3\x80\x82gateway.com", b"one.gateway.com?",
        ):  # fmt: skip
            self.refused(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
        self.refused(b"GET / HTTP/1.1\r\n\r\n")
        self.refused(b"GET / HTTP/1.0\r\n\r\n")
        self.refused(b"GET / HTTP/1.1\r\nHost: one.gateway.com\r\nHost: one.gateway.com\r\n\r\n")
        self.refused(b"GET / HTTP/1.1\r\nHost: one.gateway.com\r\nhost: two.gateway.com\r\n\r\n")

    def test_addresses(self) -> None:
        """Addresses are nobody's names, whatever X-Forwarded-Host says."""
        for host in (b"127.0.0.1", b"[::1]:80", b"0x7f.1", b"2130706433", b"localhost", b"localhost:20000"):
            visitor = self.ask(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\nX-Forwarded-Host: one.gateway.com\r\n\r\n")
            self.assertEqual(self.status(visitor), 404, host)
        self.assertEqual(self.rig.backends, [])

    def test_eachRequestByItself(self) -> None:
        """A connection that has reached one name reaches another one only by its name: nothing of the first is used."""
        visitor = self.ask(get(b"a"))
        self.rig.answer(0, ok(b"1"))
        self.rig.ask(visitor, get(b"b", b"nope"))
        self.rig.ask(visitor, get(b"c", b"two"))
        self.assertEqual(self.paths(0), [b"GET /a HTTP/1.1"])
        self.assertEqual(self.paths(1), [b"GET /c HTTP/1.1"])
        self.assertIsNotNone(self.rig.backends[0].reason)
        opened = [name.fqdn for name in self.rig.names.held.values() if name.openings]
        self.assertEqual(opened, ["one.gateway.com", "two.gateway.com"])


class SpoofTests(TricksTestCase):
    """Who asks."""

    FIELDS = (
        b"X-Forwarded-For: 10.9.9.9\r\nx-forwarded-proto: https\r\nX-Forwarded-Host: bank.example\r\n"
        b"X_Forwarded_For: 10.9.9.9\r\n"
        b"X-Forwarded-Prefix: /evil\r\nX-Forwarded-User: root\r\nX-Real-IP: 10.9.9.9\r\nX_Real_IP: 10.9.9.9\r\n"
        b"Forwarded: for=10.9.9.9\r\nX-Client-IP: 10.9.9.9\r\nX-Cluster-Client-IP: 10.9.9.9\r\n"
        b"Proxy: http://10.9.9.9\r\n"
    )

    def test_dropped(self) -> None:
        """What a visitor says of itself does not reach the backend, in whatever spelling; what we know does, once."""
        self.ask(b"GET / HTTP/1.1\r\nHost: one.gateway.com\r\n" + self.FIELDS + b"\r\n")
        seen = bytes(self.rig.backends[0].received)
        for trace in (b"10.9.9.9", b"bank.example", b"evil", b"root", b"_"):
            self.assertNotIn(trace, seen)
        self.assertEqual(seen.lower().count(b"x-forwarded-for:"), 1)
        self.assertIn(b"X-Forwarded-For: 127.0.0.1\r\n", seen)
        self.assertIn(b"X-Forwarded-Proto: http\r\n", seen)

    def test_connectionOptions(self) -> None:
        """Connection cannot make us drop what we say of the visitor, nor Host or the length."""
        self.ask(
            b"POST / HTTP/1.1\r\nHost: one.gateway.com\r\nContent-Length: 2\r\nConnection: X-Forwarded-For, Forwarded, "
            b"X-Real-IP, Host, Content-Length, X-Forwarded-Proto, Cookie\r\nCookie: a=b\r\n\r\nhi"
        )
        seen = bytes(self.rig.backends[0].received)
        for field in (b"X-Forwarded-For: ", b"Forwarded: ", b"X-Real-IP: ", b"Host: ", b"Content-Length: 2"):
            self.assertIn(b"\r\n" + field, seen)

    def test_trustedProxy(self) -> None:
        """The operator's own proxy is believed, and named as the last in the chain."""
        self.rig = Rig(trusted=True)
        self.ask(b"GET / HTTP/1.1\r\nHost: one.gateway.com\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
        self.assertIn(b"X-Forwarded-For: 192.0.2.1, 127.0.0.1\r\n", bytes(self.rig.backends[0].received))


class UpgradeTests(TricksTestCase):
    """Changes of protocol, wanted and not."""

    def test_notAsked(self) -> None:
        """A backend that answers 101 to whom did not ask is told of with 502; what it says then reaches nobody."""
        visitor = self.ask(get())
        self.rig.answer(0, SWITCHED + b"raw")
        self.assertEqual(self.status(visitor), 502)
        self.assertNotIn(b"raw", bytes(visitor.received))
        self.assertIsNotNone(self.rig.backends[0].reason)

    def test_cleartextHttp2(self) -> None:
        """An upgrade to HTTP/2 is not passed on, with no settings, however it is dressed."""
        for protocol in (b"h2c", b"H2C", b"websocket, h2c", b"h2c, websocket", b" h2c ", b"h2"):
            self.ask(UPGRADE % (b", HTTP2-Settings", protocol, b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"))
            seen = bytes(self.rig.backends[-1].received).lower()
            self.assertNotIn(b"upgrade", seen)
            self.assertNotIn(b"http2-settings", seen)
        self.refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 505)

    def test_refusedUpgrade(self) -> None:
        """When the backend does not switch, what follows is the next request, for its own Host, and no raw bytes."""
        visitor = self.ask(UPGRADE % (b"", b"websocket", b"") + get(b"smuggled", b"two"))
        self.assertNotIn(b"smuggled", bytes(self.rig.backends[0].received))
        self.rig.answer(0, b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n")
        self.assertNotIn(b"smuggled", bytes(self.rig.backends[0].received))
        self.assertEqual(self.paths(1), [b"GET /smuggled HTTP/1.1"])
        self.rig.answer(1, ok(b"two"))
        self.assertTrue(bytes(visitor.received).endswith(ok(b"two")))

    def test_oneHandedUpgrade(self) -> None:
        """Upgrade without Connection, or in HTTP/1.0, asks for nothing."""
        self.ask(b"GET / HTTP/1.1\r\nHost: one.gateway.com\r\nUpgrade: websocket\r\n\r\n")
        self.ask(b"GET / HTTP/1.0\r\nHost: one.gateway.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        for number in (0, 1):
            self.assertNotIn(b"pgrade", bytes(self.rig.backends[number].received))
            self.rig.answer(number, SWITCHED)

    def test_rawIsForOneNameOnly(self) -> None:
        """After 101 everything is the backend's own, also what looks like a request for another name."""
        visitor = self.ask(UPGRADE % (b"", b"websocket", b""))
        self.rig.answer(0, SWITCHED)
        self.rig.ask(visitor, get(b"x", b"two"))
        self.assertEqual(len(self.rig.backends), 1)
        self.assertTrue(bytes(self.rig.backends[0].received).endswith(get(b"x", b"two")))


class SizeTests(TricksTestCase):
    """Too much of everything."""

    def test_heads(self) -> None:
        """Targets, heads, fields and lines beyond the limits are refused, whether they end or not."""
        host = b"Host: one.gateway.com\r\n"
        self.refused(b"GET /" + b"x" * LIMITS.target + b" HTTP/1.1\r\n" + host + b"\r\n", 414)
        self.refused(b"GET /" + b"x" * (LIMITS.head + 1), 414)
        self.refused(b"GET / HTTP/1.1\r\n" + host + b"X: " + b"x" * LIMITS.head, 431)
        self.refused(b"GET / HTTP/1.1\r\n" + host + b"X: y\r\n" * 128 + b"\r\n", 431)
        self.refused(b"GET / HTTP/1.1\r\n" + host + b"X: y\r\n" * 20_000, 431)
        self.refused(b"A" * 40 + b" / HTTP/1.1\r\n" + host + b"\r\n")

    def test_bodies(self) -> None:
        """Lengths that nobody means, sizes of chunks without end, and trailers without end are refused."""
        head = b"POST / HTTP/1.1\r\nHost: one.gateway.com\r\n"
        for length in (b"9" * 19, b"-1", b"+1", b"0x10", b"1 1", b"1,1", b"", b"\xd9\xa1"):
            self.refused(head + b"Content-Length: " + length + b"\r\n\r\n")
        chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
        for body in (
            b"F" * 17 + b"\r\n", b"5;" + b"x" * 5_000, b"-5\r\n", b"0x5\r\nhello", b"5\nhello", b"5\r\nhello\n",
            b"5\r\nhelloXX",
        ):  # fmt: skip
            visitor = self.ask(chunked + body)
            self.assertTrue(visitor.closed, body[:20])
        visitor = self.ask(chunked + b"0\r\n" + b"X: y\r\n" * 20_000)
        self.assertTrue(visitor.closed)

    def test_waitingRequests(self) -> None:
        """Of further requests no more is taken than fits; the kernel keeps the rest, and the visitor waits."""
        visitor = self.ask(get(b"first"))
        visitor.send(get(b"more", b"two") * 20_000)
        self.rig.plane.pump()
        (channel,) = [each for each in self.rig.plane._channels if each.owner.__class__.__name__ == "HttpVisitor"]
        self.assertLessEqual(channel.owner._reader.pending, 65_536 * 2)
        self.assertGreater(visitor.channel.queued, 500_000)
        self.assertEqual(len(self.rig.backends), 1)

    def test_answers(self) -> None:
        """A backend's answers have limits as well: heads, fields, and heads before the head."""
        for answer in (
            b"HTTP/1.1 200 OK\r\nX: " + b"x" * (LIMITS.head + 1),
            b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (LIMITS.responseFields + 1) + b"\r\n",
            b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1_000,
        ):
            visitor = self.ask(get())
            self.rig.answer(len(self.rig.backends) - 1, answer)
            self.assertTrue(b"HTTP/1.1 502 " in bytes(visitor.received) or visitor.closed, answer[:30])
            self.assertIsNotNone(self.rig.backends[-1].reason)


class HostileBackendTests(TricksTestCase):
    """Answers that are to be taken for somebody else's."""

    def test_splitting(self) -> None:
        """Answers that two readers could read differently are not passed on."""
        for head in (
            b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            b"Content-Length: 5\r\nContent-Length: 50\r\n",
            b"Content-Length: 5, 50\r\n",
            b"Transfer-Encoding: chunked, identity\r\n",
            b"Transfer-Encoding: xchunked\r\n",
            b"X: a\nContent-Length: 0\r\n",
            b"X: a\rContent-Length: 0\r\n",
            b"X: a\r\n Content-Length: 0\r\n",
            b"X : a\r\n",
            b"X: a\x00b\r\n",
            b": a\r\n",
        ):
            visitor = self.ask(get())
            self.rig.answer(len(self.rig.backends) - 1, b"HTTP/1.1 200 OK\r\n" + head + b"\r\n5\r\nhello\r\n0\r\n\r\n")
            self.assertEqual(self.status(visitor), 502, head)
            self.assertNotIn(b"hello", bytes(visitor.received))

    def test_afterTheEnd(self) -> None:
        """What a backend says after its answer reaches no request: neither the next to it, nor one to another name."""
        for name in (b"one", b"two"):
            visitor = self.ask(get(b"a"))
            number = len(self.rig.backends) - 1
            self.rig.answer(number, ok(b"1"))
            mux = self.rig.agent.link.mux
            mux.write(self.rig.backends[number].stream, ok(b"poison"))
            self.rig.plane.pump()
            self.rig.ask(visitor, get(b"b", name))
            self.rig.answer(number + 1, ok(b"2"))
            self.assertEqual(bytes(visitor.received), ok(b"1") + ok(b"2"))

    def test_noBody(self) -> None:
        """A body where there is none is not taken for the next answer."""
        for request, answer in (
            (b"HEAD / HTTP/1.1\r\nHost: one.gateway.com\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n"),
            (get(), b"HTTP/1.1 204 No Content\r\nContent-Length: 38\r\n\r\n"),
            (get(), b"HTTP/1.1 304 Not Modified\r\nContent-Length: 38\r\n\r\n"),
        ):
            visitor = self.ask(request)
            number = len(self.rig.backends) - 1
            self.rig.answer(number, answer + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            self.rig.ask(visitor, get(b"b"))
            self.rig.answer(number + 1, ok(b"2"))
            self.assertNotIn(b"evil", bytes(visitor.received))
            self.assertTrue(bytes(visitor.received).endswith(ok(b"2")))

    def test_hopByHop(self) -> None:
        """A backend's word on the connection does not reach the visitor: it is not its connection."""
        visitor = self.ask(get())
        self.rig.answer(
            0,
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\n"
            b"Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\n\r\nok",
        )
        received = bytes(visitor.received).lower()
        for trace in (b"x-hop", b"keep-alive:", b"proxy-authenticate", b"upgrade", b"connection: close"):
            self.assertNotIn(trace, received)
        self.assertFalse(visitor.closed)

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.sampled_from([
        b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"Content-Length: 3\r\n", b"abc", b"\n",
        b"Transfer-Encoding: chunked\r\n", b"\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n", b"Connection: close\r\n", b"\x00",
        b"HTTP/1.0 200 OK\r\n",
    ]), max_size=9), st.integers(1, 40))  # fmt: skip
    def test_onlyWholeAnswers(self, parts: list[bytes], size: int) -> None:
        """Whatever a backend says, in whatever pieces, the next request, to another name, gets that one's answer."""
        visitor = self.ask(get(b"a"))
        number = len(self.rig.backends) - 1
        said = b"".join(parts)
        mux = self.rig.agent.link.mux
        for at in range(0, len(said), size):
            mux.write(self.rig.backends[number].stream, said[at : at + size])
            self.rig.plane.pump()
        mux.finish(self.rig.backends[number].stream)
        self.rig.plane.pump()
        if not visitor.closed:
            before = len(visitor.received)
            self.rig.ask(visitor, get(b"b", b"two"))
            self.rig.answer(number + 1, ok(b"two"))
            self.assertEqual(bytes(visitor.received[before:]), ok(b"two"))
        visitor.channel.abort()
        self.rig.plane.pump()
