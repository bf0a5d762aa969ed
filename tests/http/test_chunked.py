"""The chunked coding, held to llhttp."""

from __future__ import annotations

from httptools import HttpParserError, HttpRequestParser
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.http.chunked import ChunkReader, encodeChunk, encodeLastChunk
from diglett.http.messages import LIMITS, BadMessage, Limits
from tests.http import cut


class Llhttp:
    """What llhttp makes of a chunked body, fed byte by byte to see where it ends."""

    def __init__(self, body: bytes) -> None:
        self.body = b""
        self.end: int | None = None
        self.trailers: list[tuple[bytes, bytes]] = []
        self._done = False
        parser = HttpRequestParser(self)
        parser.feed_data(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.trailers.clear()
        for at in range(len(body)):
            parser.feed_data(body[at : at + 1])
            if self._done:
                self.end = at + 1
                return

    def on_header(self, name: bytes, value: bytes) -> None:
        self.trailers.append((name, value.rstrip()))

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self._done = True


def read(pieces: list[bytes], raw: bool = False) -> tuple[bytes, bytes, ChunkReader]:
    """What the reader makes of a body in pieces; and what it leaves."""
    reader = ChunkReader(LIMITS, raw)
    out, rest = b"", b""
    for piece in pieces:
        if reader.done:
            rest += piece
            continue
        got, used = reader.feed(memoryview(b"0\r\n" + piece), 3)  # it may begin anywhere
        out += b"".join(got)
        rest += piece[used - 3 :]
    return out, rest, reader


FRAGMENTS = [
    b"\r\n", b"\r\n", b"\n", b"\r", b"0", b"3", b"a", b"A", b"10", b";", b"=", b'"', b"\\", b" ",
    b"\t", b":", b"x", b"abc", b"0\r\n\r\n", b"3\r\nabc\r\n", b"\x00", b"\xff", b",", b"x: y\r\n",
]  # fmt: skip
extensions = st.sampled_from([b"", b";a", b";a=b", b';a="b\\"\t;"', b";a;b=c"])
trailers = st.lists(st.sampled_from([(b"X", b"y"), (b"Z-Sum", b""), (b"q", b"a b")]), max_size=3)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A proper chunked body, and what it means."""
    coded, meant = b"", b""
    for data in draw(st.lists(st.binary(min_size=1, max_size=40), max_size=5)):
        size = draw(st.sampled_from([b"%x", b"%X", b"%03x"])) % len(data)
        coded += size + draw(extensions) + b"\r\n" + data + b"\r\n"
        meant += data
    last = draw(st.sampled_from([b"0", b"000"])) + draw(extensions) + b"\r\n"
    fields = b"".join(b"%b: %b\r\n" % field for field in draw(trailers))
    return coded + last + fields + b"\r\n", meant


class ChunkReaderTests(SynchronousTestCase):
    """Reading chunks."""

    @given(bodies(), st.binary(max_size=9), st.lists(st.integers(0, 400)))
    def test_anyCutting(self, body: tuple[bytes, bytes], after: bytes, cuts: list[int]) -> None:
        """However a body arrives, it means the same and ends at the same place."""
        coded, meant = body
        out, rest, reader = read(list(cut(coded + after, cuts)))
        self.assertEqual((out, rest, reader.done), (meant, after, True))
        self.assertEqual(reader.trailers, Llhttp(coded).trailers)

    @given(bodies(), st.binary(max_size=9), st.lists(st.integers(0, 400)))
    def test_rawMeansTheSame(
        self, body: tuple[bytes, bytes], after: bytes, cuts: list[int]
    ) -> None:
        """What is passed on raw is a chunked body of the same meaning, wherever it was cut."""
        coded, meant = body
        out, rest, reader = read(list(cut(coded + after, cuts)), raw=True)
        self.assertEqual(rest, after)
        oracle = Llhttp(out)
        self.assertEqual((oracle.body, oracle.end), (meant, len(out)))
        self.assertEqual(oracle.trailers, reader.trailers)

    @given(st.lists(st.sampled_from(FRAGMENTS), max_size=14), st.lists(st.integers(0, 99)))
    def test_stricterThanLlhttp(self, fragments: list[bytes], cuts: list[int]) -> None:
        """What we accept, llhttp accepts, with the same meaning and the same end."""
        self.compare(b"".join(fragments), cuts)

    @given(
        bodies(), st.integers(0, 300), st.integers(0, 3), st.sampled_from(FRAGMENTS),
        st.lists(st.integers(0, 400)),
    )  # fmt: skip
    def test_damaged(
        self, body: tuple[bytes, bytes], at: int, drop: int, put: bytes, cuts: list[int]
    ) -> None:
        """So it is when a proper body is damaged anywhere."""
        coded = body[0]
        at %= len(coded)
        self.compare(coded[:at] + put + coded[at + drop :], cuts)

    def compare(self, coded: bytes, cuts: list[int]) -> None:
        """Read `coded` whole, in pieces, raw, and by llhttp."""
        try:
            out, rest, reader = read([coded])
        except BadMessage:
            with self.assertRaises(BadMessage):
                read(list(cut(coded, cuts)))
            return
        again, restAgain, readerAgain = read(list(cut(coded, cuts)))
        self.assertEqual((out, rest, reader.done), (again, restAgain, readerAgain.done))
        if reader.done:
            oracle = Llhttp(coded)
            self.assertEqual((oracle.body, oracle.end), (out, len(coded) - len(rest)))
            raw = read(list(cut(coded, cuts)), raw=True)[0]
            self.assertEqual(Llhttp(raw).body, out)

    def test_uncopied(self) -> None:
        """Decoded or raw, the pieces are views of what was fed."""
        data = memoryview(b"4\r\nabcd\r\n4\r\nefgh\r\n")
        pieces, _ = ChunkReader(LIMITS).feed(data)
        self.assertEqual([bytes(piece) for piece in pieces], [b"abcd", b"efgh"])
        self.assertTrue(all(piece.obj is data.obj for piece in pieces))  # type: ignore[union-attr]
        [piece], _ = ChunkReader(LIMITS, raw=True).feed(data[:-2])
        self.assertIs(piece.obj, data.obj)  # type: ignore[union-attr]

    def test_endOfData(self) -> None:
        """A chunk is passed on raw with its line end, before anything of the next one has come."""
        for pieces in ([b"3\r\nabc\r\n"], [b"3\r\nabc", b"\r\n"], [b"3\r\nabc\r", b"\n"], [b"3\r\nabc\r\n2"]):
            out, _, reader = read(pieces, raw=True)
            self.assertEqual(out, b"3\r\nabc\r\n", pieces)
            self.assertFalse(reader.done)

    def test_limits(self) -> None:
        """No part of the coding can be made to be kept without end."""
        limits = Limits(trailers=64, trailerFields=2)
        for start, more in {
            b"": b"0",
            b"1;": b"a",
            b'1;a="': b"a",
            b"1\r\na\r\n1;": b"a",
            b"0\r\n": b"a",
            b"0\r\na: ": b"a",
        }.items():
            reader = ChunkReader(limits)
            reader.feed(memoryview(start))
            with self.assertRaises(BadMessage, msg=repr(start)):
                for _ in range(1100):
                    reader.feed(memoryview(more))
        with self.assertRaises(BadMessage):
            ChunkReader(limits).feed(memoryview(b"0\r\na:1\r\nb:2\r\nc:3\r\n\r\n"))

    def test_trailersFiltered(self) -> None:
        """A trailer cannot say what only a head may: length, route, credentials, visitor."""
        for name in (
            b"Host", b"Connection", b"X-Forwarded-For", b"x_forwarded-for", b"Forwarded",
            b"Authorization", b"Cookie", b"Set-Cookie", b"Upgrade", b"Trailer", b"Content_Length",
        ):  # fmt: skip
            _, _, reader = read([b"0\r\n" + name + b": 1\r\nX-Sum: 2\r\n\r\n"])
            self.assertEqual(reader.trailers, [(b"X-Sum", b"2")], name)

    def test_trailersMustBeFields(self) -> None:
        """Trailers are as strict as a head."""
        for line in (b"x : y\r\n", b"x\r\n", b"x: y\r\n z\r\n", b"x: \x00\r\n", b"x: y\n\r\n"):
            with self.assertRaises(BadMessage, msg=repr(line)):
                read([b"0\r\n" + line + b"\r\n"])


class EncodingTests(SynchronousTestCase):
    """Writing chunks."""

    @given(st.lists(st.binary(max_size=300)), trailers)
    def test_roundTrip(self, datas: list[bytes], fields: list[tuple[bytes, bytes]]) -> None:
        """What is encoded is read again, by llhttp too; no data is no chunk."""
        coded = b"".join(b"".join(encodeChunk(data)) for data in datas) + encodeLastChunk(fields)
        out, rest, reader = read([coded])
        self.assertEqual((out, rest, reader.trailers), (b"".join(datas), b"", fields))
        oracle = Llhttp(coded)
        self.assertEqual((oracle.body, oracle.end), (out, len(coded)))

    def test_unknownToLlhttp(self) -> None:
        """The oracle refuses what is wrong: it can tell."""
        with self.assertRaises(HttpParserError):
            Llhttp(b"3 \r\nabc\r\n")
