"""The classics of request smuggling: each is refused, and what hides behind it is never read.

A smuggled request lives on two readers disagreeing. So each case carries one,
`GET /smuggled`, in the place where another reader would find it; whether the
bytes come at once or one by one, no event may tell of it, the status must be
the one expected, and the reader must be dead.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from diglett.http.messages import BadRequest, RequestHead
from diglett.http.request import RequestReader

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def post(fields: bytes, body: bytes = b"") -> bytes:
    """A POST with these fields and this body, and the smuggled request behind."""
    return b"POST / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n" + body + SMUGGLED


def chunks(body: bytes) -> bytes:
    """A chunked POST with this body."""
    return post(CHUNKED, body)


class SmugglingTests(SynchronousTestCase):
    """One test for each class, with a table of its spellings."""

    def check(self, *cases: bytes, status: int = 400) -> None:
        """Each of `cases` must be refused, fed whole or byte by byte."""
        for raw in cases:
            for pieces in ([raw], [raw[at : at + 1] for at in range(len(raw))]):
                reader = RequestReader()
                heads = 0
                refused = None
                try:
                    for piece in pieces:
                        for event in reader.feed(piece):
                            heads += isinstance(event, RequestHead)
                        if reader.complete:
                            reader.resume()
                except BadRequest as error:
                    refused = error.status
                self.assertEqual(refused, status, raw)
                self.assertLessEqual(heads, 1, raw)
                self.assertEqual(reader.feed(SMUGGLED), [], raw)
                self.assertEqual(reader.pending, 0, raw)

    def test_controls(self) -> None:
        """The cases are refused for their fault: without it both requests are read."""
        for raw in (
            post(b""),
            post(b"Content-Length: 3\r\n", b"abc"),
            chunks(b"1\r\na\r\n0\r\n\r\n"),
        ):
            reader = RequestReader()
            reader.feed(raw)
            head = reader.resume()[0]
            assert isinstance(head, RequestHead)
            self.assertEqual(head.target, b"/smuggled")

    def test_lengthAndCoding(self) -> None:
        """CL.TE and TE.CL: a length beside a coding, in either order."""
        length = b"Content-Length: 6\r\n"
        self.check(
            post(length + CHUNKED, b"0\r\n\r\n"),
            post(CHUNKED + length, b"0\r\n\r\n"),
            post(b"content-length:0\r\ntransfer-encoding:chunked\r\n", b"0\r\n\r\n"),
            post(length + b"Transfer-Encoding: identity\r\n", b"abcdef"),
            post(length + b"Transfer-Encoding: gzip\r\n", b"abcdef"),
            post(length + b"Transfer-Encoding:\r\n", b"abcdef"),
        )

    def test_disguisedCodings(self) -> None:
        """TE.TE: a coding one reader takes for chunked and another does not."""
        for value in (
            b"xchunked", b"chunkedx", b"chunked, chunked", b"chunked, identity", b"chunked;q=1",
            b'"chunked"', b"'chunked'", b"\x0bchunked", b"chunked\x00", b"ch\tunked", b",chunked",
            b"chunked,", b"cow", b"chunked gzip", b"", b"chunked, gzip", b"\xefchunked",
        ):  # fmt: skip
            self.check(post(b"Transfer-Encoding: " + value + b"\r\n", b"0\r\n\r\n"))
        self.check(
            post(CHUNKED + CHUNKED, b"0\r\n\r\n"),
            post(CHUNKED + b"Transfer-Encoding: cow\r\n", b"0\r\n\r\n"),
            post(b"Transfer-Encoding: identity\r\n" + CHUNKED, b"0\r\n\r\n"),
            post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"),
            post(b"Transfer-Encoding\t: chunked\r\n", b"0\r\n\r\n"),
            post(b"Transfer-Encoding\x00: chunked\r\n", b"0\r\n\r\n"),
            post(b" Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
            post(b"X: y\r\n Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
            post(b"X: y\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
            post(b"X: y\rTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
            post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"),
            post(b"Transfer-Encoding\r\n: chunked\r\n", b"0\r\n\r\n"),
            post(b"Transfer_Encoding: chunked\r\n", b"0\r\n\r\n"),
        )

    def test_unknownCodings(self) -> None:
        """Codings that exist but are not spoken here are told so (501), and not guessed at."""
        for value in (b"gzip", b"identity", b"gzip, chunked", b"Deflate", b"compress,chunked"):
            self.check(post(b"Transfer-Encoding: " + value + b"\r\n", b"0\r\n\r\n"), status=501)

    def test_codingInOldVersion(self) -> None:
        """HTTP/1.0 has no codings."""
        self.check(chunks(b"0\r\n\r\n").replace(b"HTTP/1.1", b"HTTP/1.0", 1))

    def test_lengths(self) -> None:
        """CL.CL, and lengths that are read as different numbers."""
        self.check(
            post(b"Content-Length: 3\r\nContent-Length: 3\r\n", b"abc"),
            post(b"Content-Length: 3\r\ncontent-length: 0\r\n", b"abc"),
            post(b"Content_Length: 3\r\n", b"abc"),
            post(b"Content-Length : 3\r\n", b"abc"),
        )
        for value in (
            b"+3", b"-3", b"3,3", b"3, 3", b"3 3", b"0x3", b"3.0", b"3e0", b"1_0", b"", b" ", b"a",
            b"\xb2", b"3;", b"18446744073709551619", b"9223372036854775808", b"3\x00", b"\x0b3",
            b"9" * 5000,
        ):  # fmt: skip
            self.check(post(b"Content-Length: " + value + b"\r\n", b"abc"))

    def test_foldedLines(self) -> None:
        """obs-fold: a line that continues the one before, for some."""
        self.check(
            post(b"X: a\r\n b\r\n"),
            post(b"X: a\r\n\tb\r\n"),
            post(b"X:\r\n b\r\n"),
            post(b"Content-Length:\r\n 3\r\n", b"abc"),
            post(b"X: a\r\n \r\n"),
            b"POST / HTTP/1.1\r\n Host: a\r\n\r\n" + SMUGGLED,
            b"POST / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n" + SMUGGLED,
        )

    def test_lineEnds(self) -> None:
        """Bare LF and bare CR end a line for some, and not for others."""
        self.check(
            post(b"X: a\nY: b\r\n"),
            post(b"X: a\rY: b\r\n"),
            post(b"X: a\n\r\n"),
            post(b"X: a\r\r\n"),
            post(b"X: a\n\n"),
            post(b"X: a\r\n\n"),
            post(b"X: a\r\n\r"),
            post(b"\n"),
            post(b"X: a\r\nContent-Length: 40\n\r\n"),
            b"POST / HTTP/1.1\nHost: a\r\n\r\n" + SMUGGLED,
            b"POST / HTTP/1.1\rHost: a\r\n\r\n" + SMUGGLED,
            b"POST / HTTP/1.1\r\nHost: a\n\nGET /smuggled HTTP/1.1\r\n\r\n",
            b"\nPOST / HTTP/1.1\r\nHost: a\r\n\r\n" + SMUGGLED,
            b"\rPOST / HTTP/1.1\r\nHost: a\r\n\r\n" + SMUGGLED,
        )

    def test_fieldNames(self) -> None:
        """Names that are trimmed, cut or skipped by some."""
        for line in (
            b"X : a", b"X\t: a", b" X: a", b": a", b"X", b"X\x00: a", b"X\x0b: a", b"\x00X: a",
            b"X(y): a", b"X\xa0: a", b'"X": a', b"X@: a", b"X y: a", b"X: a\x00b", b"X: a\x08",
            b"X: \x7f", b"X: a\x0cb",
        ):  # fmt: skip
            self.check(post(line + b"\r\n"))

    def test_chunkSizes(self) -> None:
        """Sizes that overflow, or that a lenient reader completes."""
        for size in (
            b"10000000000000003", b"ffffffffffffffff", b"fffffffffffffffffffffffffffffff3",
            b"0000000000000003", b"-3", b"+3", b"0x3", b" 3", b"3 ", b"3\t", b"3_0", b"", b"g", b"3g",
            b"3h", b"\x003", b"3\x00", b"3.0", b"3,", b"3=", b"\xb3",
        ):  # fmt: skip
            self.check(chunks(size + b"\r\nabc\r\n0\r\n\r\n"))

    def test_chunkExtensions(self) -> None:
        """Extensions that hide a line end, or what only looks like one (TERM.EXT, EXT.TERM)."""
        for line in (
            b"3;a\nbc\r\n", b"3;\nabc\r\n", b"3\n;\r\n", b"3;a\r\n\r\n", b"3;a=\"\r\n\"\r\n",
            b"3;a=\"\n\"\r\n", b"3;a\rbc\r\n", b"3;\r\n", b"3;;\r\n", b"3; a\r\n", b"3 ;a\r\n",
            b"3;a=\r\n", b"3;a=b c\r\n", b"3;a\x00\r\n", b'3;a="\r\n', b'3;a="b"c\r\n', b"3;a\r\r\n",
            b"3\r;a\n",
        ):  # fmt: skip
            self.check(chunks(line + b"abc\r\n0\r\n\r\n"))

    def test_chunkEnds(self) -> None:
        """Chunks whose data is longer or shorter than said, or ends in half a line end."""
        self.check(
            chunks(b"3\r\nabcd\r\n0\r\n\r\n"),
            chunks(b"3\r\nab\r\n0\r\n\r\n"),
            chunks(b"3\r\nabc\n0\r\n\r\n"),
            chunks(b"3\r\nabc\r0\r\n\r\n"),
            chunks(b"3\r\nabc0\r\n\r\n"),
            chunks(b"3\r\nabc\r\n\r\n0\r\n\r\n"),
            chunks(b"3\nabc\r\n0\r\n\r\n"),
            chunks(b"3\rabc\r\n0\r\n\r\n"),
            chunks(b"0\n\r\n"),
            chunks(b"0\r\n\n"),
            chunks(b"0\r\r\n\r\n"),
            chunks(b"0\r\n\r"),
        )

    def test_trailers(self) -> None:
        """Trailers that frame, or are no fields."""
        self.check(
            chunks(b"0\r\nX : a\r\n\r\n"),
            chunks(b"0\r\nX: a\n\r\n"),
            chunks(b"0\r\n X: a\r\n\r\n"),
            chunks(b"0\r\nX: a\r\n b\r\n\r\n"),
            chunks(b"0\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
            chunks(b"0\r\nContent-Length: x\r\n\r\n"),
        )

    def test_hosts(self) -> None:
        """Two hosts in one request: twice, in the target, in one field."""
        self.check(
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + SMUGGLED,
            b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n" + SMUGGLED,
            b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n" + SMUGGLED,
            b"GET / HTTP/1.1\r\nHost : a\r\n\r\n" + SMUGGLED,
            b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n" + SMUGGLED,
            b"GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n" + SMUGGLED,
            b"GET / HTTP/1.1\r\nX: y\r\n Host: b\r\nHost: a\r\n\r\n" + SMUGGLED,
        )

    def test_versions(self) -> None:
        """HTTP/0.9 and broken request lines, whose answers have no head for some."""
        self.check(
            b"GET /\r\n\r\n" + SMUGGLED,
            b"GET / HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n" + SMUGGLED,
            b"GET / HTTP/1.1\x0b\r\nHost: a\r\n\r\n" + SMUGGLED,
            b"GET\x0b/ HTTP/1.1\r\nHost: a\r\n\r\n" + SMUGGLED,
        )
        self.check(b"GET / HTTP/0.9\r\nHost: a\r\n\r\n" + SMUGGLED, status=505)
        self.check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED, status=505)
