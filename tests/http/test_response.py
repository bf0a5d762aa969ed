"""Reading answers: heads, ends, early ends, and framing fitted to the visitor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from httptools import HttpResponseParser
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.http.chunked import encodeChunk, encodeLastChunk
from diglett.http.forward import buildResponseHead
from diglett.http.messages import REMEMBERED, BadGateway, Body, End, Framing, Limits, ResponseHead, Truncated
from diglett.http.response import ResponseReader
from tests.http import cut, plain

OK = b"HTTP/1.1 200 OK\r\n"


def answer(fields: bytes = b"", body: bytes = b"", line: bytes = OK) -> bytes:
    """An answer of the backend."""
    return line + fields + b"\r\n" + body


def told(pieces: Iterable[bytes], method: bytes = b"GET", **expect: Any) -> list[Any]:
    """The events of one answer that came in these pieces."""
    reader = ResponseReader()
    reader.expect(method, **expect)
    return plain(event for piece in pieces for event in reader.feed(piece))


def visible(pieces: Iterable[bytes], version: int = 11, close: bool = False) -> bytes:
    """What a visitor gets to see of an answer."""
    reader = ResponseReader()
    reader.expect(b"GET", version)
    events = [event for piece in pieces for event in reader.feed(piece)]
    if close:
        events += reader.eof()
    out = b""
    for event in events:
        if isinstance(event, ResponseHead):
            lasts = event.framing is not Framing.UNTIL_CLOSE
            out += buildResponseHead(event, keepAlive=lasts, version=version)
        elif isinstance(event, Body):
            out += event.data
    return out


class Llhttp:
    """What llhttp, as the visitor, makes of an answer."""

    def __init__(self, raw: bytes) -> None:
        self.body = b""
        self.complete = False
        self.fields: list[tuple[bytes, bytes]] = []
        parser = HttpResponseParser(self)
        parser.feed_data(raw)
        self.status = parser.get_status_code()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.complete = True


datas = st.lists(st.binary(min_size=1, max_size=60), max_size=4)
cuttings = st.lists(st.integers(0, 800))


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, bytes, bool]:
    """A proper answer, its body, and whether the backend must close after it."""
    parts = draw(datas)
    body = b"".join(parts)
    interim = draw(st.sampled_from([b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"]))
    fields = draw(st.sampled_from([b"", b"Server: x\r\nX:y \r\n", b"Connection: keep-alive\r\n"]))
    framing = draw(st.sampled_from([Framing.LENGTH, Framing.CHUNKED, Framing.UNTIL_CLOSE]))
    if framing is Framing.LENGTH:
        return interim + answer(fields + b"Content-Length: %d\r\n" % len(body), body), body, False
    if framing is Framing.UNTIL_CLOSE:
        return interim + answer(fields, body, b"HTTP/1.0 200 OK\r\n"), body, True
    coded = b"".join(b"".join(encodeChunk(part)) for part in parts)
    coded += encodeLastChunk([(b"X-Sum", b"1")] if draw(st.booleans()) else [])
    return interim + answer(fields + b"Transfer-Encoding: chunked\r\n", coded), body, False


class AnyCuttingTests(SynchronousTestCase):
    """The reader does not see how its bytes were cut."""

    @given(answers(), cuttings)
    def test_new(self, given: tuple[bytes, bytes, bool], cuts: list[int]) -> None:
        """A visitor who speaks HTTP/1.1 reads the same body, and sees where it ends."""
        raw, body, close = given
        seen = Llhttp(visible(cut(raw, cuts), close=close).replace(b"103 Early", b"100 Early"))
        self.assertEqual((seen.status, seen.body, seen.complete), (200, body, True))

    @given(answers(), cuttings)
    def test_old(self, given: tuple[bytes, bytes, bool], cuts: list[int]) -> None:
        """A visitor who speaks HTTP/1.0 gets no chunks and no interim heads."""
        raw, body, close = given
        out = visible(cut(raw, cuts), version=10, close=close)
        head, _, rest = out.partition(b"\r\n\r\n")
        self.assertEqual(rest, body)
        self.assertTrue(head.startswith(b"HTTP/1.1 200 "))
        self.assertNotIn(b"transfer-encoding", head.lower())
        self.assertIn(b"Connection: close" if close else b"Connection: ", head)

    @given(answers(), cuttings)
    def test_sameEvents(self, given: tuple[bytes, bytes, bool], cuts: list[int]) -> None:
        """The same heads, the same end; the bodies that are passed on raw byte for byte."""
        raw, _, close = given
        whole, pieces = told([raw]), told(cut(raw, cuts))
        if close:  # chunked by us, as it comes
            self.assertEqual(whole[0], pieces[0])
        else:
            self.assertEqual(whole, pieces)

    @given(st.lists(answers().filter(lambda given: not given[2]), max_size=4), cuttings)
    def test_reused(self, given: list[tuple[bytes, bytes, bool]], cuts: list[int]) -> None:
        """Answers follow each other on one connection, each after its own request."""
        reader = ResponseReader()
        for raw, body, _ in given:
            self.assertTrue(reader.idle and reader.reusable)
            reader.expect(b"GET", 11)
            self.assertFalse(reader.reusable)
            events = [event for piece in cut(raw, cuts) for event in reader.feed(piece)]
            self.assertEqual(
                [isinstance(event, End) for event in events].index(True) + 1, len(events)
            )
        self.assertEqual(reader.eof(), [])

    @given(answers(), st.integers(0, 800), cuttings)
    def test_earlyEnd(self, given: tuple[bytes, bytes, bool], at: int, cuts: list[int]) -> None:
        """An answer that ends too early is never taken for a complete one."""
        raw, _, close = given
        raw = raw[: at % len(raw)]
        reader = ResponseReader(b"GET")
        events = [event for piece in cut(raw, cuts) for event in reader.feed(piece)]
        final = [e for e in events if isinstance(e, ResponseHead) and not e.interim]
        if final and close:
            self.assertIsInstance(reader.eof()[-1], End)
        else:
            error = self.assertRaises(BadGateway, reader.eof)
            self.assertEqual(isinstance(error, Truncated), bool(final))
        self.assertFalse(reader.reusable)


class FramingTests(SynchronousTestCase):
    """Where an answer ends."""

    def framing(self, raw: bytes, method: bytes = b"GET", version: int = 11) -> tuple[Any, ...]:
        """Framing, length, keepAlive of a head, and whether the answer ended with it."""
        reader = ResponseReader()
        reader.expect(method, version)
        events = reader.feed(raw)
        head = events[0]
        assert isinstance(head, ResponseHead)
        return head.framing, head.length, head.keepAlive, isinstance(events[-1], End)

    def test_table(self) -> None:
        """RFC 9112, 6.3, and what of it reaches the visitor."""
        none, length, chunked = Framing.NONE, Framing.LENGTH, Framing.CHUNKED
        coding = b"Transfer-Encoding: chunked\r\n"
        five = b"Content-Length: 5\r\n"
        for raw, method, version, expected in (
            (answer(five), b"GET", 11, (length, 5, True, False)),
            (answer(five), b"HEAD", 11, (none, 5, True, True)),
            (answer(coding), b"HEAD", 11, (none, 0, True, True)),
            (answer(), b"HEAD", 11, (none, 0, True, True)),
            (answer(b"Content-Length: 0\r\n"), b"GET", 11, (length, 0, True, True)),
            (answer(coding), b"GET", 11, (chunked, 0, True, False)),
            (answer(coding), b"GET", 10, (Framing.UNTIL_CLOSE, 0, True, False)),
            (answer(), b"GET", 11, (chunked, 0, False, False)),
            (answer(), b"GET", 10, (Framing.UNTIL_CLOSE, 0, False, False)),
            (answer(five + b"Connection: close\r\n"), b"GET", 11, (length, 5, False, False)),
            (answer(five, line=b"HTTP/1.0 200 OK\r\n"), b"GET", 11, (length, 5, False, False)),
            (answer(five, line=b"HTTP/1.1 204 No\r\n"), b"GET", 11, (none, 5, True, True)),
            (answer(line=b"HTTP/1.1 204 No\r\n"), b"GET", 11, (none, 0, True, True)),
            (answer(five, line=b"HTTP/1.1 304 No\r\n"), b"GET", 11, (none, 5, True, True)),
            (answer(b"Content-Length: 0\r\n", line=b"HTTP/1.1 205 R\r\n"), b"GET", 11,
             (length, 0, True, True)),
            (answer(five + b"Connection: Keep-Alive\r\n", line=b"HTTP/1.0 200 OK\r\n"), b"GET", 11,
             (length, 5, True, False)),
        ):  # fmt: skip
            self.assertEqual(self.framing(raw, method, version), expected, raw)

    def test_uncopied(self) -> None:
        """Bodies are the memory that was fed, also behind a head, also chunked."""
        for raw in (
            answer(b"Content-Length: 5\r\n", b"hello"),
            answer(b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n"),
        ):
            data = bytearray(raw)
            body = ResponseReader(b"GET").feed(memoryview(data))[1]
            assert isinstance(body, Body) and isinstance(body.data, memoryview)
            self.assertIs(body.data.obj, data)

    def test_interims(self) -> None:
        """100 and 103 are told before the answer and do not end it; too many are refused."""
        hundred = b"HTTP/1.1 100 Continue\r\n\r\n"
        events = told([hundred + hundred + answer(b"Content-Length: 0\r\n")])
        self.assertEqual([event[0] for event in events[:-1]], [100, 100, 200])
        reader = ResponseReader(b"GET")
        self.assertEqual(len(reader.feed(hundred)), 1)
        self.assertRaises(BadGateway, reader.feed, hundred * 20)

    def test_empty(self) -> None:
        """No bytes are no event."""
        reader = ResponseReader(b"GET")
        self.assertEqual(reader.feed(b""), [])
        self.assertTrue(reader.untouched)


class UpgradeTests(SynchronousTestCase):
    """101, asked for or not."""

    SWITCH = (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    )

    def test_accepted(self) -> None:
        """After 101 all is passed on as it is, until the backend closes."""
        reader = ResponseReader()
        reader.expect(b"GET", upgrade=True)
        events = plain(reader.feed(self.SWITCH + b"\x81\x01a"))
        self.assertEqual([events[0][0], events[1]], [101, b"\x81\x01a"])
        self.assertTrue(reader.raw)
        self.assertEqual(plain(reader.feed(b"HTTP/1.1 200")), [b"HTTP/1.1 200"])
        self.assertEqual(plain(reader.eof()), ["end"])

    def test_refused(self) -> None:
        """Any other answer is an answer as always."""
        reader = ResponseReader()
        reader.expect(b"GET", upgrade=True)
        refusal = answer(b"Content-Length: 2\r\n", b"no", b"HTTP/1.1 403 No\r\n")
        self.assertEqual(plain(reader.feed(refusal))[1:], [b"no", "end"])
        self.assertTrue(reader.reusable and not reader.raw)

    def test_notAsked(self) -> None:
        """A backend cannot make us stop reading HTTP."""
        self.assertRaises(BadGateway, told, [self.SWITCH])


class BadAnswerTests(SynchronousTestCase):
    """What a backend may not send."""

    def test_refused(self) -> None:
        """Ambiguous or malformed heads and bodies are refused, whole or in single bytes."""
        length = b"Content-Length: 3\r\n"
        coding = b"Transfer-Encoding: chunked\r\n"
        for raw in (
            answer(length + length),
            answer(length + coding),
            answer(coding + length),
            answer(coding + coding),
            answer(b"Transfer-Encoding: gzip\r\n"),
            answer(b"Transfer-Encoding: gzip, chunked\r\n"),
            answer(b"Transfer-Encoding: xchunked\r\n"),
            answer(coding, line=b"HTTP/1.0 200 OK\r\n"),
            answer(b"Content-Length: -1\r\n"),
            answer(b"Content-Length: 3, 3\r\n"),
            answer(b"Content-Length: " + b"9" * 30 + b"\r\n"),
            answer(b"X: a\r\n b\r\n"),
            answer(b" X: a\r\n"),
            answer(b"X : a\r\n"),
            answer(b"X: a\nY: b\r\n"),
            answer(b"X: a\rY: b\r\n"),
            answer(b"X: a\x00b\r\n"),
            answer(b"X\r\n"),
            answer(line=b"HTTP/1.1 200 OK\n"),
            answer(line=b"\r\nHTTP/1.1 200 OK\r\n"),
            answer(line=b"HTTP/1.1  200 OK\r\n"),
            answer(line=b"HTTP/1.1 20 OK\r\n"),
            answer(line=b"HTTP/1.1 2000 OK\r\n"),
            answer(line=b"HTTP/1.1 099 OK\r\n"),
            answer(line=b"HTTP/1.1 200 O\x00K\r\n"),
            answer(line=b"HTTP/1.1 200 O\rK\r\n"),
            answer(line=b"HTTP/1.2 200 OK\r\n"),
            answer(line=b"HTTP/2 200\r\n"),
            answer(line=b"ICE/1.0 200 OK\r\n"),
            b"SSH-2.0-OpenSSH\r\n",
            b"\x15\x03\x01\x00\x02\x02\x16",
            answer(coding, b"3\r\nabcd\r\n"),
            answer(coding, b"x\r\n"),
            answer(coding, b"3;a\nabc\r\n"),
            answer(coding, b"0\r\nX : y\r\n\r\n"),
        ):
            for pieces in ([raw], [raw[at : at + 1] for at in range(len(raw))]):
                reader = ResponseReader(b"GET")
                with self.assertRaises(BadGateway, msg=repr(raw)):
                    for piece in pieces:
                        reader.feed(piece)
                self.assertFalse(reader.reusable or reader.idle)
                self.assertEqual(reader.feed(answer()), [])

    def test_noBareStatus(self) -> None:
        """A status line may lack its reason, with the space or without."""
        for line in (b"HTTP/1.1 200\r\n", b"HTTP/1.1 200 \r\n"):
            self.assertEqual(told([answer(b"Content-Length: 0\r\n", line=line)])[0][:2], (200, b""))

    def test_unasked(self) -> None:
        """Bytes that answer no request are refused, and never kept for the next one."""
        reader = ResponseReader()
        self.assertRaises(BadGateway, reader.feed, answer(b"Content-Length: 0\r\n"))
        self.assertRaises(RuntimeError, reader.expect, b"GET")

    def test_tooMuch(self) -> None:
        """Bytes behind an answer leave that one good, and end the connection's use."""
        for raw in (
            answer(b"Content-Length: 2\r\n", b"ab"),
            answer(b"Transfer-Encoding: chunked\r\n", b"2\r\nab\r\n0\r\n\r\n"),
            answer(line=b"HTTP/1.1 204 No\r\n"),
        ):
            reader = ResponseReader(b"GET")
            self.assertIsInstance(reader.feed(raw + b"HTTP/1.1 200 OK\r\n")[-1], End)
            self.assertFalse(reader.reusable)
            self.assertRaises(RuntimeError, reader.expect, b"GET")
            reader = ResponseReader(b"GET")
            reader.feed(raw)
            self.assertTrue(reader.reusable)
            self.assertRaises(BadGateway, reader.feed, b"H")
            self.assertFalse(reader.reusable)

    def test_bodyOfHead(self) -> None:
        """An answer to HEAD with a body does not become the next answer."""
        reader = ResponseReader(b"HEAD")
        reader.feed(answer(b"Content-Length: 19\r\n", answer()))
        self.assertFalse(reader.reusable)

    def test_expectTwice(self) -> None:
        """One request at a time."""
        reader = ResponseReader(b"GET")
        self.assertRaises(RuntimeError, reader.expect, b"GET")

    def test_limits(self) -> None:
        """A head cannot grow without end, in bytes or in fields."""
        reader = ResponseReader(b"GET")
        with self.assertRaises(BadGateway):
            for _ in range(80):
                reader.feed(OK + b"X: " if reader.untouched else b"a" * 1000)
        limits = Limits(responseFields=2)
        reader = ResponseReader(b"GET", limits=limits)
        self.assertRaises(BadGateway, reader.feed, answer(b"A: 1\r\nB: 1\r\nC: 1\r\n"))

    def test_untouched(self) -> None:
        """Whether a request may be tried elsewhere is known until the first byte of its answer."""
        reader = ResponseReader(b"GET")
        self.assertTrue(reader.untouched)
        reader.feed(b"H")
        self.assertFalse(reader.untouched)
        error = self.assertRaises(BadGateway, reader.eof)
        self.assertNotIsInstance(error, Truncated)


_EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
ANSWERS = [
    (b"GET", answer(b"Content-Length: 2\r\n", b"ok")),
    (b"GET", answer(b"Content-Length: 2\r\n", b"no")),
    (b"HEAD", answer(b"Content-Length: 2\r\n")),
    (b"GET", answer(b"Content-Length: 0\r\n")),
    (b"GET", answer(b"Transfer-Encoding: chunked\r\n", b"2\r\nok\r\n0\r\n\r\n")),
    (b"GET", _EARLY + answer(b"Content-Length: 2\r\n", b"ok")),
    (b"GET", _EARLY + _EARLY + answer(b"Content-Length: 0\r\n")),
]
"""To which request, and the answer: few, so that the same come again."""


class RepeatedTests(SynchronousTestCase):
    """Answers with the same head, one after the other on a connection."""

    def ask(self, reader: ResponseReader, raw: bytes, method: bytes = b"GET", version: int = 11) -> list[Any]:
        """The events of the next answer."""
        reader.expect(method, version)
        return reader.feed(raw)

    def test_same(self) -> None:
        """A head that comes again is the same object, whose bytes for the visitor are there already."""
        reader = ResponseReader()
        raw = answer(b"Content-Length: 2\r\n", b"ok")
        first, second = (self.ask(reader, raw)[0] for _ in range(2))
        self.assertIs(first, second)
        self.assertIs(buildResponseHead(first, keepAlive=True), buildResponseHead(second, keepAlive=True))
        self.assertIn(b"Connection: close", buildResponseHead(second, keepAlive=False))
        self.assertIn(b"Connection: keep-alive", buildResponseHead(second, keepAlive=True, version=10))
        self.assertNotIn(b"Connection", buildResponseHead(second, keepAlive=True))

    def test_forAnother(self) -> None:
        """The same bytes mean another thing as the answer to another method, or to another version's visitor."""
        reader = ResponseReader()
        raw = answer(b"Content-Length: 2\r\n")
        self.assertIs(self.ask(reader, raw + b"ok")[0].framing, Framing.LENGTH)
        self.assertIs(self.ask(reader, raw, b"HEAD")[0].framing, Framing.NONE)
        self.assertIs(self.ask(reader, raw + b"ok")[0].framing, Framing.LENGTH)
        chunked = answer(b"Transfer-Encoding: chunked\r\n", b"2\r\nok\r\n0\r\n\r\n")
        for version, framing in [(11, Framing.CHUNKED), (10, Framing.UNTIL_CLOSE), (11, Framing.CHUNKED)] * 2:
            self.assertIs(self.ask(reader, chunked, version=version)[0].framing, framing)

    @given(
        st.lists(st.tuples(st.sampled_from(ANSWERS), st.sampled_from([10, 11])), min_size=2, max_size=6),
        st.lists(st.integers(0, 400), max_size=4),
    )
    def test_anyOrder(self, answers: list[tuple[tuple[bytes, bytes], int]], cuts: list[int]) -> None:
        """Whatever came before, and in whatever pieces, an answer means what it would mean to a new reader."""
        reader = ResponseReader()
        for (method, raw), version in answers:
            fresh = ResponseReader()
            fresh.expect(method, version)
            expected = plain(fresh.feed(raw))
            reader.expect(method, version)
            self.assertEqual(plain([event for piece in cut(raw, cuts) for event in reader.feed(piece)]), expected)
            self.assertEqual((reader.idle, reader.reusable), (True, True))

    def test_large(self) -> None:
        """Large heads are not kept."""
        reader = ResponseReader()
        raw = answer(b"Cookie: " + b"x" * REMEMBERED + b"\r\nContent-Length: 0\r\n")
        first, second = (self.ask(reader, raw)[0] for _ in range(2))
        self.assertIsNot(first, second)
        self.assertEqual(first.headers, second.headers)
