"""Tests of `diglett.peek.hostname`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from diglett.peek.hostname import readHostName


class HostNameTests(SynchronousTestCase):
    """One spelling for each host, and nothing else gets through."""

    def test_same(self) -> None:
        """Case and the final dot make no second name."""
        for raw in (b"a.example.com", b"A.Example.COM", b"a.example.com."):
            self.assertEqual(readHostName(raw), "a.example.com")
        self.assertEqual(readHostName(b"_x-1.xn--bcher-kva"), "_x-1.xn--bcher-kva")
        self.assertEqual(readHostName(b"localhost"), "localhost")

    def test_address(self) -> None:
        """An address is no name."""
        for raw in (b"127.0.0.1", b"::1", b"fe80::1.2.3.4", b"2130706433", b"1.2.3.4."):
            self.assertIsNone(readHostName(raw), raw)

    def test_almostAddress(self) -> None:
        """A name may begin like an address."""
        self.assertEqual(readHostName(b"1.2.3.4.example"), "1.2.3.4.example")

    def test_refused(self) -> None:
        """What could mean two things, or break a log line, is refused."""
        for raw in (
            b"", b".", b"a..b", b".a", b"a.b..", b"a b", b"a\0.example.com", b"a\n", b"a/b", b"a:443", b"*.a",
            b"\xc3\xbc.example", b"user@host", b"[::1]", b"x" * 64 + b".com",
        ):  # fmt: skip
            self.assertRaises(ValueError, readHostName, raw)

    def test_longest(self) -> None:
        """253 characters are allowed, one more is not, with or without the final dot."""
        name = b".".join([b"x" * 63] * 3) + b"." + b"y" * 61
        self.assertEqual(len(name), 253)
        self.assertEqual(readHostName(name), name.decode())
        self.assertEqual(readHostName(name + b"."), name.decode())
        self.assertRaises(ValueError, readHostName, name + b"y")
        self.assertRaises(ValueError, readHostName, name + b"y.")
        self.assertRaises(ValueError, readHostName, b"x" * 100_000)
