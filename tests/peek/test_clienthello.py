"""Tests of `diglett.peek.clienthello`."""

from __future__ import annotations

import random
import ssl

from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from diglett.peek.clienthello import LIMIT, RECORDS_MAX, ClientHello, NotTLS, peekClientHello
from tests.peek import hellos
from tests.peek.building import extension, hello, records, serverName, vector

REAL = {
    hellos.CHROMIUM: ClientHello("example.gateway.com", (b"h2", b"http/1.1"), (0x304, 0x303)),
    hellos.CURL: ClientHello("example.gateway.com", (b"h2", b"http/1.1"), (0x304, 0x303, 0x302, 0x301)),
    hellos.OPENSSL: ClientHello("example.gateway.com", (b"h2", b"http/1.1"), (0x304, 0x303, 0x302, 0x301)),
    hellos.OPENSSL_12: ClientHello("example.gateway.com", (), (0x303,)),
    hellos.NAMELESS: ClientHello(None, (), (0x304, 0x303, 0x302, 0x301)),
    hellos.GNUTLS: ClientHello("localhost", (), (0x304, 0x303, 0x302, 0x301)),
}
MUTATIONS = 17_000
"""Of each real hello."""


def peek(data: bytes) -> ClientHello | str | None:
    """Peek, with a refusal as text."""
    try:
        return peekClientHello(data)
    except NotTLS as refusal:
        return str(refusal)


class RealTests(SynchronousTestCase):
    """Hellos of clients that others wrote."""

    def test_recorded(self) -> None:
        """Browsers and command-line clients are understood, GREASE, ECH and post-quantum keys included."""
        for data, expected in REAL.items():
            self.assertEqual(peekClientHello(data), expected)

    def test_standardLibrary(self) -> None:
        """What the `ssl` of this Python says is understood."""
        context = ssl.create_default_context()
        context.set_alpn_protocols(["diglett/2", "http/1.1"])
        outgoing = ssl.MemoryBIO()
        client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="Brave-Otter.example")
        self.assertRaises(ssl.SSLWantReadError, client.do_handshake)
        found = peekClientHello(outgoing.read())
        assert found is not None
        self.assertEqual((found.serverName, found.protocols), ("brave-otter.example", (b"diglett/2", b"http/1.1")))
        self.assertIn(0x304, found.versions)

    def test_pyOpenSSL(self) -> None:
        """What the OpenSSL that we use says is understood."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_alpn_protos([b"diglett/2"])
        client = SSL.Connection(context)
        client.set_connect_state()
        client.set_tlsext_host_name(b"example.localhost")
        self.assertRaises(SSL.WantReadError, client.do_handshake)
        found = peekClientHello(client.bio_read(65_536))
        assert found is not None
        self.assertEqual((found.serverName, found.protocols), ("example.localhost", (b"diglett/2",)))


class ArrivalTests(SynchronousTestCase):
    """However the bytes come, the answer is the same."""

    def test_bytewise(self) -> None:
        """More is asked for until the last byte of the hello, and not after it."""
        for data, expected in REAL.items():
            for size in range(len(data)):
                self.assertIsNone(peekClientHello(data[:size]))
            self.assertEqual(peekClientHello(data), expected)

    def test_trailing(self) -> None:
        """What follows the hello is not looked at, in its record, behind it, and beyond the limit."""
        for data, expected in REAL.items():
            self.assertEqual(peekClientHello(data + b"\xff" * 5), expected)
            self.assertEqual(peekClientHello(data + b"GET / HTTP/1.1\r\n" * 2_000), expected)
            self.assertEqual(peekClientHello(records(data[5:] + b"\x0b\x00")), expected)

    @given(st.sampled_from(list(REAL)), st.lists(st.integers(1, 200), min_size=1, max_size=RECORDS_MAX - 1))
    def test_fragmented(self, data: bytes, sizes: list[int]) -> None:
        """A hello may be split over records anywhere; each of its beginnings only lacks the rest."""
        split = records(data[5:], *sizes)
        self.assertEqual(peekClientHello(split), REAL[data])
        for size in range(0, len(split), 97):
            self.assertIsNone(peekClientHello(split[:size]))
        self.assertIsNone(peekClientHello(split[:-1]))

    def test_tooFragmented(self) -> None:
        """So many records are not walked over again and again."""
        body = hellos.OPENSSL[5:]
        self.assertIsInstance(peek(records(body, *[1] * (RECORDS_MAX - 1))), ClientHello)
        self.assertRaises(NotTLS, peekClientHello, records(body, *[1] * RECORDS_MAX))


class RefusalTests(SynchronousTestCase):
    """What is no sound hello is refused, and early."""

    def test_firstBytes(self) -> None:
        """A byte that cannot be is refused at once, without the next one."""
        for wrong in (b"G", b"\x80", b"\x00", b"\x15", b"\x17"):  # HTTP, SSLv2, other records of TLS
            self.assertRaises(NotTLS, peekClientHello, wrong)
        for good, wrong in (
            (b"\x16", b"\x02"),  # versions: one that never was, DTLS
            (b"\x16", b"\xfe"),
            (b"\x16\x03\x01\x00", b"\x00"),  # an empty record, one that is too large
            (b"\x16\x03\x01\x40", b"\x01"),
            (b"\x16\x03\x01\x02\x00", b"\x02"),  # a ServerHello
        ):
            self.assertIsNone(peekClientHello(good))
            self.assertRaises(NotTLS, peekClientHello, good + wrong)

    def test_nothing(self) -> None:
        """No bytes are no error."""
        self.assertIsNone(peekClientHello(b""))

    def test_interrupted(self) -> None:
        """Nothing may come between the records of a hello."""
        body = hellos.OPENSSL[5:]
        for between in (b"\x15\x03\x01\x00\x02\x01\x00", b"\x14\x03\x01\x00\x01\x01", b"\x16\x03\x01\x00\x00"):
            self.assertRaises(NotTLS, peekClientHello, records(body[:99]) + between + records(body[99:]))

    def test_tooLong(self) -> None:
        """A hello beyond the limit is refused as soon as it says so, one within is read."""
        filling = LIMIT - len(hello([extension(21, b"")]))
        longest = hello([serverName(b"a.b"), extension(21, bytes(filling - len(serverName(b"a.b"))))])
        self.assertEqual(len(longest), LIMIT)
        self.assertEqual(peekClientHello(longest), ClientHello("a.b", (), (0x303,)))
        self.assertIsNone(peekClientHello(longest[:-1]))
        longer = b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfd"
        self.assertIsNone(peekClientHello(longer[:-1]))
        self.assertRaises(NotTLS, peekClientHello, longer)

    def test_limit(self) -> None:
        """A limit of one's own holds, headers of all records included."""
        data = hellos.OPENSSL
        self.assertEqual(peekClientHello(data, len(data)), REAL[data])
        self.assertRaises(NotTLS, peekClientHello, data, len(data) - 1)
        split = records(data[5:], 100, 100)
        self.assertEqual(peekClientHello(split, len(split)), REAL[data])
        self.assertRaises(NotTLS, peekClientHello, split, len(split) - 1)

    def test_endless(self) -> None:
        """Bytes without an end are refused when the limit is reached."""
        data = records(hellos.CURL[5:], 16)[:-1]
        self.assertIsNone(peekClientHello(data))
        self.assertRaises(NotTLS, peekClientHello, data, len(data))


class MalformedTests(SynchronousTestCase):
    """A nested length that is not exact is refused."""

    def test_sound(self) -> None:
        """The hellos built here are fine as long as nothing is wrong with them."""
        self.assertEqual(peek(hello(None)), ClientHello(None, (), (0x303,)))
        self.assertEqual(peek(hello([])), ClientHello(None, (), (0x303,)))
        self.assertEqual(peek(hello([serverName(b"a.b")])), ClientHello("a.b", (), (0x303,)))

    def test_body(self) -> None:
        """The parts before the extensions."""
        for broken in (
            hello([], version=0x0200),
            hello([], session=bytes(33)),
            hello([], suites=b""),
            hello([], suites=b"\0\1\2"),
            hello([], compression=b""),
            hello([])[:-2] + b"\0\1",
            hello(None, behind=b"\0"),
            hello([], behind=b"\0"),
            hello([b"\0\0\0"]),
            hello([b"\0\0\0\1"]),
            records(b"\1\0\0\0"),
            records(b"\1\0\0\x22" + bytes([3]) * 34),
        ):  # fmt: skip
            self.assertIsInstance(peek(broken), str, broken)

    def test_serverName(self) -> None:
        """One entry, a host name, to the last byte; twice is once too often."""
        entry = b"\0" + vector(2, b"a.b")
        for content in (
            b"", b"\0\0", vector(2, b""), vector(2, b"\0"), vector(2, b"\0\0\0"), vector(2, b"\1" + vector(2, b"a.b")),
            vector(2, entry) + b"\0", vector(2, entry + b"\0"), vector(2, entry + entry), vector(2, entry[:-1]),
            vector(2, b"\0" + vector(2, b"a\0b")), vector(2, b"\0" + vector(2, b"")),
            vector(2, b"\0" + vector(2, b"x" * 300)),
        ):  # fmt: skip
            self.assertIsInstance(peek(hello([extension(0, content)])), str, content)
        self.assertIsInstance(peek(hello([serverName(b"a"), serverName(b"b")])), str)

    def test_address(self) -> None:
        """An address instead of a name counts as no name."""
        self.assertEqual(peek(hello([serverName(b"127.0.0.1")])), ClientHello(None, (), (0x303,)))

    def test_protocols(self) -> None:
        """A list of names, none of them empty; GREASE is left out."""
        for content in (
            b"", b"\0\0", vector(2, b"\0"), vector(2, b"\3h2"), vector(2, b"\2h2\0"), vector(2, b"\2h2") + b"\0",
        ):  # fmt: skip
            self.assertIsInstance(peek(hello([extension(16, content)])), str, content)
        found = peekClientHello(hello([extension(16, vector(2, b"\2\xaa\xaa\2h2\1x"))]))
        assert found is not None
        self.assertEqual(found.protocols, (b"h2", b"x"))

    def test_versions(self) -> None:
        """Pairs of bytes; GREASE is left out; the list replaces the old field."""
        for content in (b"", b"\0", b"\1\3", b"\3\3\4\3", b"\2\3\4\0", b"\4\3\4"):
            self.assertIsInstance(peek(hello([extension(43, content)])), str, content)
        found = peekClientHello(hello([extension(43, b"\6\x7a\x7a\3\4\3\3")]))
        assert found is not None
        self.assertEqual(found.versions, (0x304, 0x303))

    def test_unknown(self) -> None:
        """Extensions that do not matter here may hold anything, and come in any number."""
        many = [extension(1_000 + i, bytes([i])) for i in range(200)]
        self.assertEqual(peek(hello([*many, serverName(b"a.b")])), ClientHello("a.b", (), (0x303,)))


class FuzzTests(SynchronousTestCase):
    """No input gets anything but an answer or NotTLS."""

    @given(st.binary(max_size=300))
    def test_noise(self, data: bytes) -> None:
        """Noise, bare and behind the beginning of a hello."""
        peek(data)
        peek(b"\x16\x03\x01\x00\x40\x01\x00\x00\x3c\x03\x03" + data)
        peek(records(b"\x01" + vector(3, b"\3\3" + bytes(32) + data)))

    @given(st.lists(st.tuples(st.sampled_from([0, 16, 43, 0x0A0A]), st.binary(max_size=40)), max_size=5))
    def test_extensions(self, extensions: list[tuple[int, bytes]]) -> None:
        """Noise where it is looked at closely."""
        peek(hello([extension(kind, content) for kind, content in extensions]))

    def test_mutations(self) -> None:
        """Real hellos with bytes changed, lost, added and exchanged; some of them must come through."""
        chance = random.Random(8446)
        answers = set()
        for original in REAL:
            for _ in range(MUTATIONS):
                data = bytearray(original)
                for _ in range(chance.randint(1, 4)):
                    place = chance.randrange(len(data))
                    kind = chance.randrange(4)
                    if kind == 0:
                        data[place] = chance.randrange(256)
                    elif kind == 1:
                        del data[place : place + chance.randint(1, 8)]
                    elif kind == 2:
                        data[place:place] = chance.randbytes(chance.randint(1, 8))
                    else:
                        data[place] ^= 1 << chance.randrange(8)
                answers.add(type(peek(bytes(data))))
        self.assertEqual(answers, {ClientHello, str, type(None)})
