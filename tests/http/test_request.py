"""Reading requests: what is told, in which order, and what is kept."""

from __future__ import annotations

import tracemalloc
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.http.chunked import encodeChunk, encodeLastChunk
from diglett.http.messages import END, REMEMBERED, BadRequest, Body, Framing, Limits, RequestHead
from diglett.http.request import RequestReader
from tests.http import cut, plain, readAll

HOST = b"Host: a.example\r\n"


def head(raw: bytes, limits: Limits | None = None) -> RequestHead:
    """The head of the first request in `raw`."""
    reader = RequestReader(limits) if limits else RequestReader()
    event = reader.feed(raw)[0]
    assert isinstance(event, RequestHead)
    return event


def get(fields: bytes = b"", line: bytes = b"GET / HTTP/1.1") -> RequestHead:
    """The head of a request with more fields than Host."""
    return head(line + b"\r\n" + HOST + fields + b"\r\n")


tokens = st.sampled_from([b"X-A", b"accept", b"Cookie", b"x_b", b"Via"])
values = st.sampled_from([b"", b"1", b"a, b", b"\xe9t\xe9", b'"q"', b"a\tb"])
fieldLists = st.lists(st.tuples(tokens, values), max_size=4)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A proper request of any framing, written in one of the ways one may."""
    version = draw(st.sampled_from([b"1.1", b"1.1", b"1.1", b"1.0"]))
    start = draw(st.sampled_from([b"GET / ", b"POST /a?b=c ", b"OPTIONS * ", b"QUERY /q "]))
    blanks = b"\r\n" * draw(st.integers(0, 2))
    out = blanks + start + b"HTTP/" + version + b"\r\n" + HOST
    if version == b"1.0":
        out += b"Connection: keep-alive\r\n"
    for name, value in draw(fieldLists):
        out += name + b":" + draw(st.sampled_from([b"", b" ", b" \t"])) + value
        out += draw(st.sampled_from([b"", b" "])) + b"\r\n"
    parts = draw(st.lists(st.binary(max_size=50), max_size=3))
    framing = draw(st.sampled_from(["none", "length", "chunked"]))
    if framing == "chunked" and version == b"1.1":
        body = b"".join(b"".join(encodeChunk(part)) for part in parts)
        return out + b"Transfer-Encoding: Chunked\r\n\r\n" + body + encodeLastChunk([(b"T", b"1")])
    if framing == "none":
        return out + b"\r\n"
    return out + b"content-length:%d\r\n\r\n" % len(b"".join(parts)) + b"".join(parts)


class AnyCuttingTests(SynchronousTestCase):
    """The reader does not see how its bytes were cut."""

    @given(st.lists(requests(), max_size=4), st.lists(st.integers(0, 2000)))
    def test_proper(self, parts: list[bytes], cuts: list[int]) -> None:
        """Pipelined requests are the same however they arrive, and nothing is left."""
        stream = b"".join(parts)
        reader = RequestReader()
        events = readAll(cut(stream, cuts), reader)
        self.assertEqual(events, readAll([stream]))
        self.assertEqual(sum(isinstance(event, dict) for event in events), len(parts))
        self.assertTrue(reader.idle)

    @given(
        st.lists(requests(), min_size=1, max_size=3), st.integers(0, 2000),
        st.sampled_from([b"\n", b"\r", b"\x00", b" ", b"\r\n ", b"Host: b\r\n", b"0", b":"]),
        st.lists(st.integers(0, 2000)),
    )  # fmt: skip
    def test_damaged(self, parts: list[bytes], at: int, put: bytes, cuts: list[int]) -> None:
        """A fault ends it at the same request, with the same status."""
        stream = b"".join(parts)
        at %= len(stream)
        stream = stream[:at] + put + stream[at:]
        outcomes = [self.outcome([stream]), self.outcome(list(cut(stream, cuts)))]
        self.assertEqual(outcomes[0], outcomes[1])

    def outcome(self, pieces: list[bytes]) -> tuple[list[Any], int | None]:
        """The complete requests, and the status of the refusal."""
        reader = RequestReader()
        events: list[Any] = []
        complete = 0
        status = None
        try:
            for piece in pieces:
                events += reader.feed(piece)
                while reader.complete:
                    complete = len(events)
                    events += reader.resume()
        except BadRequest as error:
            status = error.status
        return plain(events[:complete]), status


class OrderTests(SynchronousTestCase):
    """One request at a time."""

    def test_pipelined(self) -> None:
        """The second request is told when the first was answered, and not before."""
        reader = RequestReader()
        one, end = reader.feed(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n")
        assert isinstance(one, RequestHead)
        self.assertEqual((one.target, end, reader.complete), (b"/1", END, True))
        self.assertEqual(reader.feed(b"\r\n"), [])
        self.assertEqual(reader.pending, len(b"GET /2 HTTP/1.1\r\nHost: b\r\n\r\n"))
        two, _ = reader.resume()
        assert isinstance(two, RequestHead)
        self.assertEqual((two.target, two.host, reader.pending), (b"/2", "b", 0))
        self.assertEqual(reader.resume(), [])
        self.assertTrue(reader.idle)

    def test_resumeTooEarly(self) -> None:
        """A request that is still being read cannot be left."""
        reader = RequestReader()
        reader.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab")
        self.assertFalse(reader.idle)
        self.assertRaises(RuntimeError, reader.resume)
        self.assertRaises(RuntimeError, reader.becomeRaw)

    def test_lastRequest(self) -> None:
        """After the request that wanted no other answer nothing is told or kept."""
        for raw in (
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n",
            b"GET / HTTP/1.0\r\n\r\n",
        ):
            reader = RequestReader()
            reader.feed(raw + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(reader.resume(), [])
            self.assertEqual(reader.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), [])
            self.assertEqual((reader.idle, reader.pending), (True, 0))

    def test_deadAfterRefusal(self) -> None:
        """What follows a bad request is never read."""
        reader = RequestReader()
        self.assertRaises(BadRequest, reader.feed, b"GET\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(reader.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), [])
        self.assertEqual(reader.pending, 0)

    def test_bodyUncopied(self) -> None:
        """Bodies are views of what was fed, from the first feed after the head on."""
        reader = RequestReader()
        reader.feed(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n")
        data = bytearray(b"abcdefGET")
        body, end = reader.feed(memoryview(data))
        assert isinstance(body, Body) and isinstance(body.data, memoryview)
        self.assertIs(body.data.obj, data)
        self.assertEqual((bytes(body.data), end), (b"abcdef", END))

    def test_crumbs(self) -> None:
        """A chunk for every byte is not an event for every byte."""
        reader = RequestReader()
        reader.feed(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        events = reader.feed(b"1\r\na\r\n" * 1000 + b"0\r\n\r\n")
        self.assertEqual(len(events), 2)
        self.assertEqual(plain(events), [b"a" * 1000, "end"])

    def test_keptSurvivesItsBuffer(self) -> None:
        """What is kept is our own: the caller's buffer may be used again."""
        data = bytearray(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
        reader = RequestReader()
        reader.feed(memoryview(data))
        data[:] = bytes(len(data))
        two = reader.resume()[0]
        assert isinstance(two, RequestHead)
        self.assertEqual(two.target, b"/2")

    def test_manyPipelined(self) -> None:
        """Keeping a thousand requests is no work for each of them."""
        one = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        reader = RequestReader()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        events = readAll([one * 2000], reader)
        self.assertEqual(len(events), 4000)
        reader = RequestReader()
        reader.feed(one * 2000)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(500):
            reader.resume()
        self.assertLess(tracemalloc.get_traced_memory()[1] - before, 20000)


class UpgradeTests(SynchronousTestCase):
    """Changing the protocol, or not."""

    ASK = (
        b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n"
        b"Upgrade: WebSocket\r\n\r\n"
    )

    def test_accepted(self) -> None:
        """After 101 everything is told as it is, what was kept first."""
        reader = RequestReader()
        event, end = reader.feed(self.ASK + b"GET / \x00")
        assert isinstance(event, RequestHead)
        self.assertEqual((event.upgrade, end), (b"websocket", END))
        self.assertEqual(reader.feed(b"1"), [])
        self.assertEqual(plain(reader.becomeRaw()), [b"GET / \x001"])
        self.assertEqual(plain(reader.feed(b"\r\n\r\n")), [b"\r\n\r\n"])

    def test_refused(self) -> None:
        """Without 101 what follows is the next request, and read as strictly."""
        reader = RequestReader()
        reader.feed(self.ASK + b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
        two = reader.resume()[0]
        assert isinstance(two, RequestHead)
        self.assertEqual(two.target, b"/2")
        reader = RequestReader()
        reader.feed(self.ASK + b"\x81\x05hello")
        self.assertRaises(BadRequest, reader.resume)

    def test_withBody(self) -> None:
        """The body of a request that asks for an upgrade comes before the new protocol."""
        reader = RequestReader()
        raw = self.ASK[:-2] + b"Content-Length: 2\r\n\r\nabc"
        self.assertEqual(plain(reader.feed(raw))[1:], [b"ab", "end"])
        self.assertEqual(plain(reader.becomeRaw()), [b"c"])

    def test_notAsked(self) -> None:
        """Upgrade counts only with Connection, in HTTP/1.1, and never to HTTP/2."""
        self.assertIsNone(get(b"Upgrade: websocket\r\n").upgrade)
        self.assertIsNone(get(b"Connection: upgrade\r\n").upgrade)
        self.assertIsNone(get(b"Connection: upgrade\r\nUpgrade:\r\n").upgrade)
        for protocol in (b"h2c", b"H2C", b"h2", b"websocket, h2c"):
            fields = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + protocol + b"\r\n"
            self.assertIsNone(get(fields).upgrade, protocol)
        old = b"GET / HTTP/1.0"
        self.assertIsNone(get(b"Connection: upgrade\r\nUpgrade: websocket\r\n", old).upgrade)


class HeadTests(SynchronousTestCase):
    """What a head tells."""

    def test_facts(self) -> None:
        """Names and values come as they were sent, the rest as it was understood."""
        told = head(
            b"PATCH /x?y HTTP/1.1\r\nhost: A.Example:8443\r\nX-Mixed:  v  \r\n"
            b"Content-Length: 007\r\nExpect: 100-Continue\r\nConnection: Keep-Alive\r\n\r\n"
        )
        self.assertEqual((told.method, told.target, told.version), (b"PATCH", b"/x?y", 11))
        self.assertEqual((told.host, told.port), ("a.example", 8443))
        self.assertEqual(told.hostHeader, b"A.Example:8443")
        self.assertEqual(told.headers[:2], [(b"host", b"A.Example:8443"), (b"X-Mixed", b"v")])
        self.assertEqual((told.framing, told.length), (Framing.LENGTH, 7))
        self.assertTrue(told.expectContinue and told.keepAlive)
        self.assertNotIn("X-Mixed", repr(told))

    def test_keepAlive(self) -> None:
        """HTTP/1.1 stays unless it says otherwise, HTTP/1.0 goes unless it says otherwise."""
        for line, field, stays in (
            (b"GET / HTTP/1.1", b"", True),
            (b"GET / HTTP/1.1", b"Connection: close\r\n", False),
            (b"GET / HTTP/1.1", b"Connection: keep-alive\r\nConnection: close\r\n", False),
            (b"GET / HTTP/1.0", b"", False),
            (b"GET / HTTP/1.0", b"Connection: Keep-Alive\r\n", True),
            (b"GET / HTTP/1.0", b"Connection: keep-alive, close\r\n", False),
        ):
            self.assertIs(get(field, line).keepAlive, stays, (line, field))

    def test_oldWithoutHost(self) -> None:
        """HTTP/1.0 may come without Host; nobody can route it."""
        told = head(b"GET / HTTP/1.0\r\n\r\n")
        self.assertEqual((told.host, told.port, told.hostHeader), (None, None, None))
        self.assertFalse(get(b"Expect: 100-continue\r\n", b"GET / HTTP/1.0").expectContinue)

    def test_targets(self) -> None:
        """Absolute targets for the same host become paths; * is for OPTIONS."""
        for line, target in {
            b"GET http://a.example/p?q HTTP/1.1": b"/p?q",
            b"GET HTTPS://A.example HTTP/1.1": b"/",
            b"GET http://a.example?q HTTP/1.1": b"/?q",
            b"OPTIONS http://a.example HTTP/1.1": b"*",
            b"OPTIONS * HTTP/1.1": b"*",
            b'GET //a/../b;c=d|{}"^` HTTP/1.1': b'//a/../b;c=d|{}"^`',
        }.items():
            self.assertEqual(get(line=line).target, target)

    def test_methods(self) -> None:
        """Any method in capitals is passed on, whether llhttp knows it or not."""
        for method in (b"HEAD", b"PROPFIND", b"QUERY", b"BREW", b"M-SEARCH", b"PRI", b"SOURCE"):
            self.assertEqual(get(line=method + b" /x HTTP/1.1").method, method)

    def test_refusals(self) -> None:
        """Each kind of fault has its status."""
        for status, line in (
            (400, b"GET /"),
            (400, b"GET  / HTTP/1.1"),
            (400, b"GET / HTTP/1.1 "),
            (400, b" GET / HTTP/1.1"),
            (400, b"GET / / HTTP/1.1"),
            (400, b"GET\t/ HTTP/1.1"),
            (400, b"GET /a\tb HTTP/1.1"),
            (400, b"GET /a#b HTTP/1.1"),
            (400, b"GET /\xc3\xbc HTTP/1.1"),
            (400, b"GET /\x00 HTTP/1.1"),
            (400, b"GET a HTTP/1.1"),
            (400, b"GET * HTTP/1.1"),
            (400, b"GET http://b.example/ HTTP/1.1"),
            (400, b"GET http://a.example:81/ HTTP/1.1"),
            (400, b"GET http://a.example@b/ HTTP/1.1"),
            (400, b"GET http://u@a.example/ HTTP/1.1"),
            (400, b"GET ftp://a.example/ HTTP/1.1"),
            (400, b"GET http:/// HTTP/1.1"),
            (400, b"get / HTTP/1.1"),
            (400, b"Head / HTTP/1.1"),
            (400, b"G@T / HTTP/1.1"),
            (400, b"GET / http/1.1"),
            (400, b"GET / HTTP/1.10"),
            (400, b"GET / HTTP/1.1\x00"),
            (400, b"SOURCE / ICE/1.0"),
            (400, b"GET / RTSP/1.0"),
            (505, b"GET / HTTP/1.2"),
            (505, b"GET / HTTP/2.0"),
            (505, b"GET / HTTP/0.9"),
            (505, b"GET / HTTP/3"),
            (505, b"PRI * HTTP/2.0"),
            (501, b"CONNECT a.example:443 HTTP/1.1"),
            (414, b"GET /" + b"a" * 40000 + b" HTTP/1.1"),
        ):
            with self.assertRaises(BadRequest, msg=repr(line)) as caught:
                get(line=line)
            self.assertEqual(caught.exception.status, status, line)

    def test_hosts(self) -> None:
        """Host must be there once, and be one."""
        for raw in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a:http\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            b"GET http://a/ HTTP/1.0\r\n\r\n",
        ):
            with self.assertRaises(BadRequest, msg=repr(raw)) as caught:
                head(raw)
            self.assertEqual(caught.exception.status, 400)


class LimitTests(SynchronousTestCase):
    """Nothing can be made to grow."""

    def refused(self, *pieces: bytes, limits: Limits | None = None) -> int | None:
        """The status the pieces are refused with."""
        reader = RequestReader(limits) if limits else RequestReader()
        try:
            for piece in pieces:
                reader.feed(piece)
        except BadRequest as error:
            return error.status
        return None

    def test_headTooLong(self) -> None:
        """A head may have 64 KiB, whether it ends or not."""
        start = b"GET / HTTP/1.1\r\nHost: a\r\nX: "
        fill = 65536 - len(start) - 4
        self.assertIsNone(self.refused(start + b"a" * fill + b"\r\n\r\n"))
        self.assertEqual(self.refused(start + b"a" * (fill + 1) + b"\r\n\r\n"), 431)
        self.assertIsNone(self.refused(start, b"a" * fill, b"\r\n\r\n"))
        self.assertEqual(self.refused(start, b"a" * 70000), 431)

    def test_targetTooLong(self) -> None:
        """A line that never ends is a target too long."""
        self.assertEqual(self.refused(b"GET /", *[b"a" * 1000] * 70), 414)

    def test_tooManyFields(self) -> None:
        """128 fields are enough for anybody."""
        many = b"".join(b"X-%d: 1\r\n" % number for number in range(127))
        self.assertIsNone(self.refused(b"GET / HTTP/1.1\r\n" + HOST + many + b"\r\n"))
        more = many + b"Y: 1\r\n"
        self.assertEqual(self.refused(b"GET / HTTP/1.1\r\n" + HOST + more + b"\r\n"), 431)

    def test_blankLines(self) -> None:
        """A few empty lines before a request are forgiven, before each one anew."""
        one = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        self.assertEqual(len(readAll([(b"\r\n" * 4 + one) * 3])), 6)
        self.assertEqual(self.refused(b"\r\n" * 5 + one), 400)
        self.assertEqual(self.refused(*[b"\r", b"\n"] * 5), 400)

    def test_notHttp(self) -> None:
        """What cannot become a request is refused at once, not when it has grown."""
        for beginning in (
            b"\x16\x03\x01",
            b"SSH-2.0-x\r\nget",
            b"\n",
            b"\rG",
            b"{",
            b"get /",
            b" ",
        ):
            expected = None if beginning.startswith(b"SSH") else 400
            self.assertEqual(self.refused(beginning), expected, beginning)
        self.assertEqual(self.refused(b"SSH-2.0-x\n"), 400)
        self.assertEqual(self.refused(b"GET / HTTP/1.1\nHost: a\n\n"), 400)


class RepeatedTests(SynchronousTestCase):
    """Requests with the same head, one after the other on a connection."""

    def test_same(self) -> None:
        """A head that comes again is the same object; one that differs in a byte is read anew, with its own body."""
        reader = RequestReader()
        raw = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n"
        heads = []
        for each in (raw + b"ok", raw + b"no", raw.replace(b": 2", b": 3") + b"yes", raw + b"ok"):
            first, body, end = reader.feed(each)
            assert isinstance(body, Body)
            self.assertEqual((bytes(body.data), end), (each.partition(b"\r\n\r\n")[2], END))
            heads.append(first)
            reader.resume()
        self.assertIs(heads[0], heads[1])
        self.assertEqual([each.length for each in heads if isinstance(each, RequestHead)], [2, 2, 3, 2])

    @given(st.lists(st.sampled_from(range(4)), min_size=2, max_size=6), st.lists(st.integers(0, 400), max_size=5))
    def test_anyOrder(self, numbers: list[int], cuts: list[int]) -> None:
        """Whatever came before, and in whatever pieces, a request means what it would mean to a new reader."""
        get, post = b"GET / HTTP/1.1\r\n" + HOST, b"POST / HTTP/1.1\r\n" + HOST
        requests = [
            get + b"\r\n",
            b"\r\n" + get + b"\r\n",
            post + b"Content-Length: 2\r\n\r\nok",
            post + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ]
        expected = [event for number in numbers for event in readAll([requests[number]])]
        self.assertEqual(readAll(cut(b"".join(requests[number] for number in numbers), cuts)), expected)
        self.assertEqual(readAll(requests[number] for number in numbers), expected)

    def test_badStaysBad(self) -> None:
        """What was refused once is not taken for known."""
        reader = RequestReader()
        self.assertRaises(BadRequest, reader.feed, b"GET / HTTP/1.1\r\n\r\n")
        self.assertEqual(reader.feed(b"GET / HTTP/1.1\r\n\r\n"), [])

    def test_large(self) -> None:
        """Large heads are not kept."""
        reader = RequestReader()
        raw = b"GET / HTTP/1.1\r\n" + HOST + b"Cookie: " + b"x" * REMEMBERED + b"\r\n\r\n"
        first = reader.feed(raw)[0]
        reader.resume()
        self.assertIsNot(reader.feed(raw)[0], first)
