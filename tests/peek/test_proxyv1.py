"""Tests of version 1 of the PROXY protocol."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from diglett.peek.proxy import BadProxyHeader, ProxyInfo, ProxyReader, encodeProxyV1


class Version1Tests(SynchronousTestCase):
    """A line, read strictly."""

    def read(self, line: bytes) -> ProxyInfo | None:
        """Read this line, whose end is added."""
        return ProxyReader().feed(b"PROXY " + line + b"\r\n")

    def test_specification(self) -> None:
        """The lines that the specification gives as examples are read."""
        self.assertEqual(
            self.read(b"TCP4 255.255.255.255 255.255.255.255 65535 65535"),
            ProxyInfo(("255.255.255.255", 65_535), ("255.255.255.255", 65_535)),
        )
        full = b":".join([b"ffff"] * 8)
        worst = b"TCP6 " + full + b" " + full + b" 65535 65535"
        address = (full.decode(), 65_535)
        self.assertEqual(self.read(worst), ProxyInfo(address, address))
        self.assertEqual(self.read(b"UNKNOWN"), ProxyInfo())
        self.assertEqual(self.read(b"UNKNOWN " + full + b" " + full + b" 65535 65535"), ProxyInfo())

    def test_longest(self) -> None:
        """A line of 107 bytes is read; without an end by then it is refused, and not before."""
        reader = ProxyReader()
        self.assertIsNone(reader.feed(b"PROXY UNKNOWN " + b"x" * 91 + b"\r"))
        self.assertEqual(reader.feed(b"\nrest"), ProxyInfo())
        self.assertEqual(reader.rest, b"rest")
        reader = ProxyReader()
        self.assertIsNone(reader.feed(b"PROXY UNKNOWN " + b"x" * 92))
        self.assertRaises(BadProxyHeader, reader.feed, b"x\r\n")

    def test_refused(self) -> None:
        """A line that is wrong anywhere is refused."""
        for line in (
            b"", b"TCP4", b"TCP5 1.2.3.4 1.2.3.4 1 2", b"tcp4 1.2.3.4 1.2.3.4 1 2", b"UDP4 1.2.3.4 1.2.3.4 1 2",
            b"TCP4 1.2.3.4 1.2.3.4 1", b"TCP4 1.2.3.4 1.2.3.4 1 2 3", b"TCP4  1.2.3.4 1.2.3.4 1 2",
            b"TCP4 1.2.3.4 1.2.3.4 1 2 ", b"TCP4 1.2.3.04 1.2.3.4 1 2", b"TCP4 1.2.3 1.2.3.4 1 2",
            b"TCP4 ::1 ::1 1 2", b"TCP6 1.2.3.4 1.2.3.4 1 2", b"TCP6 fe80::1%eth0 ::1 1 2", b"TCP6 [::1] ::1 1 2",
            b"TCP4 1.2.3.4 1.2.3.4 65536 2", b"TCP4 1.2.3.4 1.2.3.4 1 99999", b"TCP4 1.2.3.4 1.2.3.4 01 2",
            b"TCP4 1.2.3.4 1.2.3.4 -1 2", b"TCP4 1.2.3.4 1.2.3.4 1 2\n", b"TCP4 1.2.3.4 1.2.3.4 1 \xb2",
            b"TCP4 1.2.3.4 1.2.3.4 +1 2", b"TCP4\t1.2.3.4 1.2.3.4 1 2", b"TCP4 localhost 1.2.3.4 1 2",
        ):  # fmt: skip
            self.assertRaises(BadProxyHeader, self.read, line)

    def test_encoded(self) -> None:
        """What we write is a line of the specification."""
        self.assertEqual(
            encodeProxyV1(("192.0.2.7", 51_000), ("198.51.100.1", 443)),
            b"PROXY TCP4 192.0.2.7 198.51.100.1 51000 443\r\n",
        )
        self.assertEqual(encodeProxyV1(("2001:DB8::7", 1, 0, 0), ("::1", 2)), b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n")
        self.assertEqual(encodeProxyV1("", ""), b"PROXY UNKNOWN\r\n")
