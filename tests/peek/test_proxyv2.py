"""Tests of version 2 of the PROXY protocol."""

from __future__ import annotations

from struct import pack

from twisted.trial.unittest import SynchronousTestCase

from diglett.peek.crc32c import crc32c
from diglett.peek.proxy import BadProxyHeader, ProxyInfo, ProxyReader, encodeProxyV2

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
VISITOR = ("192.0.2.7", 51_000)
FRONT = ("198.51.100.1", 443)
BLOCK = b"\xc0\0\2\7\xc6\x33\x64\1" + pack(">HH", 51_000, 443)
BLOCK6 = b"\x20\1\r\xb8" + bytes(11) + b"\7" + bytes(15) + b"\1" + pack(">HH", 1, 2)


def header(command: int, family: int, content: bytes) -> bytes:
    """Make a header of any kind."""
    return SIGNATURE + bytes([command, family]) + pack(">H", len(content)) + content


def option(kind: int, value: bytes) -> bytes:
    """Make an option."""
    return pack(">BH", kind, len(value)) + value


def checked(content: bytes) -> bytes:
    """Make a header with a checksum as its last option."""
    start = header(0x21, 0x11, content + option(3, bytes(4)))
    return start[:-4] + pack(">I", crc32c(start))


class Version2Tests(SynchronousTestCase):
    """A binary header, every length in it exact."""

    def read(self, command: int, family: int, content: bytes = b"") -> ProxyInfo | None:
        """Read a header of any kind."""
        return ProxyReader().feed(header(command, family, content))

    def refused(self, command: int, family: int, content: bytes = b"") -> None:
        """Check that this header is refused."""
        self.assertRaises(BadProxyHeader, self.read, command, family, content)

    def test_addresses(self) -> None:
        """Addresses of both families are read, over streams and datagrams."""
        for family in (0x11, 0x12):
            self.assertEqual(self.read(0x21, family, BLOCK), ProxyInfo(VISITOR, FRONT))
        for family in (0x21, 0x22):
            self.assertEqual(self.read(0x21, family, BLOCK6), ProxyInfo(("2001:db8::7", 1), ("::1", 2)))

    def test_unknown(self) -> None:
        """Unix sockets and no family at all leave the visitor unknown."""
        self.assertEqual(self.read(0x21, 0x31, bytes(216)), ProxyInfo())
        self.assertEqual(self.read(0x21, 0x32, bytes(216) + option(2, b"a.b")), ProxyInfo(authority="a.b"))
        self.assertEqual(self.read(0x21, 0x00), ProxyInfo())
        self.assertEqual(self.read(0x21, 0x00, b"whatever"), ProxyInfo())

    def test_local(self) -> None:
        """The proxy's own connection says so; the rest of its header means nothing, and is not left over."""
        for family, content in ((0x00, b""), (0x11, BLOCK), (0xFF, b"whatever")):
            reader = ProxyReader()
            self.assertEqual(reader.feed(header(0x20, family, content) + b"rest"), ProxyInfo(local=True))
            self.assertEqual(reader.rest, b"rest")

    def test_refused(self) -> None:
        """Unknown families, and addresses that are cut off."""
        for family in (0x01, 0x10, 0x13, 0x20, 0x30, 0x33, 0x41, 0xFF):
            self.refused(0x21, family, bytes(300))
        for family, size in ((0x11, 12), (0x21, 36), (0x31, 216)):
            for short in (0, 1, size - 1):
                self.refused(0x21, family, bytes(short))

    def test_early(self) -> None:
        """An unknown version or command, or too many bytes, are refused without waiting for these."""
        for command in (0x00, 0x11, 0x22, 0x2F, 0x31, 0xFF):
            self.assertRaises(BadProxyHeader, ProxyReader().feed, SIGNATURE + bytes([command]))
        self.assertIsNone(ProxyReader().feed(SIGNATURE + b"\x21\x11\x10\x00"))
        self.assertRaises(BadProxyHeader, ProxyReader().feed, SIGNATURE + b"\x21\x11\x10\x01")

    def test_longest(self) -> None:
        """4096 bytes behind the first 16 are read."""
        filling = option(4, bytes(4_096 - len(BLOCK) - 3))
        self.assertEqual(self.read(0x21, 0x11, BLOCK + filling), ProxyInfo(VISITOR, FRONT))

    def test_authority(self) -> None:
        """The host the visitor asked for is read among other options; an address is none."""
        others = option(1, b"h2") + option(0x20, b"\1\0\0\0\0") + option(0xEE, b"")
        info = self.read(0x21, 0x11, BLOCK + others + option(2, b"A.Example.") + option(5, b"id"))
        self.assertEqual(info, ProxyInfo(VISITOR, FRONT, authority="a.example"))
        self.assertEqual(self.read(0x21, 0x11, BLOCK + option(2, b"::1")), ProxyInfo(VISITOR, FRONT))

    def test_options(self) -> None:
        """Options that do not fit, a bad host, or two of them are refused."""
        for options in (
            b"\2", b"\4\0", option(4, b"1")[:-1], option(4, b"") + b"\0", option(2, b""), option(2, b"a b"),
            option(2, b"a\0"), option(2, b"x" * 256), option(2, b"a") + option(2, b"a"),
        ):  # fmt: skip
            self.refused(0x21, 0x11, BLOCK + options)

    def test_checksum(self) -> None:
        """A checksum is optional, but must be right, and cover every byte."""
        sound = checked(BLOCK + option(2, b"a.example"))
        self.assertEqual(ProxyReader().feed(sound), ProxyInfo(VISITOR, FRONT, authority="a.example"))
        for place in range(16, len(sound)):
            broken = bytearray(sound)
            broken[place] ^= 1
            self.assertRaises(BadProxyHeader, ProxyReader().feed, bytes(broken))
        self.refused(0x21, 0x11, BLOCK + option(3, b""))
        self.refused(0x21, 0x11, BLOCK + option(3, b"12345"))

    def test_encoded(self) -> None:
        """What we write is what the specification draws."""
        self.assertEqual(encodeProxyV2(VISITOR, FRONT), header(0x21, 0x11, BLOCK))
        self.assertEqual(encodeProxyV2(("2001:db8::7", 1), ("::1", 2)), header(0x21, 0x21, BLOCK6))
        self.assertEqual(encodeProxyV2("", None), header(0x21, 0x00, b""))
