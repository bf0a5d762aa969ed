"""Certificates on demand: kept, bounded, and made anew in time."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from diglett.trust.authority import LocalAuthority
from diglett.trust.leaves import Leaves

DAY = 86400


class LeavesTests(SynchronousTestCase):
    """The certificates of a running gateway."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_800_000_000)
        authority = LocalAuthority.open(Path(self.mktemp()), self.clock.seconds)
        self.leaves = Leaves(authority, limit=2, clock=self.clock.seconds)

    def test_kept(self) -> None:
        """The same name gets the same certificate, another name another one with the same key."""
        first = self.leaves.of("a.localhost")
        self.assertIs(self.leaves.of("a.localhost"), first)
        second = self.leaves.of("b.localhost")
        self.assertEqual(second.names, ("b.localhost",))
        self.assertEqual(first.pin, second.pin)

    def test_bound(self) -> None:
        """When there are too many, the one that was not used for longest is forgotten."""
        first, second = self.leaves.of("a"), self.leaves.of("b")
        self.leaves.of("a")
        self.leaves.of("c")
        self.assertEqual(len(self.leaves), 2)
        self.assertIs(self.leaves.of("a"), first)
        self.assertIsNot(self.leaves.of("b"), second)
        self.assertEqual(len(self.leaves), 2)

    def test_renewed(self) -> None:
        """A certificate is replaced when two thirds of its life are over."""
        first = self.leaves.of("a")
        self.clock.advance(59 * DAY)
        self.assertIs(self.leaves.of("a"), first)
        self.clock.advance(2 * DAY)
        second = self.leaves.of("a")
        self.assertGreater(second.leaf.not_valid_after_utc, first.leaf.not_valid_after_utc)
        self.assertIs(self.leaves.of("a"), second)
        self.assertEqual(len(self.leaves), 1)
