"""The heads that go out."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from diglett.http.forward import buildRequestHead, buildResponseHead
from diglett.http.messages import RequestHead, ResponseHead
from diglett.http.request import RequestReader
from diglett.http.response import ResponseReader
from tests.http.test_request import requests


def read(raw: bytes) -> RequestHead:
    """The head of a request."""
    event = RequestReader().feed(raw)[0]
    assert isinstance(event, RequestHead)
    return event


def sent(
    fields: bytes = b"",
    line: bytes = b"GET /p?q HTTP/1.1",
    host: bytes = b"A.example:8443",
    **how: Any,
) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The request line and the fields the backend gets."""
    head = read(line + b"\r\nHost: " + host + b"\r\n" + fields + b"\r\n")
    how = {"client": "192.0.2.7", "proto": "https", **how}
    out = buildRequestHead(head, **how)
    assert out.endswith(b"\r\n\r\n")
    first, *rest = out[:-4].split(b"\r\n")
    return first, [(name, value) for name, _, value in (field.partition(b": ") for field in rest)]


def values(fields: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """All values a backend may take for `name`: of any case, with - or _."""
    return [v for key, v in fields if key.lower().replace(b"_", b"-") == name]


class RequestTests(SynchronousTestCase):
    """What the backend is sent."""

    @given(requests())
    def test_roundTrip(self, raw: bytes) -> None:
        """What we send, we would accept, and understand as we did before; twice is as once."""
        head = read(raw)
        once = read(buildRequestHead(head, client="::1", proto="http"))
        twice = read(buildRequestHead(once, client="::1", proto="http"))
        for name in ("method", "target", "host", "port", "hostHeader", "framing", "length"):
            self.assertEqual(getattr(once, name), getattr(head, name), name)
        self.assertEqual(once.version, 11)
        self.assertEqual(sorted(once.headers), sorted(twice.headers))
        kept = [pair for pair in head.headers if pair[0] in (b"X-A", b"accept", b"Cookie", b"x_b")]
        self.assertEqual([pair for pair in once.headers if pair in kept], kept)

    def test_plain(self) -> None:
        """Path, Host as it was sent, the fields in their order, and who the visitor is."""
        line, fields = sent(b"X-One: 1\r\ncookie: a=b\r\nX-One: 2\r\n")
        self.assertEqual(line, b"GET /p?q HTTP/1.1")
        self.assertEqual(
            fields,
            [
                (b"Host", b"A.example:8443"),
                (b"X-One", b"1"),
                (b"cookie", b"a=b"),
                (b"X-One", b"2"),
                (b"X-Forwarded-For", b"192.0.2.7"),
                (b"X-Forwarded-Proto", b"https"),
                (b"X-Forwarded-Host", b"A.example:8443"),
                (b"X-Forwarded-Port", b"8443"),
                (b"X-Real-IP", b"192.0.2.7"),
                (b"Forwarded", b'for=192.0.2.7;host="A.example:8443";proto=https'),
            ],
        )

    def test_absoluteTarget(self) -> None:
        """A proxy's form of the target arrives as a path."""
        line, _ = sent(line=b"GET http://a.example:8443/x HTTP/1.1")
        self.assertEqual(line, b"GET /x HTTP/1.1")

    def test_hopByHop(self) -> None:
        """What concerns the visitor's connection stays behind, with what Connection names."""
        _, fields = sent(
            b"Connection: Keep-Alive, X-Hop, Close\r\nConnection: x-other\r\nX-Hop: 1\r\n"
            b"X-Other: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\nTE: gzip\r\n"
            b"Proxy-Authorization: x\r\nUpgrade: websocket\r\nProxy: http://evil\r\nX-End: 1\r\n"
        )
        self.assertEqual([name for name, _ in fields[1:-6]], [b"X-End"])

    def test_connectionCannotHide(self) -> None:
        """Connection cannot make Host, the framing or the visitor's address disappear."""
        listed = b"host, content-length, transfer-encoding, x-forwarded-for, forwarded, x-real-ip"
        _, fields = sent(
            b"Connection: " + listed + b"\r\nContent-Length: 3\r\nX-Forwarded-For: 1.1.1.1\r\n",
            trusted=True,
        )
        self.assertEqual(values(fields, b"host"), [b"A.example:8443"])
        self.assertEqual(values(fields, b"content-length"), [b"3"])
        self.assertEqual(values(fields, b"x-forwarded-for"), [b"1.1.1.1, 192.0.2.7"])

    def test_framing(self) -> None:
        """The framing is written from what was understood, once."""
        _, fields = sent(b"content-length:  007 \r\n")
        self.assertEqual(values(fields, b"content-length"), [b"7"])
        _, fields = sent(b"transfer-encoding: Chunked\r\nTrailer: X\r\n")
        self.assertEqual(values(fields, b"transfer-encoding"), [b"chunked"])
        self.assertEqual(values(fields, b"trailer"), [b"X"])

    def test_trailersWanted(self) -> None:
        """Of TE only the wish for trailers is passed on, as a hop of our own."""
        _, fields = sent(b"TE: gzip, trailers\r\nConnection: TE\r\n")
        self.assertEqual(values(fields, b"te"), [b"trailers"])
        self.assertEqual(values(fields, b"connection"), [b"TE"])

    def test_upgrade(self) -> None:
        """An upgrade is asked for in the visitor's own words; never one to h2c."""
        ask = b"Connection: keep-alive, Upgrade\r\nUpgrade: "
        _, fields = sent(ask + b"WebSocket\r\nSec-WebSocket-Key: x\r\n")
        self.assertEqual(values(fields, b"upgrade"), [b"WebSocket"])
        self.assertEqual(values(fields, b"connection"), [b"Upgrade"])
        _, fields = sent(ask + b"h2c\r\nHTTP2-Settings: AAMAAABk\r\n")
        for name in (b"upgrade", b"connection", b"http2-settings"):
            self.assertEqual(values(fields, name), [], name)

    def test_expect(self) -> None:
        """Expect is the backend's to answer; HTTP/1.0 has none."""
        _, fields = sent(b"Expect: 100-continue\r\nContent-Length: 3\r\n")
        self.assertEqual(values(fields, b"expect"), [b"100-continue"])
        _, fields = sent(b"Expect: 100-continue\r\n", line=b"GET / HTTP/1.0")
        self.assertEqual(values(fields, b"expect"), [])

    def test_withoutHost(self) -> None:
        """Without Host there is nothing to send, unless one is given."""
        head = read(b"GET / HTTP/1.0\r\n\r\n")
        with self.assertRaises(ValueError):
            buildRequestHead(head, client="::1", proto="http")
        out = buildRequestHead(head, client="::1", proto="http", hostHeader=b"b")
        self.assertIn(b"\r\nHost: b\r\n", out)

    def test_hostReplaced(self) -> None:
        """Host may be replaced; X-Forwarded-Host still tells what the visitor asked for."""
        _, fields = sent(hostHeader=b"localhost:9000")
        self.assertEqual(values(fields, b"host"), [b"localhost:9000"])
        self.assertEqual(values(fields, b"x-forwarded-host"), [b"A.example:8443"])


class VisitorTests(SynchronousTestCase):
    """What the backend is told about the visitor, and by whom."""

    FORGED = (
        b"X-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nX-Forwarded_For: 6.6.6.6\r\n"
        b"x-forwarded-proto: 6\r\nX-FORWARDED-HOST: 6\r\nX-Forwarded-Port: 6\r\nX-Real-IP: 6.6.6.6\r\n"
        b"X_Real_IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Forwarded-Server: 6\r\n"
        b"X-Forwarded-Prefix: /6\r\nX-Client-IP: 6.6.6.6\r\nX-Forwarded-For: 6.6.6.7\r\n"
    )

    def test_forged(self) -> None:
        """Nothing an unknown visitor says about itself arrives, in no spelling."""
        self.assertEqual(sent(self.FORGED), sent())
        self.assertEqual(sent(b"Connection: x-real-ip\r\n" + self.FORGED), sent())

    def test_trusted(self) -> None:
        """A trusted proxy is added to the chain it tells, and believed in the rest."""
        _, fields = sent(
            b"X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nX-Forwarded-Proto: http\r\n"
            b"X-Forwarded-Host: b.example\r\nX-Forwarded-Prefix: /b\r\nX-Real-Ip: 1.1.1.1\r\n"
            b"Forwarded: for=1.1.1.1;proto=http\r\nX_Forwarded_For: 6.6.6.6\r\n",
            trusted=True,
        )
        for name, value in {
            b"x-forwarded-for": b"1.1.1.1, 2.2.2.2, 192.0.2.7",
            b"x-forwarded-proto": b"http",
            b"x-forwarded-host": b"b.example",
            b"x-forwarded-port": b"8443",
            b"x-forwarded-prefix": b"/b",
            b"x-real-ip": b"1.1.1.1",
            b"forwarded": b'for=1.1.1.1;proto=http, for=192.0.2.7;host="A.example:8443";proto=https',
        }.items():
            self.assertEqual(values(fields, name), [value])

    def test_trustedSilent(self) -> None:
        """A trusted proxy that tells nothing is the visitor."""
        self.assertEqual(sent(trusted=True), sent())

    def test_addresses(self) -> None:
        """IPv6 is quoted in Forwarded, as is a port; IPv4 in IPv6's clothes is undressed."""
        for how, plain, element in (
            ({"client": "2001:db8::7"}, b"2001:db8::7", b'for="[2001:db8::7]"'),
            ({"client": "fe80::1%eth0"}, b"fe80::1", b'for="[fe80::1]"'),
            ({"client": "::ffff:192.0.2.9"}, b"192.0.2.9", b"for=192.0.2.9"),
            ({"clientPort": 4711}, b"192.0.2.7", b'for="192.0.2.7:4711"'),
            ({"client": "::1", "clientPort": 1}, b"::1", b'for="[::1]:1"'),
            ({"client": ""}, b"unknown", b"for=unknown"),
        ):
            _, fields = sent(host=b"a", **how)
            self.assertEqual(values(fields, b"x-forwarded-for"), [plain])
            self.assertEqual(values(fields, b"forwarded"), [element + b";host=a;proto=https"])
        _, fields = sent(host=b"a", by="_gateway")
        self.assertTrue(values(fields, b"forwarded")[0].endswith(b";by=_gateway"))

    def test_port(self) -> None:
        """X-Forwarded-Port is the port the visitor called: Host's, or that of the scheme."""
        for host, proto, port in (
            (b"a", "https", b"443"),
            (b"a", "http", b"80"),
            (b"a:5", "http", b"5"),
        ):
            _, fields = sent(host=host, proto=proto)
            self.assertEqual(values(fields, b"x-forwarded-port"), [port])


class ResponseTests(SynchronousTestCase):
    """What the visitor is sent."""

    def built(
        self, raw: bytes, keepAlive: bool = True, version: int = 11, upgrade: bool = False
    ) -> list[bytes]:
        """The lines of the head the visitor gets."""
        reader = ResponseReader()
        reader.expect(b"GET", version, upgrade)
        head = reader.feed(raw)[0]
        assert isinstance(head, ResponseHead)
        out = buildResponseHead(head, keepAlive=keepAlive, version=version)
        assert out.endswith(b"\r\n\r\n")
        return out[:-4].split(b"\r\n")

    def test_untouched(self) -> None:
        """Status, reason and fields are the backend's, in their order."""
        raw = (
            b"HTTP/1.1 404 Nicht da\r\nDate: today\r\nserver: x\r\nSet-Cookie: a=1\r\n"
            b"Set-Cookie: b=2\r\nContent-Length: 3"
        )
        self.assertEqual(self.built(raw + b"\r\n\r\nabc"), raw.split(b"\r\n"))

    def test_hopByHop(self) -> None:
        """The backend's connection is not the visitor's."""
        lines = self.built(
            b"HTTP/1.0 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
            b"Proxy-Authenticate: Basic\r\nUpgrade: h2,h2c\r\nContent-Length: 0\r\nX: y\r\n\r\n"
        )
        self.assertEqual(lines, [b"HTTP/1.1 200 OK", b"Content-Length: 0", b"X: y"])

    def test_connection(self) -> None:
        """Connection says what the front decided, where the version does not say it."""
        raw = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        self.assertEqual(self.built(raw)[2:], [])
        self.assertEqual(self.built(raw, keepAlive=False)[2:], [b"Connection: close"])
        self.assertEqual(self.built(raw, version=10)[2:], [b"Connection: keep-alive"])
        self.assertEqual(self.built(raw, False, 10)[2:], [b"Connection: close"])

    def test_framing(self) -> None:
        """Chunked is said when it is so: not to HTTP/1.0, and also when we made it so."""
        raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n"
        self.assertEqual(self.built(raw)[1:], [b"Transfer-Encoding: chunked"])
        self.assertEqual(self.built(raw, False, 10)[1:], [b"Connection: close"])
        self.assertEqual(
            self.built(b"HTTP/1.0 200 OK\r\n\r\n")[1:], [b"Transfer-Encoding: chunked"]
        )

    def test_noBody(self) -> None:
        """204 has no length; 304 keeps the length of what it stands for."""
        fields = b"\r\nContent-Length: 5\r\nETag: x\r\n\r\n"
        self.assertEqual(self.built(b"HTTP/1.1 204 No" + fields)[1:], [b"ETag: x"])
        self.assertEqual(len(self.built(b"HTTP/1.1 304 No" + fields)), 3)

    def test_switch(self) -> None:
        """101 and 426 keep their Upgrade, and say so in Connection."""
        for status in (b"101", b"426"):
            lines = self.built(
                b"HTTP/1.1 " + status + b" x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                b"Content-Length: 0\r\n\r\n",
                upgrade=True,
            )
            self.assertIn(b"Upgrade: websocket", lines)
            self.assertIn(b"Connection: Upgrade", lines)

    def test_interim(self) -> None:
        """An interim head says nothing about the connection."""
        lines = self.built(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", keepAlive=False)
        self.assertEqual(lines, [b"HTTP/1.1 103 Early Hints", b"Link: </a>"])
