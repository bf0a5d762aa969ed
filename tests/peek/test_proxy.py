"""Tests of `diglett.peek.proxy`, and of what both versions have in common."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.peek.proxy import BadProxyHeader, ProxyInfo, ProxyReader, encodeProxyV1, encodeProxyV2

addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6).filter(lambda a: a.ipv4_mapped is None)).map(str)
ports = st.integers(0, 65_535)
endpoints = st.tuples(addresses, ports)
encoders = st.sampled_from([encodeProxyV1, encodeProxyV2])

VISITOR = ("192.0.2.7", 51_000)
FRONT = ("198.51.100.1", 443)
STARTS = (b"", b"PROXY ", b"PROXY TCP4 ", b"\r\n\r\n\0\r\nQUIT\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x20")


def read(data: bytes) -> tuple[ProxyInfo | None, bytes]:
    """Read all at once: the answer and the rest."""
    reader = ProxyReader()
    return reader.feed(data), reader.rest


class ReaderTests(SynchronousTestCase):
    """A header is read in whatever pieces it comes, and no byte behind it is lost."""

    @given(encoders, endpoints, endpoints, st.binary(max_size=50), st.integers(1, 60))
    def test_pieces(self, encode, source, destination, behind, size) -> None:  # type: ignore[no-untyped-def]
        """What was encoded is read, however it is cut, and what follows comes out as rest."""
        header = encode(source, destination)
        reader = ProxyReader()
        data = header + behind
        for start in range(0, len(data), size):
            found = reader.feed(data[start : start + size])
            if start + size < len(header):
                self.assertIsNone(found)
                self.assertEqual(reader.rest, b"")
            else:
                self.assertEqual(found, ProxyInfo(source, destination))
                self.assertEqual(header + reader.rest, data[: start + size])
                break

    def test_nothing(self) -> None:
        """No bytes are no error, and no header."""
        self.assertEqual(read(b""), (None, b""))

    def test_neither(self) -> None:
        """Another protocol is refused at the first byte that shows it."""
        for good, wrong in (
            (b"", b"G"),
            (b"", b"\x16"),
            (b"P", b"O"),
            (b"PROXY", b"\t"),
            (b"\r\n\r\n", b"\r"),
            (b"\r\n\r\n\0\r\nQUIT", b"\r"),
        ):
            self.assertEqual(read(good), (None, b""))
            self.assertRaises(BadProxyHeader, read, good + wrong)

    @given(st.sampled_from(STARTS), st.binary(max_size=200))
    def test_noise(self, start: bytes, noise: bytes) -> None:
        """No input gets anything but an answer or BadProxyHeader."""
        for data in (start + noise, start + noise + b"\r\n"):
            try:
                read(data)
            except BadProxyHeader:
                pass

    def test_mutations(self) -> None:
        """Headers with a few bytes exchanged get an answer or BadProxyHeader, and both happen."""
        chance = random.Random(1)
        answers = set()
        for _ in range(20_000):
            data = bytearray(chance.choice((encodeProxyV1, encodeProxyV2))(VISITOR, FRONT))
            for _ in range(chance.randint(1, 3)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            try:
                answers.add(type(read(bytes(data))[0]))
            except BadProxyHeader:
                answers.add(BadProxyHeader)
        self.assertEqual(answers, {ProxyInfo, BadProxyHeader, type(None)})


class EncoderTests(SynchronousTestCase):
    """Both versions say the same of the same addresses."""

    def both(self, source: object, destination: object) -> list[ProxyInfo | None]:
        """Encode in both versions and read again."""
        return [read(encode(source, destination))[0] for encode in (encodeProxyV1, encodeProxyV2)]

    def test_unknown(self) -> None:
        """What is no pair of IP addresses is unknown: Unix sockets, names, nothing."""
        for source, destination in (
            ("", FRONT), (VISITOR, None), ("/run/x", "/run/y"), (("example.com", 1), FRONT), ((), ()), ((1, 2), FRONT),
        ):  # fmt: skip
            self.assertEqual(self.both(source, destination), [ProxyInfo()] * 2)

    def test_socketAddresses(self) -> None:
        """What `getpeername` gives for IPv6 is understood, a scope left out."""
        source, destination = ("fe80::1%eth0", 1, 0, 2), ("2001:db8::1", 2, 0, 0)
        self.assertEqual(self.both(source, destination), [ProxyInfo(("fe80::1", 1), ("2001:db8::1", 2))] * 2)

    def test_clothed(self) -> None:
        """IPv4 in the clothes of IPv6 is IPv4, as encoded and as read."""
        clothed = ("::ffff:192.0.2.7", 51_000), ("::ffff:198.51.100.1", 443)
        self.assertEqual(encodeProxyV1(*clothed), encodeProxyV1(VISITOR, FRONT))
        self.assertEqual(encodeProxyV2(*clothed), encodeProxyV2(VISITOR, FRONT))
        self.assertEqual(self.both(*clothed), [ProxyInfo(VISITOR, FRONT)] * 2)

    def test_mixed(self) -> None:
        """Addresses of two families are written as IPv6, and none gets lost."""
        other = ("2001:db8::1", 443)
        self.assertEqual(self.both(VISITOR, other), [ProxyInfo(VISITOR, other)] * 2)
        self.assertIn(b"PROXY TCP6 ::ffff:", encodeProxyV1(VISITOR, other))
