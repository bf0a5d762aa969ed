"""Tests of tunnels and of how the words of a command line are paired to them."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from diglett.config.tunnel import checkTunnels, makeTunnel, pairTunnels
from diglett.errors import UsageError


class PairTests(SynchronousTestCase):
    """Which name belongs to which backend."""

    def test_before(self) -> None:
        """What stands in front of a backend belongs to it; some have nothing in front."""
        self.assertEqual(
            pairTunnels(
                [("name", "a"), ("type", "tcp"), ("backend", "1"), ("backend", "2"),
                 ("share", True), ("backend", "3")]  # fmt: skip
            ),
            [
                {"name": "a", "type": "tcp", "backend": "1"},
                {"backend": "2"},
                {"share": True, "backend": "3"},
            ],
        )
        self.assertEqual(pairTunnels([]), [])

    def test_after(self) -> None:
        """What follows the only backend belongs to it, too."""
        self.assertEqual(
            pairTunnels([("backend", "1"), ("name", "a"), ("share", True)]),
            [{"backend": "1", "name": "a", "share": True}],
        )

    def test_refused(self) -> None:
        """What could be meant for another backend is not guessed."""
        cases: list[tuple[list[tuple[str, Any]], str]] = [
            ([("name", "a")], "no BACKEND"),
            ([("name", "a"), ("name", "b"), ("backend", "1")], "two --name"),
            ([("name", "a"), ("backend", "1"), ("name", "b")], "--name has no BACKEND after it"),
            ([("backend", "1"), ("backend", "2"), ("type", "tcp")], "--type has no BACKEND"),
        ]
        for parts, reason in cases:
            self.assertIn(reason, str(self.assertRaises(UsageError, pairTunnels, parts)))


class MakeTests(SynchronousTestCase):
    """What makes a tunnel."""

    def test_least(self) -> None:
        """A backend alone is enough: a random name, for HTTP, not shared."""
        tunnel = makeTunnel({"backend": "9000"})
        self.assertEqual((tunnel.name, tunnel.type, tunnel.share), (None, "http", False))
        self.assertEqual(str(tunnel.backend), "localhost:9000")

    def test_all(self) -> None:
        """Every setting arrives, the name in its one spelling."""
        tunnel = makeTunnel({"backend": "h:1", "name": "Shop", "type": "tls", "share": True})
        self.assertEqual((tunnel.name, tunnel.type, tunnel.share), ("shop", "tls", True))

    def test_refused(self) -> None:
        """What cannot work is refused before anything is connected."""
        for settings, reason in [
            ({}, "needs a backend"),
            ({"backend": "1", "name": "a_b"}, "letters, digits"),
            ({"backend": "1", "type": "udp"}, "none of http, tls, tcp"),
            ({"backend": ".", "type": "tcp"}, "only be served"),
            ({"backend": "https://h", "type": "tls"}, "write h:443, not https://h"),
        ]:
            self.assertIn(reason, str(self.assertRaises(UsageError, makeTunnel, settings)))

    def test_twice(self) -> None:
        """Two tunnels of one agent never have the same name; random ones are no trouble."""
        tunnels = [makeTunnel({"backend": str(port), "name": name}) for port, name in ((1, "A"), (2, "a"))]
        self.assertIn("'a'", str(self.assertRaises(UsageError, checkTunnels, tunnels)))
        nameless = [makeTunnel({"backend": "1"}), makeTunnel({"backend": "2"})]
        self.assertEqual(checkTunnels(nameless), tuple(nameless))
