"""Host names: which are good, and what goes over the wire."""

from __future__ import annotations

import socket

from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import UsageError
from diglett.trust.hosts import hostIdentity, isHostName, ownNames


class HostTests(SynchronousTestCase):
    """Names, addresses, and neither."""

    def test_good(self) -> None:
        """Host names are labels of letters, digits and inner hyphens."""
        for name in ("localhost", "a.b-c.d1", "xn--bcher-kva.example", "a" * 63 + ".localhost"):
            self.assertTrue(isHostName(name), name)

    def test_bad(self) -> None:
        """Everything else is none."""
        for name in (
            "", ".", "a.", ".a", "a..b", "-a", "a-", "A", "a_b", "*.a", "a b", "a\n", "é",
            "a" * 64, "a." * 126 + "ab",
        ):  # fmt: skip
            self.assertFalse(isHostName(name), name)

    def test_own(self) -> None:
        """A machine has its domain, localhost and its host name, long and short, each once."""
        self.patch(socket, "gethostname", lambda: "Box.example.com")
        loopback = ("localhost", "127.0.0.1", "::1")
        self.assertEqual(
            ownNames("gateway.com"), ("gateway.com", *loopback, "box.example.com", "box")
        )
        self.patch(socket, "gethostname", lambda: "localhost")
        self.assertEqual(ownNames("localhost"), loopback)

    def test_strange(self) -> None:
        """A host name that no certificate can hold is left out."""
        self.patch(socket, "gethostname", lambda: "my_box")
        self.assertEqual(ownNames("localhost"), ("localhost", "127.0.0.1", "::1"))

    def test_identity(self) -> None:
        """Names and addresses come in many spellings and go out in one."""
        for host, identity in {
            "Gateway.COM.": (None, "gateway.com"),
            "bücher.example": (None, "xn--bcher-kva.example"),
            "my_host": (None, "my_host"),
            "127.0.0.1": ("127.0.0.1", "127.0.0.1"),
            "[::1]": ("::1", "::1"),
            "0:0::1": ("::1", "::1"),
            "fe80::1%eth0": ("fe80::1", "fe80::1"),
        }.items():
            self.assertEqual(hostIdentity(host), identity)

    def test_refused(self) -> None:
        """What cannot be a host is refused by name, before anything is dialled."""
        for host in ("", ".", "a b", "a..b", "a/b", "a:1", "a" * 64, "x\0y", "[a", "é" * 70, "‥"):
            error = self.assertRaises(UsageError, hostIdentity, host)
            self.assertIn("is not valid", str(error))
