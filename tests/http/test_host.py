"""The spellings of a Host."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.http.host import parseHost


class HostTests(SynchronousTestCase):
    """What may stand in Host, and what is made of it."""

    def test_accepted(self) -> None:
        """Names and addresses come out in one spelling, with their port."""
        for value, expected in {
            b"a": ("a", None),
            b"A.Example.COM": ("a.example.com", None),
            b"a.example.com.": ("a.example.com", None),
            b"a.example.com.:8443": ("a.example.com", 8443),
            b"a_b.localhost:1": ("a_b.localhost", 1),
            b"xn--bcher-kva.example": ("xn--bcher-kva.example", None),
            b"127.0.0.1:65535": ("127.0.0.1", 65535),
            b"[::1]": ("[::1]", None),
            b"[2001:DB8:0::1]:443": ("[2001:db8::1]", 443),
        }.items():
            self.assertEqual(parseHost(value), expected, value)

    def test_refused(self) -> None:
        """Anything that could be read as two hosts, or as none, is refused."""
        for value in (
            b"", b".", b".a", b"a..b", b"a..", b":80", b"a:", b"a:0", b"a:65536", b"a:080000",
            b"a:+80", b"a:8 0", b"a: 80", b"a b", b"a,b", b"a/b", b"a?b", b"a#b", b"a\\b", b"u@a",
            b"u:p@a", b"a%2eb", b"a;b", b"a\x00", b"a\xe9", b"a\tb", b"::1", b"[::1", b"[::1]a",
            b"[::g]", b"[:::]", b"[1.2.3.4]", b"[]", b"[fe80::1%25eth0]", b"*.a", b"a'b", b'a"',
            b"a\n", b"l" * 64, b"a." * 131 + b"a",
        ):  # fmt: skip
            with self.assertRaises(ValueError, msg=repr(value)):
                parseHost(value)

    @given(st.binary(max_size=12))
    def test_nothingSurprising(self, value: bytes) -> None:
        """Whatever is accepted is made of harmless characters, and of nothing else."""
        try:
            host, port = parseHost(value)
        except ValueError:
            return
        self.assertRegex(host, r"\A[a-z0-9._:\[\]-]+\Z")
        self.assertTrue(port is None or 0 < port < 65536)
