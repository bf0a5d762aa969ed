"""How windows grow: arithmetic only."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.wire.windows import GROWTH_CAP, WINDOW_CAP, Growth

MIB = 1_048_576


class GrowthTests(SynchronousTestCase):
    """`Growth`."""

    def growth(self, left: int = GROWTH_CAP, roundTrip: float = 0.1) -> Growth:
        growth = Growth(left)
        growth.roundTrip = roundTrip
        return growth

    def test_unmeasured(self) -> None:
        """Nothing grows before a round trip was measured."""
        self.assertEqual(Growth().grow(MIB, 0.0), 0)

    def test_short(self) -> None:
        """Nor where the way is so short that no window is a bottleneck: only memory would be lost."""
        self.assertEqual(self.growth(roundTrip=0.001_9).grow(65_536, 0.0), 0)
        self.assertEqual(self.growth(roundTrip=0.002).grow(65_536, 0.0), 65_536)

    def test_bottleneck(self) -> None:
        """A window doubles when half of it was delivered in less than two round trips, and not a moment later."""
        growth = self.growth()
        self.assertEqual(growth.grow(65_536, 0.199), 65_536)
        self.assertEqual(growth.grow(65_536, 0.2), 0)
        self.assertEqual(growth.left, GROWTH_CAP - 65_536)

    def test_streamCap(self) -> None:
        """One window grows to 8 MiB and no further; one that began larger does not grow."""
        growth = self.growth()
        self.assertEqual(growth.grow(6 * MIB, 0.0), 2 * MIB)
        for window in (WINDOW_CAP, WINDOW_CAP + 1, 16 * MIB):
            self.assertEqual(growth.grow(window, 0.0), 0)

    def test_linkCap(self) -> None:
        """All windows of a link grow by 64 MiB together; what streams leave behind others may use."""
        growth = self.growth()
        for _ in range(16):
            self.assertEqual(growth.grow(4 * MIB, 0.0), 4 * MIB)
        self.assertEqual(growth.grow(4 * MIB, 0.0), 0)
        growth.release(MIB)
        self.assertEqual(growth.grow(4 * MIB, 0.0), MIB)

    @given(
        st.integers(0, GROWTH_CAP),
        st.lists(st.tuples(st.integers(1, 16 * MIB), st.floats(0, 1), st.booleans()), max_size=40),
    )
    def test_sum(self, left: int, steps: list[tuple[int, float, bool]]) -> None:
        """Whatever grows and ends, what is left is what was not given, never negative."""
        growth = self.growth(left)
        given_ = 0
        for window, elapsed, ends in steps:
            more = growth.grow(window, elapsed)
            self.assertTrue(0 <= more <= window)
            if more:
                self.assertLessEqual(window + more, WINDOW_CAP)
            if ends:
                growth.release(more)
            else:
                given_ += more
            self.assertEqual(growth.left, left - given_)
            self.assertGreaterEqual(growth.left, 0)
